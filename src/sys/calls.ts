/** Prepared lists of system calls, for children and helpers. */

import { putWord64, word } from '../lib/bytes.ts'
import type { Argument, Memory, Runtime, Words } from './port.ts'

/**
 * A prepared list is what a child does between fork and exec (`Runtime.spawn`), or what is repeated often
 * (`Runtime.drain`). Each record has eight 64-bit integers (here as words, the lower half first): the call's number, six
 * arguments, and the result. `struct call` in `runtime/quickjs/host.c` is the same.
 */
export const CALL_WORDS = 16
/** Where a record's first argument is; the others follow, two words each. */
export const ARGUMENTS = 2
export const RESULT = 14

export interface Call {
  readonly number: number
  readonly args: readonly Argument[]
  /** The child goes on if this call fails. */
  readonly tolerated?: boolean
  /** For the error text: `chdir /srv`. */
  readonly name: string
}

export interface SpawnResult {
  /** The child, or a negative errno. A child that failed has ended and must be reaped. */
  readonly pid: number
  /** The call that failed in the child, and its negative errno. */
  readonly failed?: { readonly call: Call; readonly index: number; readonly result: number }
}

/**
 * Forks a child that makes these calls in order; the last one is the execve.
 * @param cgroup the directory descriptor of the cgroup that it starts in; by default, ours
 */
export function spawn(runtime: Runtime, calls: readonly Call[], cgroup = -1): SpawnResult {
  // `prepared` keeps alive what the calls point to.
  const prepared = prepare(runtime, calls)
  const { memory } = prepared
  const { length } = calls
  const pid = cgroup < 0 ? runtime.spawn(memory, length) : runtime.spawnInto(cgroup, memory, length)
  if (pid < 0 || prepared.kept.length < 0) return { pid }
  for (let index = 0; index < length; index++) {
    // Results are small, so the lower half is enough. An execve that succeeds writes none.
    const result = word(memory, index * CALL_WORDS + RESULT) | 0
    const call = calls[index]
    const last = index === length - 1
    if (result < 0 && call !== undefined && (call.tolerated !== true || last)) {
      return { pid, failed: { call, index, result } }
    }
  }
  return { pid }
}

/** A child that shares our memory and runs concurrently; keep this until it has been reaped. */
export interface Helper {
  /** The child, or a negative errno. */
  readonly pid: number
  readonly calls: Words
  readonly kept: readonly (Memory | Words)[]
}

/** It calls only a few functions deep, and the kernel has its own stack. */
const STACK_SIZE = 1024

/** Starts a child that makes these calls while the parent continues. */
export function spawnHelper(runtime: Runtime, calls: readonly Call[]): Helper {
  const { memory, kept } = prepare(runtime, calls)
  const stack = new Uint8Array(STACK_SIZE)
  return { pid: runtime.spawn(memory, calls.length, stack), calls: memory, kept: [stack, ...kept] }
}

/** Changes an argument that a helper has not passed to the kernel yet. */
export const setArgument = ({ calls }: Helper, call: number, argument: number, value: number): void =>
  putWord64(calls, call * CALL_WORDS + ARGUMENTS + argument * 2, value)

/** The records, and what they point to. */
function prepare(runtime: Runtime, calls: readonly Call[]): { memory: Words; kept: (Memory | Words)[] } {
  const memory = new Uint32Array(calls.length * CALL_WORDS)
  const kept: (Memory | Words)[] = []
  let at = 0
  for (const { number, args, tolerated } of calls) {
    memory[at] = number
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] ?? 0
      putWord64(memory, at + ARGUMENTS + i * 2, typeof arg === 'number' ? arg : address(runtime, arg, kept))
    }
    if (tolerated === true) memory[at + RESULT] = 1
    at += CALL_WORDS
  }
  return { memory, kept }
}

/** The address of a string or memory; `kept` gets what must stay reachable until the call is over. */
function address(runtime: Runtime, arg: Memory | Words | string, kept: (Memory | Words)[]): number {
  const memory = typeof arg === 'string' ? cString(runtime, arg) : arg
  kept.push(memory)
  return runtime.addressOf(memory)
}

/** A byte string as NUL-terminated memory. */
export function cString(runtime: Runtime, text: string): Memory {
  const memory = new Uint8Array(text.length + 1)
  runtime.putText(memory, 0, text)
  return memory
}

/** execve's argv or envp: the pointers and the strings in one piece of memory. */
export function stringVector(runtime: Runtime, strings: readonly string[]): Memory {
  const pointers = (strings.length + 1) * 8
  let size = pointers
  for (const text of strings) size += text.length + 1
  const memory = new Uint8Array(size)
  const table = new Uint32Array(memory.buffer, 0, pointers / 4)
  const base = runtime.addressOf(memory)
  let at = pointers
  strings.forEach((text, index) => {
    putWord64(table, index * 2, base + at)
    at += runtime.putText(memory, at, text) + 1
  })
  return memory
}
