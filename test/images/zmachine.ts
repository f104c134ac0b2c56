/** The real command, as a user's shell runs it; and what tests of images share. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFailed, onTestFinished, test } from 'vitest'
import { ROOT } from '../../build/paths.ts'

export const isRoot = process.getuid?.() === 0

/** PostgreSQL, sshd and systemd insist on the owners of their files, which only root can give them. */
export const describeAsRoot = (name: string, tests: () => void): void => {
  if (isRoot) describe(name, tests)
  else test.skip(`${name}: needs root, to unpack an image with its owners`, () => {})
}

/** No machine runs longer, under TCG on a busy computer. In seconds. */
const TIMEOUT = 170

export interface Ended {
  readonly code: number | null
  /** Standard output: what the container wrote to its console. */
  readonly output: string
  /** What the command itself said. */
  readonly errors: string
  /** The whole console. */
  readonly log: string
}

export interface Running {
  readonly ended: Promise<Ended>
  /** Tries until it does not fail, for as long as the machine runs. */
  eventually<T>(attempt: () => T | Promise<T>): Promise<T>
  /** Resolves once the container's output has it; rejects where the machine ends before. */
  waitFor(pattern: RegExp): Promise<void>
  /** Presses the power button. */
  stop(): void
  /** Ends it without a warning, as a zos host may. */
  kill(): void
}

/**
 * Starts `zmachine run` without a way out of its network. The test that calls it shows the console where it fails, and
 * leaves nothing running. `folder` is for the log and whatever the command keeps.
 */
export function start(folder: string, ...args: readonly string[]): Running {
  const log = join(folder, 'console.log')
  rmSync(log, { force: true })
  const own = ['--network', 'isolated', '--timeout', String(TIMEOUT), '--log', log]
  const child = spawn(process.execPath, [join(ROOT, 'src/host/cli/cli.ts'), 'run', ...own, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_STATE_HOME: folder },
  })
  const told = { output: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told.output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told.errors += text
  })
  const state = { over: false }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      state.over = true
      resolve({ code, ...told, log: existsSync(log) ? readFileSync(log, 'utf8') : '' })
    })
  })
  cleanUp(child, ended)
  const eventually = async <T>(attempt: () => T | Promise<T>): Promise<T> => {
    for (;;) {
      const { over } = state
      try {
        return await attempt()
      } catch (error) {
        if (over) throw error
      }
      await sleep(200)
    }
  }
  return {
    ended,
    eventually,
    stop: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
    waitFor: (pattern) => eventually(() => expect(told.output).toMatch(pattern)),
  }
}

function cleanUp(child: ChildProcess, ended: Promise<Ended>): void {
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  })
  onTestFailed(async () => {
    child.kill('SIGKILL')
    const { code, output, errors, log } = await ended
    console.error(
      `exit code ${code}\n${errors}\n--- console\n${plain(log || output)}\n--- end of the console`,
    )
  })
}

/** Without colours, cursor movements and the terminal's returns. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what these begin with
const plain = (text: string): string => text.replaceAll(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '')
