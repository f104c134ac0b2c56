/** `zmachine.shell`: a shell on the console after a fatal error, for whoever looks for its cause. */

import { line, openTerminal } from '../run/console.ts'
import { ECHILD, SysError } from '../sys/errno.ts'
import { POLLIN, WNOHANG } from '../sys/flags.ts'
import { poll, read, wait4 } from '../sys/linux.ts'
import { ROOT, startWorkload } from './workload.ts'

const SHELL = '/bin/sh'

/**
 * Runs the root's shell until it ends, reaping everything meanwhile.
 * @param signals becomes readable when a child ends
 */
export function runShell(signals: number): void {
  openTerminal()
  line(`a shell, since zmachine.shell was asked for; type exit to go on with the exit policy`)
  const { pid, failed } = startWorkload({
    path: SHELL,
    argv: [SHELL, '-i'],
    environment: [
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
      'TERM=linux',
    ],
    identity: ROOT,
    cwd: '/',
  })
  if (pid < 0 || failed !== undefined) {
    line(new SysError(`no shell: ${failed?.call.name ?? 'fork'}`, failed?.result ?? pid).message)
    return
  }
  const info = new Uint8Array(128)
  for (;;) {
    const { pid: ended } = wait4(-1, WNOHANG)
    if (ended === pid || ended === -ECHILD) return
    if (ended > 0) continue
    poll([{ fd: signals, events: POLLIN }], -1)
    while (read(signals, info) > 0);
  }
}
