/** The checks in the lean host: a line for each on standard output. */

import type { Runtime } from '../../../src/sys/port.ts'
import { runChecks } from './contract.ts'

declare const host: Runtime

const SYS_write = 1
const SYS_exit_group = 231

/** What the host calls, as in src/runtime/quickjs/entry.ts. */
export function start(): void {
  for (const problem of runChecks(host)) {
    const line = `${problem ?? 'kept'}\n`
    host.syscall(SYS_write, 1, line, line.length)
  }
  host.syscall(SYS_exit_group, 0)
}
