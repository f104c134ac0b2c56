/**
 * The client's socket: packet(7), since a NIC without an address has no other. It receives datagrams with their IPv4
 * headers; a filter in the kernel drops those that are not for the client's port, so that they don't wake PID 1.
 */

import { putWord64 } from '../lib/bytes.ts'
import { must } from '../sys/errno.ts'
import {
  AF_PACKET,
  ETH_P_IP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  SO_ATTACH_FILTER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../sys/flags.ts'
import {
  bind,
  currentRuntime,
  SYS_recvfrom,
  SYS_sendto,
  SYS_setsockopt,
  socket,
  syscall,
} from '../sys/linux.ts'
import type { Memory } from '../sys/port.ts'
import { CLIENT_PORT } from './datagram.ts'

// linux/bpf_common.h, linux/filter.h
export const BPF_LD = 0x00
export const BPF_LDX = 0x01
export const BPF_JMP = 0x05
export const BPF_RET = 0x06
export const BPF_H = 0x08
export const BPF_B = 0x10
export const BPF_ABS = 0x20
export const BPF_IND = 0x40
export const BPF_MSH = 0xa0
export const BPF_JEQ = 0x10
export const BPF_JSET = 0x40
export const BPF_K = 0x00

export const SOCKADDR_LL_LEN = 20
const ETH_ALEN = 6

/** struct sock_filter: code (u16), how many instructions to skip if true and if not (u8 each), k. */
const FILTER = Uint32Array.of(
  // The protocol is UDP,
  BPF_LD | BPF_B | BPF_ABS,
  9,
  BPF_JMP | BPF_JEQ | BPF_K | (6 << 24),
  IPPROTO_UDP,
  // it is not a later fragment,
  BPF_LD | BPF_H | BPF_ABS,
  6,
  BPF_JMP | BPF_JSET | BPF_K | (4 << 16),
  0x1fff,
  // and after an IPv4 header of any length comes the client's port.
  BPF_LDX | BPF_B | BPF_MSH,
  0,
  BPF_LD | BPF_H | BPF_IND,
  2,
  BPF_JMP | BPF_JEQ | BPF_K | (1 << 24),
  CLIENT_PORT,
  BPF_RET | BPF_K,
  0xffff,
  BPF_RET | BPF_K,
  0,
)

/** struct sockaddr_ll: family, protocol (u16, network order), index (at 4), type (8), kind (10), length (11), address (12). */
function linkAddress(index: number, mac?: Memory): Memory {
  // The protocol is 0x0800: in network order its first byte is 8.
  const address = new Uint8Array(Uint32Array.of(AF_PACKET | ((ETH_P_IP >> 8) << 16), index, 0, 0, 0).buffer)
  if (mac !== undefined) {
    address[11] = ETH_ALEN
    address.set(mac, 12)
  }
  return address
}

/** Throws a SysError: EAFNOSUPPORT if the kernel has neither CONFIG_PACKET nor its module `af_packet`. */
export function openDhcpSocket(index: number): number {
  const describe = (): string => `open packet socket on link ${index}`
  // Protocol 0 receives nothing: set the filter first, then the protocol and the NIC by bind(2).
  const fd = must(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), describe)
  // struct sock_fprog: the count (u16), and at 8 a pointer.
  const program = new Uint32Array(4)
  program[0] = FILTER.length / 2
  putWord64(program, 2, currentRuntime().addressOf(FILTER))
  must(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.byteLength), describe)
  must(bind(fd, linkAddress(index)), describe)
  return fd
}

/** Sends an IPv4 datagram to an Ethernet address. A negative errno means that it was not sent; no error does not mean that it arrived. */
export function sendTo(fd: number, index: number, mac: Memory, datagram: Memory): number {
  const to = linkAddress(index, mac)
  return syscall(SYS_sendto, fd, datagram, datagram.length, 0, to, to.length)
}

const SENDER = new Uint8Array(SOCKADDR_LL_LEN)

/** Receives a datagram without waiting: its length, or a negative errno, -EAGAIN if there is none. */
export const receiveInto = (fd: number, buffer: Memory): number =>
  syscall(
    SYS_recvfrom,
    fd,
    buffer,
    buffer.length,
    MSG_DONTWAIT,
    SENDER,
    Uint8Array.of(SOCKADDR_LL_LEN, 0, 0, 0),
  )

/** The Ethernet address that the last datagram came from. */
export const lastSender = (): Memory => SENDER.slice(12, 12 + ETH_ALEN)
