/** Reads a capture file (draft-ietf-opsawg-pcap), and finds the announcements of addresses in it. */

import { readFileSync } from 'node:fs'

const MAGIC_MICROSECONDS = 0xa1b2c3d4
const FILE_HEADER = 24
const RECORD_HEADER = 16
const ETHERTYPE_ARP = 0x0806
const ETHERTYPE_IPV6 = 0x86dd
const IPPROTO_ICMPV6 = 58
const ND_NEIGHBOR_ADVERT = 136

/** The Ethernet frames of a capture, in order. */
export function readFrames(file: string): Buffer[] {
  const bytes = readFileSync(file)
  if (bytes.length < FILE_HEADER || bytes.readUInt32LE(0) !== MAGIC_MICROSECONDS) {
    throw new Error(`${file} is not a capture of this byte order`)
  }
  const frames: Buffer[] = []
  for (let at = FILE_HEADER; at + RECORD_HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8)
    frames.push(bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length))
    at += RECORD_HEADER + length
  }
  return frames
}

/** Who says, unasked, that an address is at a MAC. */
export interface Announcement {
  readonly kind: 'gratuitous ARP' | 'unsolicited neighbour advertisement'
  /** IPv4 in dots; IPv6 as 32 hexadecimal digits. */
  readonly address: string
  readonly mac: string
}

/** The announcement in a frame, or undefined. */
export function announcement(frame: Buffer): Announcement | undefined {
  if (frame.length < 42) return undefined
  const type = frame.readUInt16BE(12)
  if (type === ETHERTYPE_ARP) return gratuitousArp(frame)
  if (type === ETHERTYPE_IPV6) return unsolicitedAdvertisement(frame)
  return undefined
}

/** RFC 5227, section 3: sent to all, and the sender's address is the target's. */
function gratuitousArp(frame: Buffer): Announcement | undefined {
  const sender = frame.subarray(28, 32)
  if (mac(frame) !== 'ff:ff:ff:ff:ff:ff' || !sender.equals(frame.subarray(38, 42))) return undefined
  return { kind: 'gratuitous ARP', address: [...sender].join('.'), mac: mac(frame.subarray(22)) }
}

/** RFC 4861, section 7.2.6: to all nodes, not solicited. */
function unsolicitedAdvertisement(frame: Buffer): Announcement | undefined {
  const ip = frame.subarray(14)
  const message = ip.subarray(40)
  if (ip[6] !== IPPROTO_ICMPV6 || message[0] !== ND_NEIGHBOR_ADVERT || message.length < 24) return undefined
  const toAllNodes = ip.toString('hex', 24, 40) === `ff02${'0'.repeat(27)}1`
  const solicited = (message.readUInt32BE(4) & 0x4000_0000) !== 0
  if (!toAllNodes || solicited) return undefined
  return {
    kind: 'unsolicited neighbour advertisement',
    address: message.toString('hex', 8, 24),
    mac: mac(frame.subarray(6)),
  }
}

const mac = (bytes: Buffer): string =>
  [...bytes.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
