/** Little-endian integers in memory. x86-64 and arm64 Linux are both little-endian; so are FAT, ext4 and ELF. */

export type Bytes = Uint8Array<ArrayBuffer>

// A read outside gives 0 and a write outside is lost, as typed arrays have it: callers check lengths first.
export const u8 = (bytes: Bytes, at: number): number => bytes[at] ?? 0
export const u16 = (bytes: Bytes, at: number): number => u8(bytes, at) | (u8(bytes, at + 1) << 8)
export const u32 = (bytes: Bytes, at: number): number =>
  (u16(bytes, at) | (u8(bytes, at + 2) << 16) | (u8(bytes, at + 3) << 24)) >>> 0
/** Exact up to 2^53. */
export const u64 = (bytes: Bytes, at: number): number => u32(bytes, at) + u32(bytes, at + 4) * 0x1_0000_0000
export const i32 = (bytes: Bytes, at: number): number => u32(bytes, at) | 0

export const u16be = (bytes: Bytes, at: number): number => (u8(bytes, at) << 8) | u8(bytes, at + 1)
export const u32be = (bytes: Bytes, at: number): number =>
  ((u16be(bytes, at) << 16) | u16be(bytes, at + 2)) >>> 0

export function putU16(bytes: Bytes, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >> 8
}

export function putU32(bytes: Bytes, at: number, value: number): void {
  putU16(bytes, at, value)
  putU16(bytes, at + 2, value >> 16)
}

/** Any integer of up to 53 bits and a sign, as two's complement. */
export function putU64(bytes: Bytes, at: number, value: number): void {
  putU32(bytes, at, value >>> 0)
  putU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000))
}
