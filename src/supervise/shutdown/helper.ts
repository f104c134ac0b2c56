/** System calls that may never return, made by a helper process that PID 1 can leave behind. */

import { readRequests, requestFds } from '../../boot/io/requests.ts'
import { word } from '../../lib/bytes.ts'
import { type Helper, RESULT, spawnHelper } from '../../sys/calls.ts'
import { WNOHANG } from '../../sys/flags.ts'
import { currentRuntime, uptime, wait4 } from '../../sys/linux.ts'
import type { Argument } from '../../sys/port.ts'
import { waitForEvents } from '../wait.ts'

/** Helpers that were left behind: the kernel may still use their memory. */
const hung: Helper[] = []

/**
 * Makes one system call, without waiting for it for ever. Requests that come meanwhile are dropped.
 * @param patience in milliseconds
 * @returns the kernel's answer; undefined where it did not come in time
 */
export function callWithin(
  patience: number,
  number: number,
  ...args: readonly Argument[]
): number | undefined {
  const runtime = currentRuntime()
  const helper = spawnHelper(runtime, [{ number, args, name: 'call' }])
  if (helper.pid < 0) return runtime.syscall(number, ...args)
  const deadline = uptime() + patience
  while (wait4(helper.pid, WNOHANG).pid === 0) {
    const left = deadline - uptime()
    if (left <= 0) {
      hung.push(helper)
      return undefined
    }
    waitForEvents(requestFds(), left)
    readRequests()
  }
  return word(helper.calls, RESULT) | 0
}
