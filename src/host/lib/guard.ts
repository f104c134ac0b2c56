/**
 * Nothing is left behind, whatever ends first. A child gets SIGKILL from the kernel when this process ends in whatever
 * way (PR_SET_PDEATHSIG, prctl(2)); the private folder goes with its guard, a shell that waits for the end of its input.
 * So no signal handler is needed here, and a caller's own are left alone.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needProgram } from './programs.ts'
import { unique } from './unique.ts'

/**
 * Runs a program that dies with this process. It gets a session of its own, so that a Ctrl-C in the terminal reaches
 * only this process, which then decides. The shell in between closes the gap in which this process ends before the
 * death signal is armed: it then sees another parent.
 */
export function spawnGuarded(
  program: string,
  args: readonly string[],
  stdio: readonly ('ignore' | 'pipe' | number)[],
): ChildProcess {
  const setpriv = needProgram('setpriv', 'util-linux')
  const onlyWithParent = 'test "$PPID" = "$1" || exit 1; shift; exec "$@"'
  return spawn(
    setpriv,
    ['--pdeathsig', 'KILL', 'sh', '-c', onlyWithParent, 'sh', String(process.pid), program, ...args],
    { stdio: [...stdio], detached: true },
  )
}

export interface PrivateFolder {
  readonly path: string
  /** Removes it now. */
  remove(): void
}

/** A new folder that only this user can enter, removed when this process ends at the latest. */
export function privateFolder(): PrivateFolder {
  const path = join(tmpdir(), `zmachine-${unique()}`)
  // Before the folder is there, so that nothing can end this process between the two. A child that is about to die may
  // still put a file into it, so that rm(1) finds it not empty.
  const remover = 'read -r end; for try in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 0.2; done'
  const guard = spawn('sh', ['-c', remover, 'sh', path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  mkdirSync(path, { mode: 0o700 })
  // Neither the guard nor its pipe keeps this process alive.
  guard.unref()
  if (guard.stdin !== null && 'unref' in guard.stdin && typeof guard.stdin.unref === 'function') {
    guard.stdin.unref()
  }
  guard.on('error', () => {})
  guard.stdin?.on('error', () => {})
  const remove = (): void => {
    rmSync(path, { recursive: true, force: true })
    guard.stdin?.end()
  }
  return { path, remove }
}
