/**
 * Encodes and decodes netlink messages and their attributes (netlink(7), linux/netlink.h), which consist of 32-bit words.
 *
 * Decoding never throws and never loops: a walk ends at a wrong length.
 */

import { type Bytes, u16, u32 } from '../lib/bytes.ts'

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_REPLACE = 0x100
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
export const NLMSG_ERROR = 2
export const NLMSG_HDRLEN = 16
export const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff

/** A request to the kernel. */
export interface Request {
  /** A complete message with NLM_F_REQUEST; the session sets its sequence number. */
  readonly message: Bytes
  /** What it does, for the error text: `add address 10.0.0.1/24 to eth0`. */
  readonly describe: () => string
  /** A positive errno that means success: nothing is left to do. */
  readonly tolerated?: number
}

// ---- writing ----

// Calls are what costs in an interpreter: hence words instead of bytes, headers in place, one call for each attribute.

export interface Builder {
  words: Uint32Array<ArrayBuffer>
  /** The same memory as bytes. */
  bytes: Bytes
  /** How many words are in use. */
  length: number
}

/** Where the family's header starts, in words. */
export const FAMILY_HEADER = NLMSG_HDRLEN / 4

/** Begins a message. The family's header is all zeros, from `words[FAMILY_HEADER]` on. */
export function buildMessage(type: number, flags: number, headerWords: number): Builder {
  const words = new Uint32Array(32)
  words[1] = type | ((flags | NLM_F_REQUEST) << 16)
  return { words, bytes: new Uint8Array(words.buffer), length: FAMILY_HEADER + headerWords }
}

/** Writes an attribute's header, and returns where its payload of `size` bytes starts. */
function putHeader(builder: Builder, type: number, size: number): number {
  const at = builder.length
  const end = at + 1 + ((size + 3) >> 2)
  if (end > builder.words.length) {
    const grown = new Uint32Array(end * 2)
    grown.set(builder.words)
    builder.words = grown
    builder.bytes = new Uint8Array(grown.buffer)
  }
  builder.words[at] = (4 + size) | (type << 16)
  builder.length = end
  return at + 1
}

/** Adds a u32 in the machine's byte order. */
export function putU32Attribute(builder: Builder, type: number, value: number): void {
  const at = putHeader(builder, type, 4)
  builder.words[at] = value
}

/** Adds a u8. */
export function putU8Attribute(builder: Builder, type: number, value: number): void {
  const at = putHeader(builder, type, 1)
  builder.words[at] = value
}

/** Adds up to 65531 bytes, such as an address. */
export function putAttribute(builder: Builder, type: number, bytes: Bytes): void {
  const at = putHeader(builder, type, bytes.length)
  builder.bytes.set(bytes, at * 4)
}

/** Adds a byte string and a NUL. */
export function putTextAttribute(builder: Builder, type: number, text: string): void {
  const at = putHeader(builder, type, text.length + 1) * 4
  for (let i = 0; i < text.length; i++) builder.bytes[at + i] = text.charCodeAt(i)
}

/** Opens an attribute that holds attributes; `endNested` takes what this returns. */
export function beginNested(builder: Builder, type: number): number {
  return putHeader(builder, type | NLA_F_NESTED, 0) - 1
}

export function endNested(builder: Builder, start: number): void {
  const size = (builder.length - start) * 4
  builder.words[start] = ((builder.words[start] ?? 0) & 0xffff0000) | size
}

/** Sets the message's length and returns it. */
export function finishMessage(builder: Builder): Bytes {
  const size = builder.length * 4
  builder.words[0] = size
  return builder.bytes.subarray(0, size)
}

// ---- reading ----

/** A walk over the messages of a datagram: the current one's type, and where its payload starts and ends. */
export interface Walk {
  readonly bytes: Bytes
  type: number
  start: number
  end: number
  /** Where the next one would start, and where they all end. */
  next: number
  readonly limit: number
}

/** A walk over the first `length` bytes, positioned before the first message. */
export const walk = (bytes: Bytes, length: number): Walk => ({
  bytes,
  type: 0,
  start: 0,
  end: 0,
  next: 0,
  limit: Math.min(length, bytes.length),
})

/** Moves to the next message; false if there is no complete one. */
export function nextMessage(messages: Walk): boolean {
  const { bytes, next, limit } = messages
  if (limit - next < NLMSG_HDRLEN) return false
  const length = u32(bytes, next)
  if (length < NLMSG_HDRLEN || length > limit - next) return false
  messages.type = u16(bytes, next + 4)
  messages.start = next + NLMSG_HDRLEN
  messages.end = next + length
  messages.next = next + ((length + 3) & ~3)
  return true
}

export const messageFlags = (message: Walk): number => u16(message.bytes, message.start - 10)
export const messageSequence = (message: Walk): number => u32(message.bytes, message.start - 8)

/** Where the payload of each attribute starts, by its type; 0 if there is none. */
export type Attributes = Uint16Array<ArrayBuffer>

/** Higher than any type that is read here. */
const ATTRIBUTE_TYPES = 64

/**
 * Finds the attributes between two offsets, the first of which must be a multiple of four. Of repeated ones the last
 * counts. Stops at the first incomplete one.
 * @param bytes at most 64 KiB, from the start of their buffer
 */
export function findAttributes(bytes: Bytes, start: number, end: number): Attributes {
  const found = new Uint16Array(ATTRIBUTE_TYPES)
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2)
  const limit = Math.min(end, bytes.length)
  const last = limit - 4
  let at = start
  while (at <= last) {
    // There is a word, since at + 4 <= bytes.length.
    const header = words[at >> 2] as number
    const length = header & 0xffff
    if (length < 4 || length > limit - at) break
    at += 4
    // As typed arrays have it, a type beyond the table is lost.
    found[(header >>> 16) & NLA_TYPE_MASK] = at
    at += (length - 1) & ~3
  }
  return found
}

/** The end of the payload that starts at `at`. */
export const attributeEnd = (bytes: Bytes, at: number): number => at - 4 + u16(bytes, at - 4)

/** The payload as a byte string, up to its NUL; empty if `at` is 0. */
export function attributeText(bytes: Bytes, at: number): string {
  if (at === 0) return ''
  let text = ''
  const end = attributeEnd(bytes, at)
  for (let i = at; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}
