/** Listens to the kernel's announcements: links and devices that come and go. */

import { putU16, putU32 } from '../lib/bytes.ts'
import { EAGAIN, ENOBUFS, must } from '../sys/errno.ts'
import { AF_NETLINK, SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from '../sys/flags.ts'
import { bind, close, setsockopt } from '../sys/linux.ts'
import { openSocket, receive, SOCKADDR_NL_LEN, type Socket } from './socket.ts'

export type Monitor = Socket

/** The receive buffer, in bytes: announcements that do not fit are lost. */
const MONITOR_BUFFER = 1 << 20

/**
 * Opens a socket for the kernel's announcements: RTMGRP_LINK of NETLINK_ROUTE, UEVENT_GROUP of NETLINK_KOBJECT_UEVENT.
 * Wait for its `fd` with ppoll(2), then read it. Open it *before* looking at the state that it announces, or a change in
 * between is missed. Throws a SysError.
 * @param groups a bit mask
 */
export function openMonitor(protocol: number, groups: number): Monitor {
  const monitor = openSocket(protocol, 8192)
  // Only root may exceed net.core.rmem_max.
  if (setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUFFORCE, MONITOR_BUFFER) < 0) {
    setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUF, MONITOR_BUFFER)
  }
  const address = new Uint8Array(SOCKADDR_NL_LEN)
  putU16(address, 0, AF_NETLINK)
  putU32(address, 8, groups)
  must(bind(monitor.fd, address), () => `listen to netlink ${protocol}, groups ${groups}`)
  return monitor
}

/** Announcements were lost: check the state itself. */
export const OVERRUN = -ENOBUFS

/**
 * Reads the next announcement into the monitor's buffer, without waiting.
 * @returns its length, 0 if there is none, or OVERRUN
 */
export function readMonitor(monitor: Monitor): number {
  const length = receive(monitor)
  if (length === -EAGAIN) return 0
  // A truncated one counts as lost.
  if (length === OVERRUN || length > monitor.buffer.length) return OVERRUN
  return must(length, () => 'read netlink announcements')
}

/** Discards all announcements, for callers that check the state itself. @returns whether there were any */
export function drainMonitor(monitor: Monitor): boolean {
  let any = false
  while (readMonitor(monitor) !== 0) any = true
  return any
}

export function closeMonitor(monitor: Monitor): void {
  close(monitor.fd)
}
