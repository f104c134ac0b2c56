/** Reads a program's first bytes: an ELF file's machine and loader, a script's interpreter. Pure. */

import { type Bytes, u16, u32, u64 } from './bytes.ts'

export const EM_386 = 3
export const EM_X86_64 = 62

const PT_INTERP = 3

export const isElf = (head: Bytes): boolean => u32(head, 0) === 0x464c457f

/** The name of an `e_machine`, elf(5). */
export function machineName(machine: number): string {
  const names: Readonly<Record<number, string>> = {
    [EM_386]: 'i386',
    8: 'MIPS',
    21: 'ppc64',
    22: 's390',
    40: '32-bit ARM',
    [EM_X86_64]: 'x86-64',
    183: 'arm64',
    243: 'RISC-V',
    258: 'LoongArch',
  }
  return names[machine] ?? `ELF machine ${machine}`
}

/** Where a 64-bit ELF file names its dynamic loader (elf(5), PT_INTERP), at most 256 bytes of it. */
export function interpreterSegment(
  head: Bytes,
): { readonly offset: number; readonly size: number } | undefined {
  const table = u64(head, 32)
  const entry = u16(head, 54)
  for (let i = 0; i < u16(head, 56) && i < 64; i++) {
    const at = table + i * entry
    if (at + 56 > head.length || u32(head, at) !== PT_INTERP) continue
    const offset = u64(head, at + 8)
    return Number.isSafeInteger(offset) ? { offset, size: Math.min(256, u64(head, at + 32)) } : undefined
  }
  return undefined
}

export const isScript = (head: Bytes): boolean => head[0] === 0x23 && head[1] === 0x21

/** A script's interpreter, as the kernel reads it (fs/binfmt_script.c); undefined if it has none. */
export function shebang(head: Bytes): string | undefined {
  if (!isScript(head)) return undefined
  let line = ''
  for (let at = 2; at < head.length && at < 256 && head[at] !== 0x0a; at++)
    line += String.fromCharCode(head[at] ?? 0)
  // Only spaces and tabs separate. A carriage return belongs to the name, and is why it is not found.
  return line
    .split('\t')
    .join(' ')
    .split(' ')
    .find((word) => word !== '')
}
