/** Waiting for descriptors in a way that cannot fail: PID 1 must hear requests whatever the container does to it. */

import { requestFds } from '../boot/io/requests.ts'
import type { Relay } from '../boot/log/relay.ts'
import { type PollFd, poll } from '../sys/linux.ts'
import { restoreLimits } from './limits.ts'

/** How long PID 1 sleeps between two looks where it can't wait for descriptors, in milliseconds. */
const NAP = 100

/** A descriptor that is ready, and the events that are. */
export interface Ready {
  readonly fd: number
  readonly events: number
}

/**
 * Waits as poll(2) does, which answers EINVAL where the container has lowered RLIMIT_NOFILE below the number of
 * descriptors. Where not even new limits help, everything counts as ready after a nap: nothing here blocks when it is read.
 * @param milliseconds how long to wait; negative: for ever
 */
export function waitForEvents(fds: readonly PollFd[], milliseconds: number): readonly Ready[] {
  let events = poll(fds, milliseconds)
  if (typeof events === 'number') {
    restoreLimits()
    events = poll(fds, milliseconds)
  }
  if (typeof events === 'number') {
    poll([], milliseconds < 0 || milliseconds > NAP ? NAP : milliseconds)
    return fds
  }
  const ready: Ready[] = []
  fds.forEach(({ fd }, index) => {
    const found = events[index] ?? 0
    if (found !== 0) ready.push({ fd, events: found })
  })
  return ready
}

/** Waits for requests to PID 1, and relays the container's output meanwhile. */
export function waitForRequests(relay: Relay | undefined, milliseconds: number): void {
  const fds = relay === undefined ? requestFds() : [...requestFds(), ...relay.fds()]
  const ready = waitForEvents(fds, milliseconds)
  relay?.handle(ready)
}
