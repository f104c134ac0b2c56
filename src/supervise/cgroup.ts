/**
 * The entrypoint's own cgroup, with every controller: what it used stands in the exit record, whether memory ran out can be
 * told, and one write ends all of it (Documentation/admin-guide/cgroup-v2.rst). Where the root has no cgroup2 mount or the
 * kernel no cgroups, everything here does nothing.
 */

import { readAll, readText, writeValue } from '../boot/io/files.ts'
import type { Identity } from '../config/users.ts'
import { parseDecimal, splitList, trim, words } from '../lib/text.ts'
import { EBUSY } from '../sys/errno.ts'
import { AT_REMOVEDIR, DT_DIR, O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY } from '../sys/flags.ts'
import { chown, close, mkdir, open, readDirectory, unlink, write } from '../sys/linux.ts'
import type { Usage } from './outcome.ts'

const ROOT = '/sys/fs/cgroup'
const OWN = `${ROOT}/container`

/** What a cgroup's own user may write, as systemd delegates it (the documentation's «Delegation»). */
const DELEGATED = ['', '/cgroup.procs', '/cgroup.subtree_control', '/cgroup.threads']

/** The cgroup's directory: once the root's server has died, no path leads there any more. */
let directory = -1

/**
 * Makes the cgroup anew, without what a dead session left in it.
 * @returns the descriptor of its directory, which stays open; a negative errno where there are no cgroups
 */
export function openCgroup({ uid, gid }: Identity): number {
  enableControllers()
  if (unlink(OWN, AT_REMOVEDIR) === -EBUSY) removeAll()
  mkdir(OWN, 0o755)
  if (uid !== 0) for (const file of DELEGATED) chown(OWN + file, uid, gid)
  const limit = memoryLimit()
  if (limit !== undefined) writeValue(`${OWN}/memory.max`, `${limit}`)
  if (directory >= 0) close(directory)
  directory = open(OWN, O_PATH | O_DIRECTORY | O_CLOEXEC)
  return directory
}

/** What PID 1 needs for its own page faults and the kernel for it, in bytes: where that is missing, the kernel panics. */
const RESERVE = 8 << 20

const AVAILABLE = 'MemAvailable:'

/** All that there is but the reserve: a container that takes it to the last page is killed, and not the machine. */
function memoryLimit(): number | undefined {
  const text = readText('/proc/meminfo') ?? ''
  const at = text.indexOf(AVAILABLE)
  const [number = ''] = words(text.slice(at + AVAILABLE.length, at + AVAILABLE.length + 20))
  const kilobytes = at < 0 ? undefined : parseDecimal(number)
  return kilobytes === undefined || kilobytes * 1024 < 4 * RESERVE ? undefined : kilobytes * 1024 - RESERVE
}

/** All at once; one that is refused (a realtime process somewhere, cpu) must not take the others with it. */
function enableControllers(): void {
  const controllers = words(readText(`${ROOT}/cgroup.controllers`) ?? '')
  const control = `${ROOT}/cgroup.subtree_control`
  let all = ''
  for (const name of controllers) all += `+${name} `
  if (all === '' || writeValue(control, all) >= 0) return
  for (const name of controllers) writeValue(control, `+${name}`)
}

/** Ends everybody in it, also who is frozen or forks all the time. */
export function killCgroup(): void {
  if (directory >= 0) writeBelow(directory, 'cgroup.kill', '1')
}

/** More than these nobody needs, and a container might make them without end. */
const MOST_CGROUPS = 1000

/** Lets go on whom the container froze, in cgroups of its own as well: TERM is handled only then. */
export function thawCgroup(): void {
  for (const path of allCgroups()) writeBelow(directory, `${path}/cgroup.freeze`, '0')
}

function removeAll(): void {
  for (const path of allCgroups().reverse()) unlink(path === '.' ? OWN : path, AT_REMOVEDIR, directory)
}

/** It and the first of those that the container has made below it, by their paths from its directory; each before what is in it. */
function allCgroups(): string[] {
  if (directory < 0) return []
  const paths = ['.']
  for (const path of paths) {
    const fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, directory)
    if (fd < 0) continue
    const entries = readDirectory(fd)
    close(fd)
    if (typeof entries === 'number') continue
    for (const { name, type } of entries)
      if (type === DT_DIR && paths.length < MOST_CGROUPS) paths.push(`${path}/${name}`)
  }
  return paths
}

function writeBelow(directory: number, file: string, digit: '0' | '1'): void {
  const fd = open(file, O_WRONLY | O_CLOEXEC, 0, directory)
  write(fd, Uint8Array.of(digit.charCodeAt(0)))
  close(fd)
}

export function readUsage(): Usage {
  const microseconds = field('cpu.stat', 'usage_usec')
  return {
    memoryPeak: parseDecimal(trim(readFile('memory.peak'))),
    cpuTime: microseconds === undefined ? undefined : microseconds / 1000,
    oomKills: readOomKills(),
  }
}

/** How many of its processes have been killed for want of memory, the machine's own among the reasons. */
export const readOomKills = (): number => field('memory.events', 'oom_kill') ?? 0

/** A number in a file of `name number` lines. */
function field(file: string, name: string): number | undefined {
  const lines = splitList(readFile(file), '\n')
  const line = lines.find((each) => each.startsWith(`${name} `))
  return line === undefined ? undefined : parseDecimal(line.slice(name.length + 1))
}

/** A file of the cgroup; nothing where there is none. */
function readFile(name: string): string {
  if (directory < 0) return ''
  const fd = open(name, O_RDONLY | O_CLOEXEC, 0, directory)
  if (fd < 0) return ''
  const content = readAll(fd)
  close(fd)
  return typeof content === 'number' ? '' : content
}
