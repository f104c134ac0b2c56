/** `zmachine.shell`: a shell on the console after a fatal error, to look for its cause. */

import { line, openTerminal } from '../boot/io/console.ts'
import { readStop } from '../boot/io/requests.ts'
import type { StopPower } from '../boot/io/stop.ts'
import type { Relay } from '../boot/log/relay.ts'
import { SysError } from '../sys/errno.ts'
import { makeReaper, reap } from './reap.ts'
import { waitForRequests } from './wait.ts'
import { ROOT, startWorkload } from './workload.ts'

const SHELL = '/bin/sh'

/** Runs the root's shell until it exits or a stop is requested. @returns the stop's power state, if it was one */
export function runShell(relay: Relay | undefined): StopPower | undefined {
  // Nobody who is left of the entrypoint's user may type into root's shell.
  if (relay === undefined) openTerminal(ROOT.uid)
  else relay.openStreams(ROOT.uid)
  line('zmachine.shell: starting a shell; exit it to continue with the exit policy')
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
    return undefined
  }
  const reaper = makeReaper()
  for (;;) {
    const { status, left } = reap(reaper, pid)
    if (status !== undefined || left === 'none') return undefined
    waitForRequests(relay, left === 'ended' ? 0 : -1)
    const power = readStop()
    if (power !== undefined) return power
  }
}
