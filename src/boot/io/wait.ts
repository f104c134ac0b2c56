/** Waits for devices that appear late: a disk, a share, a NIC. The kernel's events wake it; it never polls. */

import type { Monitor } from '../../netlink/monitor.ts'
import { closeMonitor, drainMonitor, openMonitor } from '../../netlink/monitor.ts'
import { UEVENT_GROUP } from '../../netlink/uevent.ts'
import { NETLINK_KOBJECT_UEVENT, POLLIN } from '../../sys/flags.ts'
import { uptime } from '../../sys/linux.ts'
import { info } from './console.ts'
import { pollOrStop } from './requests.ts'

/** Waits longer than this are announced. Milliseconds. */
const PATIENCE = 1000

/**
 * Calls `attempt` until it returns something: at once, and whenever the kernel reports a device, until the deadline. If the
 * first attempt succeeds, nothing is opened.
 * @param deadline as `uptime()` counts
 * @param subject what is awaited, in words
 * @returns undefined after the deadline
 * @throws Stopped if a stop was requested meanwhile
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
  const notice = waitNotice(subject, deadline)
  for (;;) {
    // Once the monitor is open, so that no device is missed: one from before is found here, a later one is reported.
    const found = attempt()
    const now = uptime()
    if (found !== undefined || now >= deadline) return found
    const wake = Math.min(deadline, notice(now))
    pollOrStop([{ fd: monitor.fd, events: POLLIN }], Math.max(1, wake - now))
    drainMonitor(monitor)
  }
}

/**
 * Announces a wait once, after a second.
 * @returns a function to call with the current time; it returns when it has to be called again
 */
export function waitNotice(subject: () => string, deadline: number): (now: number) => number {
  const due = uptime() + PATIENCE
  let isAnnounced = false
  return (now) => {
    if (isAnnounced) return Number.POSITIVE_INFINITY
    if (now < due) return due
    isAnnounced = true
    info(`waiting for ${subject()}, up to ${Math.ceil((deadline - now) / 1000)} s`)
    return Number.POSITIVE_INFINITY
  }
}
