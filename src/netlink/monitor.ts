/** Hears what the kernel announces: links and devices that come and go. */

import { putU16, putU32 } from '../lib/bytes.ts'
import { EAGAIN, ENOBUFS, must } from '../sys/errno.ts'
import { AF_NETLINK, SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from '../sys/flags.ts'
import { bind, close, setsockopt } from '../sys/linux.ts'
import { openSocket, receive, SOCKADDR_NL_LEN, type Socket } from './socket.ts'

export type Monitor = Socket

/** What a listening socket can lose track of: it asks for this much memory. */
const MONITOR_BUFFER = 1 << 20

/**
 * A socket that hears the kernel's announcements: RTMGRP_LINK of NETLINK_ROUTE, UEVENT_GROUP of
 * NETLINK_KOBJECT_UEVENT. Wait for its `fd` by ppoll(2), then read it. Open it *before* looking at the state that it
 * tells of, or a change may slip through between. Throws a SysError.
 * @param groups a mask
 */
export function openMonitor(protocol: number, groups: number): Monitor {
  const monitor = openSocket(protocol, 8192)
  // Beyond net.core.rmem_max only for root; otherwise as much as there may be.
  if (setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUFFORCE, MONITOR_BUFFER) < 0) {
    setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUF, MONITOR_BUFFER)
  }
  const address = new Uint8Array(SOCKADDR_NL_LEN)
  putU16(address, 0, AF_NETLINK)
  putU32(address, 8, groups)
  must(bind(monitor.fd, address), () => `listen to netlink ${protocol}, groups ${groups}`)
  return monitor
}

/** Announcements were lost: look at the state itself. */
export const OVERRUN = -ENOBUFS

/**
 * Reads the next announcement into the monitor's buffer, without waiting.
 * @returns its length (`decodeLink` and `parseUevent` read it), 0 where there is none, or OVERRUN
 */
export function readMonitor(monitor: Monitor): number {
  const length = receive(monitor)
  if (length === -EAGAIN) return 0
  // One that does not fit is as good as lost.
  if (length === OVERRUN || length > monitor.buffer.length) return OVERRUN
  return must(length, () => 'read netlink announcements')
}

/** Reads away all announcements, for those who look at the state itself. @returns whether there were any */
export function drainMonitor(monitor: Monitor): boolean {
  let any = false
  while (readMonitor(monitor) !== 0) any = true
  return any
}

export function closeMonitor(monitor: Monitor): void {
  close(monitor.fd)
}
