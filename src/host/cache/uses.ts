/**
 * Which processes use a root of the cache. Each use is a symlink whose text names its process, which is written in one
 * step. What a killed process leaves behind is told from another process of the same number by its start.
 */

import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { unique } from '../lib/unique.ts'

/** @returns what ends the use */
export function registerUse(folder: string, name: string): () => void {
  mkdirSync(folder, { recursive: true })
  const link = join(folder, `${name}.${unique()}`)
  symlinkSync([process.pid, startOf(process.pid), ...here()].join(' '), link)
  return () => rmSync(link, { force: true })
}

/** The processes that use each root. Links of processes that are gone are removed. */
export function usersOf(folder: string): ReadonlyMap<string, readonly number[]> {
  const users = new Map<string, number[]>()
  for (const file of linksIn(folder)) {
    const name = file.slice(0, file.lastIndexOf('.'))
    const pid = livingOwner(join(folder, file))
    if (pid === undefined) rmSync(join(folder, file), { force: true })
    else users.set(name, [...(users.get(name) ?? []), pid])
  }
  return users
}

function livingOwner(link: string): number | undefined {
  const [pid = '', start, namespace, boot] = readLink(link).split(' ')
  const [ownNamespace, ownBoot] = here()
  if (boot !== ownBoot) return undefined
  // Another namespace's processes can't be seen from here: they count as alive until the computer boots again.
  return namespace !== ownNamespace || startOf(Number(pid)) === start ? Number(pid) : undefined
}

/** What a process's number is valid in: its PID namespace, and this boot of the computer. */
const here = (): readonly [namespace: string, boot: string] => [
  readLink('/proc/self/ns/pid'),
  readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
]

/** In clock ticks since the boot: the 22nd field of /proc/PID/stat (proc(5)). undefined for a process that has ended. */
function startOf(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field is a name in parentheses, which may hold anything.
  const [state, ...others] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : others[18]
}

function linksIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
