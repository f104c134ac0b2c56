/** Waiting for what appears late: a disk, a share, a NIC. Woken by the kernel's events, never by a clock that ticks. */

import type { Monitor } from '../../netlink/monitor.ts'
import { closeMonitor, drainMonitor, openMonitor } from '../../netlink/monitor.ts'
import { UEVENT_GROUP } from '../../netlink/uevent.ts'
import { NETLINK_KOBJECT_UEVENT, POLLIN } from '../../sys/flags.ts'
import { uptime } from '../../sys/linux.ts'
import { info } from './console.ts'
import { pollOrStop } from './requests.ts'

/** After this long people want to know what is being waited for, in milliseconds. */
const PATIENCE = 1000

/**
 * Calls `attempt` until it gives something, each time that the kernel tells of a device, and no longer than until
 * the deadline. Where the first attempt succeeds nothing is opened.
 * @param deadline as `uptime()` counts
 * @param subject what is waited for, in words
 * @returns undefined after the deadline
 * @throws Stopped where a stop was asked for meanwhile
 */
export function waitFor<T>(
  attempt: () => T | undefined,
  deadline: number,
  subject: () => string,
): T | undefined {
  const first = attempt()
  if (first !== undefined || uptime() >= deadline) return first
  const monitor = openMonitor(NETLINK_KOBJECT_UEVENT, UEVENT_GROUP)
  try {
    return watch(monitor, attempt, deadline, subject)
  } finally {
    closeMonitor(monitor)
  }
}

function watch<T>(
  monitor: Monitor,
  attempt: () => T | undefined,
  deadline: number,
  subject: () => string,
): T | undefined {
  const tell = waitingFor(subject, deadline)
  for (;;) {
    // After the monitor was opened: what appeared before that is found here, what comes later is told.
    const found = attempt()
    const now = uptime()
    if (found !== undefined || now >= deadline) return found
    const wake = Math.min(deadline, tell(now))
    pollOrStop([{ fd: monitor.fd, events: POLLIN }], Math.max(1, wake - now))
    drainMonitor(monitor)
  }
}

/**
 * Says once what is waited for, when that has taken a second.
 * @returns a function to call with the time now; it returns when it wants to be called again
 */
export function waitingFor(subject: () => string, deadline: number): (now: number) => number {
  const due = uptime() + PATIENCE
  let told = false
  return (now) => {
    if (told) return Number.POSITIVE_INFINITY
    if (now < due) return due
    told = true
    info(`waiting for ${subject()}, up to ${Math.ceil((deadline - now) / 1000)} s`)
    return Number.POSITIVE_INFINITY
  }
}
