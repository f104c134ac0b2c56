/** Keeps the serial logs of `zmachine run` for `zmachine timeline`: one per machine, the newest 20. */

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { errorCode } from '../lib/input.ts'
import type { LogFile } from './log-file.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** How many logs are kept, besides those of machines that still run. */
const LOGS = 20

/** Bytes of each log's beginning and of its end. A boot with every message is some 60 KB. */
const KEPT = 1 << 20

/** Where the logs are. A relative $XDG_STATE_HOME does not count (XDG Base Directory Specification). */
export function bootLogFolder({ XDG_STATE_HOME = '' }: Environment = process.env): string {
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local/state')
  return join(state, 'zmachine/boots')
}

/** A log for a machine, named after the time and this process; undefined, with a warning, if the folder can't be used. */
export function newBootLog(
  warn: (text: string) => void,
  environment: Environment = process.env,
): LogFile | undefined {
  const folder = bootLogFolder(environment)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    prune(folder)
  } catch (error) {
    warn(`no log is kept for zmachine timeline: ${folder}: ${errorCode(error)}`)
    return undefined
  }
  const time = new Date().toISOString().replaceAll(':', '-')
  return { file: join(folder, `${time}-${process.pid}.log`), keep: KEPT }
}

/** The log of the machine that was started last; undefined where there is none. */
export function newestBootLog(environment: Environment = process.env): string | undefined {
  const folder = bootLogFolder(environment)
  try {
    const newest = logsIn(folder).at(-1)
    return newest === undefined ? undefined : join(folder, newest)
  } catch {
    return undefined
  }
}

/** The oldest first, since their names begin with the time. */
const logsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()

/** Removes the oldest logs, so that there is room for one more. */
function prune(folder: string): void {
  const logs = logsIn(folder)
  for (const name of logs.slice(0, Math.max(0, logs.length - LOGS + 1)))
    if (!isInUse(name)) rmSync(join(folder, name), { force: true })
}

/** Whether the process that writes it still runs. */
function isInUse(name: string): boolean {
  const pid = Number(/-(\d+)\.log$/.exec(name)?.[1] ?? 0)
  if (pid === 0) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}
