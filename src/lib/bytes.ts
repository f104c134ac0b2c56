/** Little-endian integers in memory. x86-64 and arm64 Linux are both little-endian; so are FAT, ext4 and ELF. */

export type Bytes = Uint8Array<ArrayBuffer>

/** Memory as 32-bit words: one access instead of four. The kernel's structures are read through it. */
export type Words = Uint32Array<ArrayBuffer>

export const word = (words: Words, index: number): number => words[index] ?? 0

/** Two words as one integer, exact up to 2^53. */
export function word64(words: Words, index: number): number {
  const low = words[index] ?? 0
  const high = words[index + 1] ?? 0
  // Nearly all are small: they need no floating-point arithmetic.
  return high === 0 ? low : low + high * 0x1_0000_0000
}

/** Writes any integer of up to 53 bits and a sign, as two's complement. */
export function putWord64(words: Words, index: number, value: number): void {
  words[index] = value
  const isShort = value >= -0x7fff_ffff && value <= 0x7fff_ffff
  words[index + 1] = isShort ? value >> 31 : Math.floor(value / 0x1_0000_0000)
}

/** A view from an offset on. From 0 it is the memory itself, since creating a view costs as much as a system call. */
export const bytesFrom = (bytes: Bytes, from: number): Bytes => (from === 0 ? bytes : bytes.subarray(from))

// As with typed arrays, a read out of bounds gives 0 and a write is lost: callers check lengths first.
// Written out, since a call costs more than the arithmetic: these run for every attribute of every message.
export const u8 = (bytes: Bytes, at: number): number => bytes[at] ?? 0
export const u16 = (bytes: Bytes, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
export const u32 = (bytes: Bytes, at: number): number =>
  ((bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)) >>>
  0
/** Exact up to 2^53. */
export const u64 = (bytes: Bytes, at: number): number => u32(bytes, at) + u32(bytes, at + 4) * 0x1_0000_0000
export const i32 = (bytes: Bytes, at: number): number => u32(bytes, at) | 0

export const u16be = (bytes: Bytes, at: number): number => (u8(bytes, at) << 8) | u8(bytes, at + 1)
export const u32be = (bytes: Bytes, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0

export function putU16(bytes: Bytes, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >> 8
}

export function putU32(bytes: Bytes, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >> 8
  bytes[at + 2] = value >> 16
  bytes[at + 3] = value >> 24
}
