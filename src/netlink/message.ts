/**
 * Netlink messages and their attributes (netlink(7), linux/netlink.h), both ways. All of it is made of 32-bit words,
 * so that is how messages are built: one store instead of four, in an interpreter.
 *
 * Reading never throws and never loops: a walk ends where a length is wrong.
 */

import { type Bytes, u16, u32 } from '../lib/bytes.ts'

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_HDRLEN = 16
export const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff

/** What is asked of the kernel. */
export interface Request {
  /** One whole message with NLM_F_REQUEST; the session gives it a sequence number. */
  readonly message: Bytes
  /** What it does, for the error text: `add address 10.0.0.1/24 to eth0`. */
  readonly describe: () => string
  /** A positive errno that means that there is nothing left to do. */
  readonly tolerated?: number
}

// ---- writing ----

export interface Builder {
  words: Uint32Array<ArrayBuffer>
  /** How many words are in use. */
  length: number
}

/** A message with an empty header; a family's own header follows, by `putWord`, and then the attributes. */
export function buildMessage(type: number, flags: number): Builder {
  const words = new Uint32Array(32)
  words[1] = type | ((flags | NLM_F_REQUEST) << 16)
  return { words, length: NLMSG_HDRLEN / 4 }
}

function reserve(builder: Builder, words: number): void {
  const needed = builder.length + words
  if (needed <= builder.words.length) return
  const grown = new Uint32Array(Math.max(needed, builder.words.length * 2))
  grown.set(builder.words)
  builder.words = grown
}

export function putWord(builder: Builder, word: number): void {
  reserve(builder, 1)
  builder.words[builder.length++] = word
}

/** An attribute of a u32 in the machine's byte order. */
export function putU32Attribute(builder: Builder, type: number, value: number): void {
  reserve(builder, 2)
  builder.words[builder.length++] = 8 | (type << 16)
  builder.words[builder.length++] = value
}

/** An attribute of up to 65531 bytes: an address, a text with its NUL. */
export function putAttribute(builder: Builder, type: number, bytes: Bytes): void {
  const words = (bytes.length + 3) >> 2
  reserve(builder, 1 + words)
  builder.words[builder.length++] = (4 + bytes.length) | (type << 16)
  for (let at = 0; at < bytes.length; at += 4) builder.words[builder.length++] = u32(bytes, at)
}

/** A NUL-terminated attribute of a byte string. */
export function putTextAttribute(builder: Builder, type: number, text: string): void {
  const bytes = new Uint8Array(text.length + 1)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  putAttribute(builder, type, bytes)
}

/** Opens an attribute that holds attributes; `endNested` takes what this returns. */
export function beginNested(builder: Builder, type: number): number {
  const start = builder.length
  putWord(builder, (type | NLA_F_NESTED) << 16)
  return start
}

export function endNested(builder: Builder, start: number): void {
  builder.words[start] = (builder.words[start] ?? 0) | ((builder.length - start) * 4)
}

/** The message, its length filled in. */
export function finishMessage(builder: Builder): Bytes {
  const size = builder.length * 4
  builder.words[0] = size
  return new Uint8Array(builder.words.buffer, 0, size)
}

// ---- reading ----

/** A walk over the messages of a datagram, or over the attributes of a message: the current one's place. */
export interface Walk {
  readonly bytes: Bytes
  type: number
  /** Where its payload starts and ends. */
  start: number
  end: number
  /** Where the next one would start, and where all of them end. */
  next: number
  readonly limit: number
}

/** A walk over `bytes` from `start` to `limit`, which stands before the first message or attribute. */
export const walk = (bytes: Bytes, start: number, limit: number): Walk => ({
  bytes,
  type: 0,
  start,
  end: start,
  next: start,
  limit: Math.min(limit, bytes.length),
})

/** Goes to the next message; false where there is none that is whole. */
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

/** Goes to the next attribute; false where there is none that is whole. The type is without NLA_F_NESTED. */
export function nextAttribute(attributes: Walk): boolean {
  const { bytes, next, limit } = attributes
  if (limit - next < 4) return false
  const length = u16(bytes, next)
  if (length < 4 || length > limit - next) return false
  attributes.type = u16(bytes, next + 2) & NLA_TYPE_MASK
  attributes.start = next + 4
  attributes.end = next + length
  attributes.next = next + ((length + 3) & ~3)
  return true
}

/** The attributes inside the current one. */
export const nested = (attribute: Walk): Walk => walk(attribute.bytes, attribute.start, attribute.end)

/** The current attribute's number of one to four bytes; 0 where it is empty. */
export function attributeNumber({ bytes, start, end }: Walk): number {
  let value = 0
  for (let at = Math.min(end, start + 4) - 1; at >= start; at--) value = value * 256 + (bytes[at] ?? 0)
  return value
}

/** The current attribute's bytes, copied. */
export const attributeBytes = ({ bytes, start, end }: Walk): Bytes => bytes.slice(start, end)

/** The current attribute's byte string, up to its NUL. */
export function attributeText({ bytes, start, end }: Walk): string {
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}
