/** netlink(7) sockets, for requests and announcements. */

import { u32 } from '../lib/bytes.ts'
import { EINTR, must } from '../sys/errno.ts'
import { AF_NETLINK, MSG_DONTWAIT, MSG_TRUNC, SOCK_CLOEXEC, SOCK_RAW } from '../sys/flags.ts'
import { SYS_recvfrom, socket, syscall } from '../sys/linux.ts'
import type { Memory } from '../sys/port.ts'

export interface Socket {
  readonly fd: number
  /** The last datagram. */
  readonly buffer: Memory
  /** Its sender's struct sockaddr_nl, and the length that recvfrom(2) wants. */
  readonly sender: Memory
  readonly senderLength: Memory
}

export const SOCKADDR_NL_LEN = 12

export function openSocket(protocol: number, bufferSize: number): Socket {
  const fd = must(
    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol),
    () => `open netlink socket ${protocol}`,
  )
  const senderLength = new Uint8Array(4)
  senderLength[0] = SOCKADDR_NL_LEN
  return { fd, buffer: new Uint8Array(bufferSize), sender: new Uint8Array(SOCKADDR_NL_LEN), senderLength }
}

/**
 * Receives one datagram from the kernel, without waiting. Other processes can send to us, too; theirs are ignored.
 * @returns its length, which may exceed the buffer; or a negative errno, -EAGAIN if there is none
 */
export function receive({ fd, buffer, sender, senderLength }: Socket): number {
  for (;;) {
    const length = syscall(
      SYS_recvfrom,
      fd,
      buffer,
      buffer.length,
      MSG_DONTWAIT | MSG_TRUNC,
      sender,
      senderLength,
    )
    if (length === -EINTR) continue
    if (length < 0 || u32(sender, 4) === 0) return length
  }
}
