/** Maps x86-64 machine code that is given as bytes, so that nothing has to be compiled or shipped beside the binary. */

import { Buffer } from 'node:buffer'
import ffi from 'node:ffi'
import type { Runtime } from '../../sys/port.ts'

const PAGE_SIZE = 0x1000

// mmap(2)
const SYS_mmap = 9
const SYS_mprotect = 10
const PROT_READ = 1
const PROT_WRITE = 2
const PROT_EXEC = 4
const MAP_PRIVATE = 2
const MAP_ANONYMOUS = 0x20

/** Maps memory that is never freed, and returns its address. */
export function mapMemory(syscall: Runtime['syscall'], size: number): bigint {
  const address = syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  if (address < 0) throw new Error(`mmap of ${size} bytes: errno ${-address}`)
  return BigInt(address)
}

/** @param lines hexadecimal, together at most a page. @returns the code's address */
export function mapCode(syscall: Runtime['syscall'], lines: readonly string[]): bigint {
  const bytes = new Uint8Array(Buffer.from(lines.join('').replaceAll(' ', ''), 'hex'))
  const address = mapMemory(syscall, PAGE_SIZE)
  ffi.exportArrayBufferView(bytes, address, bytes.length)
  const result = syscall(SYS_mprotect, Number(address), PAGE_SIZE, PROT_READ | PROT_EXEC)
  if (result < 0) throw new Error(`mprotect of machine code: errno ${-result}`)
  return address
}
