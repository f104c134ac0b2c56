/**
 * `zmachine run` killed at any moment leaves nothing behind: no process, no socket, no folder, no mount.
 * `ZMACHINE_KILLS=100` tries more moments than the suite does.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { writeTree } from '../lib/files.ts'

const CLI = fileURLToPath(new URL('../../../src/host/cli/cli.ts', import.meta.url))

const KILLS = Number(process.env['ZMACHINE_KILLS'] ?? 20)

/** Milliseconds; a boot to its entrypoint takes less. */
const LATEST = 2500

/** How long what is left may take to go, on a busy computer. In milliseconds. */
const PATIENCE = 5000

const folder = mkdtempSync(join(tmpdir(), 'zkill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

writeTree(join(folder, 'root'), {
  'bin/busybox': { copy: needProgram('busybox', 'busybox-static') },
  'bin/sleep': { link: 'busybox' },
})
mkdirSync(join(folder, 'share'))

/** Numbers from 0 to 1, the same ones each time (Park and Miller's generator). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 0x7fff_ffff
    return state / 0x7fff_ffff
  }
}

/** What there is of a folder: in processes' arguments, among the mounts of this computer, in itself. */
function leftOf(own: string): string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid, command: readOrNothing(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
    .filter(({ command }) => command.includes(own))
    .map(({ pid, command }) => `process ${pid}: ${command}`)
  const mounts = readOrNothing('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(own))
  const sockets = readOrNothing('/proc/net/unix')
    .split('\n')
    .filter((line) => line.includes(own))
  return [...processes, ...mounts, ...sockets, ...filesUnder(join(own, 'tmp'))]
}

/** What is in a folder; a folder in it may be gone by the time it is looked into, and then something was still there. */
function filesUnder(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true }).map(String)
  } catch (error) {
    return [String(error)]
  }
}

/** A process may be gone by the time it is looked at. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Starts it in a folder of its own and kills it then; gives what is left, and whether it was still running. */
async function killedAfter(milliseconds: number): Promise<{ left: string[]; ran: boolean }> {
  const own = mkdtempSync(join(folder, 'run-'))
  mkdirSync(join(own, 'tmp'))
  writeTree(join(own, 'share'), {})
  const options = [
    ...['-v', `${own}/share:/share`, '-v', `${own}/share:/read-only:ro`, '--disk', 'new:64M:/data'],
    ...['--network', 'isolated', join(folder, 'root'), '--', '/bin/sleep', '600'],
  ]
  const child = spawn(process.execPath, ['--', CLI, 'run', ...options], {
    env: { ...process.env, TMPDIR: join(own, 'tmp'), XDG_STATE_HOME: join(own, 'state') },
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  await sleep(milliseconds)
  const ran = child.exitCode === null
  child.kill('SIGKILL')
  await ended
  let left = leftOf(own)
  for (const start = Date.now(); left.length > 0 && Date.now() - start < PATIENCE; await sleep(20)) {
    left = leftOf(own)
  }
  return { left, ran }
}

test(`killed at ${KILLS} moments it leaves nothing behind`, { timeout: KILLS * 20_000 }, async () => {
  const random = createRandom(20_261_123)
  const moments = Array.from({ length: KILLS }, () => Math.floor(random() * LATEST))
  const next = async (): Promise<void> => {
    for (let at = moments.pop(); at !== undefined; at = moments.pop()) {
      expect(await killedAfter(at), `after ${at} ms`).toEqual({ left: [], ran: true })
    }
  }
  await Promise.all([next(), next()])
})
