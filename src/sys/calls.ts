import { type Bytes, i32, putU64, u32, u64 } from '../lib/bytes.ts'
import type { Argument, Memory, Runtime } from './port.ts'

/**
 * A prepared list of system calls for `Runtime.spawn`: what a child does between fork and exec. Each record is
 * eight 64-bit integers: the call's number, six arguments, and the result. `struct call` in
 * `runtime/quickjs/host.c` is the same.
 */
export const CALL_SIZE = 64
const RESULT = 56

export interface Call {
  readonly number: number
  readonly args: readonly Argument[]
  /** A failure of this call does not end the child. */
  readonly tolerated?: boolean
  /** What the call is for, for the error text: `chdir /srv`. */
  readonly name: string
}

export interface SpawnResult {
  /** The child, or a negative errno where there is none. A failed child has ended and must be reaped. */
  readonly pid: number
  /** The call that failed in the child, and its negative errno. */
  readonly failed?: { readonly call: Call; readonly index: number; readonly result: number }
}

/** Forks a child that makes these calls in order; the last one is the execve. */
export function spawn(runtime: Runtime, calls: readonly Call[]): SpawnResult {
  const memory = new Uint8Array(calls.length * CALL_SIZE)
  const kept: Memory[] = []
  calls.forEach((call, index) => {
    const at = index * CALL_SIZE
    putU64(memory, at, call.number)
    call.args.forEach((arg, i) => {
      putU64(memory, at + 8 + i * 8, typeof arg === 'number' ? arg : address(runtime, arg, kept))
    })
    putU64(memory, at + RESULT, call.tolerated === true ? 1 : 0)
  })
  const pid = runtime.spawn(memory, calls.length)
  if (pid < 0) return { pid }
  for (const [index, call] of calls.entries()) {
    const result = i64(memory, index * CALL_SIZE + RESULT)
    const last = index === calls.length - 1
    // An execve that succeeds never writes its result: it holds the 0 of `tolerated` still.
    if (result < 0 && (call.tolerated !== true || last)) return { pid, failed: { call, index, result } }
  }
  return { pid }
}

/** A string's or memory's address; `kept` holds what must stay reachable until the call is over. */
function address(runtime: Runtime, arg: Memory | string, kept: Memory[]): number {
  const memory = typeof arg === 'string' ? cString(runtime, arg) : arg
  kept.push(memory)
  return runtime.addressOf(memory)
}

/** A byte string as NUL-terminated memory. */
export function cString(runtime: Runtime, text: string): Memory {
  const memory = new Uint8Array(text.length + 1)
  runtime.put(memory, 0, text)
  return memory
}

/** execve's argv or envp: the pointers, then what they point to, in one piece of memory. */
export function stringVector(runtime: Runtime, strings: readonly string[]): Memory {
  const pointers = (strings.length + 1) * 8
  const memory = new Uint8Array(strings.reduce((size, text) => size + text.length + 1, pointers))
  const base = runtime.addressOf(memory)
  let at = pointers
  strings.forEach((text, index) => {
    putU64(memory, index * 8, base + at)
    at += runtime.put(memory, at, text) + 1
  })
  return memory
}

/** A result: negative ones are small (-errno), and a double can't tell 2^64 - 2 from 2^64. */
function i64(bytes: Bytes, at: number): number {
  return u32(bytes, at + 4) === 0xffff_ffff ? i32(bytes, at) : u64(bytes, at)
}
