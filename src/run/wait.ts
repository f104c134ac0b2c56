/** Waiting for what appears late: a disk, a share, a NIC. Woken by the kernel's events, never by a clock that ticks. */

import type { Monitor } from '../netlink/monitor.ts'
import { closeMonitor, drainMonitor, openMonitor } from '../netlink/monitor.ts'
import { NETLINK_KOBJECT_UEVENT, POLLIN } from '../sys/flags.ts'
import { poll, uptime } from '../sys/linux.ts'
import { info } from './console.ts'

/** After this long people want to know what is being waited for, in milliseconds. */
const PATIENCE = 1000

/** Device events of the kernel (lib/kobject_uevent.c sends all to the first group). */
const KERNEL_EVENTS = 1

/**
 * Calls `attempt` until it gives something, each time that the kernel tells of a device, and no longer than until
 * the deadline. Where the first attempt succeeds nothing is opened.
 * @param deadline as `uptime()` counts
 * @param subject what is waited for, in words
 * @returns undefined after the deadline
 */
export function waitFor<T>(
  attempt: () => T | undefined,
  deadline: number,
  subject: () => string,
): T | undefined {
  const first = attempt()
  if (first !== undefined || uptime() >= deadline) return first
  const monitor = openMonitor(NETLINK_KOBJECT_UEVENT, KERNEL_EVENTS)
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
  const start = uptime()
  let told = false
  for (;;) {
    // After the monitor was opened: what appeared before that is found here, what comes later is told.
    const found = attempt()
    const now = uptime()
    if (found !== undefined || now >= deadline) return found
    if (!told && now >= start + PATIENCE) {
      told = true
      info(`waiting for ${subject()}, up to ${((deadline - now) / 1000).toFixed(0)} s`)
    }
    const until = told ? deadline : Math.min(deadline, start + PATIENCE)
    poll([{ fd: monitor.fd, events: POLLIN }], Math.max(1, until - now))
    drainMonitor(monitor)
  }
}
