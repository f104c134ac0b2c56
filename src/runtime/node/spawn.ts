/**
 * `Runtime.spawn` and `spawnInto` for Node. The child shares all memory with us until it execs, other threads of Node go on
 * meanwhile, and so it may run neither JavaScript nor libc: only a few instructions that make the prepared system
 * calls. libc's clone(2) calls them by address; clone3(2), which libc has no function for, returns to them.
 */

import ffi from 'node:ffi'
import type { Memory, Runtime, Words } from '../../sys/port.ts'
import { mapCode, mapMemory } from './machine-code.ts'

/** x86-64, position-independent. rdi: the address of two words, the calls (`sys/calls.ts`) and their count. */
const MAKE_CALLS = [
  '48 8b 1f        ', //        mov  rbx, [rdi]         the first call
  '48 8b 6f 08     ', //        mov  rbp, [rdi+8]       how many
  '4c 8b 63 38     ', // again: mov  r12, [rbx+56]      in: 1 where a failure is tolerated
  '48 8b 03        ', //        mov  rax, [rbx]         the number
  '48 8b 7b 08     ', //        mov  rdi, [rbx+8]       and six arguments
  '48 8b 73 10     ', //        mov  rsi, [rbx+16]
  '48 8b 53 18     ', //        mov  rdx, [rbx+24]
  '4c 8b 53 20     ', //        mov  r10, [rbx+32]
  '4c 8b 43 28     ', //        mov  r8, [rbx+40]
  '4c 8b 4b 30     ', //        mov  r9, [rbx+48]
  '0f 05           ', //        syscall
  '48 89 43 38     ', //        mov  [rbx+56], rax      out: the kernel's answer
  '48 85 c0        ', //        test rax, rax
  '79 05           ', //        jns  next
  '4d 85 e4        ', //        test r12, r12
  '74 09           ', //        jz   end
  '48 83 c3 40     ', // next:  add  rbx, 64
  '48 ff cd        ', //        dec  rbp
  '75 c8           ', //        jnz  again
  'bf 7d 00 00 00  ', // end:   mov  edi, 125           as the lean host's _exit(125)
  'b8 3c 00 00 00  ', //        mov  eax, 60            exit
  '0f 05           ', //        syscall
]

/** For a child that has nothing but its stack: takes from it what MAKE_CALLS, which comes behind, wants to have in rdi. */
const TAKE_ARGUMENT = ['5f'] // pop rdi
const TAKE_ARGUMENT_SIZE = 1n

/** A record of `sys/calls.ts`. */
const CALL_SIZE = 64
const STACK_SIZE = 0x4000

// fcntl(2), clone(2), signal(7)
const SYS_fcntl = 72
const F_SETFD = 2
const SYS_clone3 = 435
const CLONE_VM = 0x100
const CLONE_FILES = 0x400
const CLONE_VFORK = 0x4000
const CLONE_INTO_CGROUP = 0x2_0000_0000n
const SIGCHLD = 17
export const SIG_DFL = 0n

/** SIGPIPE and SIGXFSZ, which Node ignores from its start on. */
export const IGNORED = [13, 25]

export function prepareSpawn(
  libc: ffi.DynamicLibrary,
  syscall: Runtime['syscall'],
): Pick<Runtime, 'spawn' | 'spawnInto'> {
  // int clone(int (*fn)(void *), void *stack, int flags, void *arg); the stack's end, since it grows down.
  const clone = libc.getFunction('clone', {
    arguments: ['uint64', 'uint64', 'int32', 'uint64'],
    return: 'int32',
  })
  const signal = libc.getFunction('signal', { arguments: ['int32', 'uint64'], return: 'uint64' })
  const errno = libc.getFunction('__errno_location', { arguments: [], return: 'pointer' })()
  /** MAKE_CALLS; TAKE_ARGUMENT is before it. */
  let code = 0n
  let stackEnd = 0n

  function prepare(): void {
    code = mapCode(syscall, [...TAKE_ARGUMENT, ...MAKE_CALLS]) + TAKE_ARGUMENT_SIZE
    stackEnd = mapMemory(syscall, STACK_SIZE) + BigInt(STACK_SIZE)
    passOnStandardStreams(syscall)
  }

  /** What MAKE_CALLS is given. */
  function argumentOf(calls: Words, count: number): BigUint64Array<ArrayBuffer> {
    checkCalls(calls, count)
    if (code === 0n) prepare()
    return new BigUint64Array([ffi.getRawPointer(calls), BigInt(count)])
  }

  /** What is ignored stays ignored over execve: not for our children. */
  function ignoringNothing(clone: () => number): number {
    const before = IGNORED.map((number) => signal(number, SIG_DFL))
    const pid = clone()
    for (const [index, number] of IGNORED.entries()) signal(number, before[index] ?? SIG_DFL)
    return pid
  }

  function spawn(calls: Words, count: number, stack?: Memory): number {
    const argument = argumentOf(calls, count)
    if (stack !== undefined) {
      // At the end of its stack, since it may read them when we are long gone from here.
      const end = (ffi.getRawPointer(stack) + BigInt(stack.length - argument.byteLength)) & ~15n
      ffi.exportArrayBufferView(argument, end, argument.byteLength)
      const pid = clone(code, end, CLONE_VM | CLONE_FILES | SIGCHLD, end)
      return pid < 0 ? -ffi.getInt32(errno) : pid
    }
    return ignoringNothing(() => {
      const pid = clone(code, stackEnd, CLONE_VM | CLONE_VFORK | SIGCHLD, ffi.getRawPointer(argument))
      return pid < 0 ? -ffi.getInt32(errno) : pid
    })
  }

  function spawnInto(cgroup: number, calls: Words, count: number): number {
    const argument = argumentOf(calls, count)
    // The child comes back from libc's syscall(2) with a stack that has the address to return to, and what is taken there.
    const begin = new BigUint64Array([code - TAKE_ARGUMENT_SIZE, ffi.getRawPointer(argument)])
    const size = BigInt(STACK_SIZE - begin.byteLength)
    const stack = stackEnd - BigInt(STACK_SIZE)
    ffi.exportArrayBufferView(begin, stack + size, begin.byteLength)
    // struct clone_args
    const request = new Uint8Array(
      new BigUint64Array([
        ...[BigInt(CLONE_VM | CLONE_VFORK) | CLONE_INTO_CGROUP, 0n, 0n, 0n, BigInt(SIGCHLD)],
        ...[stack, size, 0n, 0n, 0n, BigInt(cgroup)],
      ]).buffer,
    )
    return ignoringNothing(() => syscall(SYS_clone3, request, request.length))
  }

  return { spawn, spawnInto }
}

/** Throws unless the memory has so many records. */
export function checkCalls(calls: Words, count: number): void {
  if (count < 1 || count * CALL_SIZE > calls.byteLength) throw new RangeError('more calls than memory')
}

/** Node marks the standard streams close-on-exec when it starts; who comes after us keeps ours. */
export function passOnStandardStreams(syscall: Runtime['syscall']): void {
  for (const fd of [0, 1, 2]) syscall(SYS_fcntl, fd, F_SETFD, 0)
}
