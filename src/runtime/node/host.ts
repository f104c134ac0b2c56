/**
 * The Node host: the functions of `sys/port.ts` by Node's own FFI, for the tests and for the node build.
 * Nothing native is compiled: libc's syscall(2) makes the calls, and `spawn.ts` brings the child's few instructions.
 *
 * A call blocks this thread, and namespaces and signal masks are this thread's: as in the lean build, one thread
 * makes all calls.
 */

import { Buffer } from 'node:buffer'
import ffi from 'node:ffi'
import { EINVAL } from '../../sys/errno.ts'
import type { Argument, Memory, Runtime, Words } from '../../sys/port.ts'
import { LAZY_MODULES } from './lazy.ts'
import { checkCalls, prepareSpawn } from './spawn.ts'

const MAX_ARGS = 6
const REGISTER = 'int64'

const libc = new ffi.DynamicLibrary(null)
const libcSyscall = libc.getFunction('syscall', {
  arguments: [REGISTER, REGISTER, REGISTER, REGISTER, REGISTER, REGISTER, REGISTER],
  return: REGISTER,
})
/** int *__errno_location(void): errno is this thread's own, and stays where it is. */
const errno = libc.getFunction('__errno_location', { arguments: [], return: 'pointer' })()

/** The arguments as registers; `kept` holds the copies of strings until the call is over. */
function register(argument: Argument | undefined, kept: Memory[]): bigint | undefined {
  if (argument === undefined) return 0n
  if (typeof argument === 'number') return BigInt(argument)
  if (typeof argument !== 'string') return ffi.getRawPointer(argument)
  if (argument.includes('\0') || !isByteString(argument)) return undefined
  // new Uint8Array and not Buffer.alloc: its memory is its own, and zeroed, so that the NUL is there.
  const copy = new Uint8Array(argument.length + 1)
  view(copy).write(argument, 'latin1')
  kept.push(copy)
  return ffi.getRawPointer(copy)
}

function isByteString(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false
  return true
}

const view = (memory: Memory): Buffer<ArrayBuffer> =>
  Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength)

function syscall(number: number, ...args: readonly Argument[]): number {
  if (args.length > MAX_ARGS) throw new RangeError('syscall takes a number and up to six arguments')
  const kept: Memory[] = []
  const a = register(args[0], kept)
  const b = register(args[1], kept)
  const c = register(args[2], kept)
  const d = register(args[3], kept)
  const e = register(args[4], kept)
  const f = register(args[5], kept)
  if (a === undefined || b === undefined || c === undefined) return -EINVAL
  if (d === undefined || e === undefined || f === undefined) return -EINVAL
  const result = libcSyscall(BigInt(number), a, b, c, d, e, f)
  // At once: whatever the engine does next may set errno itself.
  return result === -1n ? -ffi.getInt32(errno) : Number(result)
}

/** With records as in `sys/calls.ts`. */
function drain(calls: Words, count: number): number {
  checkCalls(calls, count)
  const records = new BigInt64Array(calls.buffer, calls.byteOffset, count * 8)
  for (let at = 0; at < records.length; at += 8) {
    const [number = 0n, a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = records.subarray(at, at + 7)
    const result = libcSyscall(number, a, b, c, d, e, f)
    records[at + 7] = result === -1n ? BigInt(-ffi.getInt32(errno)) : result
    if (result <= 0n) return at / 8
  }
  return count
}

function checkRange(what: string, memory: Memory, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > memory.length) {
    throw new RangeError(`${what}: outside the memory`)
  }
}

/** Typed arrays keep their address: V8 moves small ones only until their buffer is asked for, and the FFI asks. */
const addressOf = (memory: Memory | Words): number => Number(ffi.getRawPointer(memory))

export const nodeRuntime: Runtime = {
  syscall,
  addressOf,
  drain,
  ...prepareSpawn(libc, syscall),

  text(memory, offset, length) {
    checkRange('text', memory, offset, length)
    return view(memory).toString('latin1', offset, offset + length)
  },

  putText(memory, offset, text) {
    if (!isByteString(text)) throw new RangeError('putText: not a byte string')
    checkRange('putText', memory, offset, text.length)
    return view(memory).write(text, offset, 'latin1')
  },

  load(name) {
    const exports = LAZY_MODULES[name]
    if (exports === undefined) throw new ReferenceError(`no module ${name}`)
    return exports
  },
}
