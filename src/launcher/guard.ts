/**
 * Nothing is left behind, whatever ends first. A child gets SIGKILL from the kernel when this process ends in whatever
 * way (PR_SET_PDEATHSIG, prctl(2)); the private folder goes with its guard, a shell that waits for the end of its input.
 * So no signal handler is needed here, and a caller's own are left alone.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needProgram } from './programs.ts'

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
  const path = mkdtempSync(join(tmpdir(), 'zmachine-'))
  const guard = spawn('sh', ['-c', 'read -r end; rm -rf -- "$1"', 'sh', path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
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
