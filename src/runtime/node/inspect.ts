/** Node's inspector in PID 1, for Chrome's DevTools, VS Code and everything else that speaks its protocol. */

import inspector from 'node:inspector'
import { SYS_ppoll } from '../../sys/linux.ts'
import type { Argument, Runtime } from '../../sys/port.ts'

/** How long JavaScript sleeps in one call while the inspector is open, in nanoseconds: it answers between two of them. */
const SLICE = 20_000_000
const NANOSECONDS = 1_000_000_000

/**
 * The runtime with an inspector. Its own thread takes connections, and asks this thread to do what a client wants at the
 * next JavaScript that runs: PID 1, who sleeps in ppoll(2) until there is something to do, is woken now and then.
 */
export function inspectable(runtime: Runtime): Runtime {
  let open = false
  return {
    ...runtime,
    syscall: (number, ...args) =>
      open && number === SYS_ppoll ? pollInSlices(runtime, args) : runtime.syscall(number, ...args),
    inspect(port) {
      // `::` takes IPv4 too. The network need not be there yet.
      inspector.open(port, '::', false)
      open = true
    },
  }
}

/** int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, …), to the same end. */
function pollInSlices(
  runtime: Runtime,
  [fds = 0, count = 0, timeout = 0, ...more]: readonly Argument[],
): number {
  let left = timeout instanceof Uint32Array ? nanoseconds(timeout) : Number.POSITIVE_INFINITY
  for (;;) {
    const slice = Math.min(left, SLICE)
    const answer = runtime.syscall(SYS_ppoll, fds, count, Uint32Array.of(0, 0, slice, 0), ...more)
    left -= slice
    if (answer !== 0 || left <= 0) return answer
  }
}

/** struct timespec */
const nanoseconds = ([low = 0, high = 0, fraction = 0]: Uint32Array): number =>
  (high * 2 ** 32 + low) * NANOSECONDS + fraction
