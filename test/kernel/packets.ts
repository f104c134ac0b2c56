/** What arrives at a link, by packet(7). */

import { putU32 } from '../../src/lib/bytes.ts'
import { formatIp } from '../../src/lib/ip.ts'
import { must } from '../../src/sys/errno.ts'
import { MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from '../../src/sys/flags.ts'
import { bind, receive, socket } from '../../src/sys/linux.ts'

const AF_PACKET = 17
/** htons(ETH_P_ALL) */
const ETH_P_ALL = 0x0300
const SOCKADDR_LL_LEN = 20

/** Starts to listen at a link. @returns a function that gives what has come since, the interesting part in words */
export function capture(index: number): () => string[] {
  const fd = must(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, ETH_P_ALL), () => 'open a packet socket')
  const address = new Uint8Array(SOCKADDR_LL_LEN)
  putU32(address, 0, AF_PACKET | (ETH_P_ALL << 16))
  putU32(address, 4, index)
  must(bind(fd, address), () => `listen at link ${index}`)
  return () => {
    const frame = new Uint8Array(2048)
    const seen: string[] = []
    while (receive(fd, frame, MSG_DONTWAIT) > 0) seen.push(inWords(frame))
    return seen
  }
}

function inWords(frame: Uint8Array<ArrayBuffer>): string {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0)
  if (type === 0x0806) return `arp ${formatIp(frame.slice(28, 32))}`
  // ICMPv6 without extension headers; 136 is RFC 4861's neighbour advertisement.
  if (type === 0x86dd && frame[20] === 58 && frame[54] === 136) {
    return `neighbour advertisement ${formatIp(frame.slice(62, 78))}`
  }
  return `type ${type.toString(16)}`
}
