/**
 * Checks of what `src/sys/port.ts` promises. They run in either host, so they use no Node, no test framework and nothing that
 * the lean engine lacks. `contract.test.ts` runs them.
 */

import { putWord64 } from '../../../src/lib/bytes.ts'
import { CALL_WORDS, type Call, RESULT, spawn, spawnHelper, stringVector } from '../../../src/sys/calls.ts'
import { EINVAL, ENOENT } from '../../../src/sys/errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, SIG_BLOCK, SIG_SETMASK } from '../../../src/sys/flags.ts'
import {
  close,
  open,
  read,
  SYS_chdir,
  SYS_close,
  SYS_dup3,
  SYS_execve,
  SYS_getpid,
  SYS_openat,
  SYS_rt_sigprocmask,
  SYS_setsid,
  SYS_write,
  sigprocmask,
  useRuntime,
  wait4,
} from '../../../src/sys/linux.ts'
import type { Memory, Runtime, Words } from '../../../src/sys/port.ts'
import { type Check, refuses, same } from './check.ts'
import { LANGUAGE_CHECKS } from './language.ts'

// errno(3), pipe(2)
const EBADF = 9
const SYS_pipe2 = 293

const TERABYTE = 0x100_0000_0000

const exec = (runtime: Runtime, ...argv: string[]): Call => ({
  number: SYS_execve,
  args: [
    argv[0] ?? '',
    stringVector(runtime, argv),
    stringVector(runtime, ['X=\xc3\xa9', 'PATH=/usr/bin:/bin']),
  ],
  name: `execute ${argv[0]}`,
})

const chdir = (path: string, tolerated = false): Call => ({
  number: SYS_chdir,
  args: [path],
  tolerated,
  name: 'chdir',
})

function pipe(runtime: Runtime): [from: number, to: number] {
  const ends = new Uint8Array(8)
  same(runtime.syscall(SYS_pipe2, ends, O_CLOEXEC), 0)
  return [ends[0] ?? -1, ends[4] ?? -1]
}

/** Runs a program in a child and returns its exit code and its output. */
function outputOf(runtime: Runtime, program: Call, ...before: Call[]): [code: number, output: string] {
  const [from, to] = pipe(runtime)
  const redirect = { number: SYS_dup3, args: [to, 1, 0], name: 'dup' }
  const { pid, failed } = spawn(runtime, [redirect, ...before, program])
  same(failed, undefined)
  close(to)
  const { status } = wait4(pid, 0)
  const output = readText(runtime, from)
  close(from)
  return [status >> 8, output]
}

function readText(runtime: Runtime, fd: number): string {
  const memory: Memory = new Uint8Array(4096)
  return runtime.text(memory, 0, read(fd, memory))
}

const shell = (runtime: Runtime, script: string, ...before: Call[]): [number, string] =>
  outputOf(runtime, exec(runtime, '/bin/sh', '-c', script), ...before)

/** Calls that each read into their own unused fourth argument. */
function reads(runtime: Runtime, fd: number, count: number, length: number): Words {
  const calls: Words = new Uint32Array(count * CALL_WORDS)
  for (let at = 0; at < calls.length; at += CALL_WORDS) {
    calls[at + 2] = fd
    putWord64(calls, at + 4, runtime.addressOf(calls) + (at + 8) * 4)
    calls[at + 6] = length
  }
  return calls
}

function results(calls: Words): number[] {
  const found: number[] = []
  for (let at = RESULT; at < calls.length; at += CALL_WORDS) found.push((calls[at] ?? 0) | 0)
  return found
}

const SYS_lseek = 8
const SIGUSR1 = 10

const HOST_CHECKS: readonly Check[] = [
  {
    name: 'syscall returns the kernel’s answer, and a negative errno for a failure',
    run(runtime) {
      same(runtime.syscall(SYS_getpid) > 0, true)
      same(runtime.syscall(SYS_close, -1), -EBADF)
      same(open('/nowhere/at/all', O_RDONLY), -ENOENT)
    },
  },
  {
    name: 'syscall takes negative numbers and those above 32 bits',
    run(runtime) {
      // lseek(2): beyond 2^32, and back by a negative offset from there.
      const fd = open('/proc/self/exe', O_RDONLY | O_CLOEXEC)
      same(runtime.syscall(SYS_lseek, fd, TERABYTE + 5, 0), TERABYTE + 5)
      same(runtime.syscall(SYS_lseek, fd, -6, 1), TERABYTE - 1)
      same(runtime.syscall(SYS_lseek, fd, 0xfee1dead, 0), 0xfee1dead)
      close(fd)
      same(runtime.syscall(SYS_lseek, fd, 0x1f_ffff_ffff_ffff, 0), -EBADF)
    },
  },
  {
    name: 'syscall reads into memory of any size, and into a part of another',
    run() {
      for (const size of [1, 8, 64, 65, 4096]) {
        const fd = open('/dev/zero', O_RDONLY)
        const memory: Memory = new Uint8Array(size).fill(7)
        same(read(fd, memory), size)
        same(
          memory.every((byte) => byte === 0),
          true,
        )
        const whole: Memory = new Uint8Array(size + 2).fill(7)
        same(read(fd, whole.subarray(1, size + 1)), size)
        same([whole[0], whole[1], whole[size], whole[size + 1]], [7, 0, 0, 7])
        close(fd)
      }
    },
  },
  {
    name: 'syscall refuses a string that the kernel would read otherwise',
    run(runtime) {
      for (const path of ['/etc\0/passwd', '/etc/\u0100'])
        same(runtime.syscall(SYS_openat, AT_FDCWD, path, 0), -EINVAL)
    },
  },
  {
    name: 'syscall passes byte strings byte for byte',
    run(runtime) {
      const name = 'z\xc3\xa9\xff'
      const [from, to] = pipe(runtime)
      same(runtime.syscall(SYS_write, to, name, 4), 4)
      const memory: Memory = new Uint8Array(8)
      same(read(from, memory), 4)
      same(Array.from(memory), [0x7a, 0xc3, 0xa9, 0xff, 0, 0, 0, 0])
      close(from)
      close(to)
    },
  },
  {
    name: 'a string concatenated from long pieces arrives whole, in syscall and in putText',
    run(runtime) {
      const pieces = ['a', '\xe9', 'c'].map((char) => char.repeat(3000))
      const whole = (first: string, second: string, third: string): string => first + second + third + second
      const [first = '', second = '', third = ''] = pieces
      const expected = [...pieces, second].map((piece) => piece.charAt(0)).join('')
      const memory: Memory = new Uint8Array(12_001)
      same(runtime.putText(memory, 1, whole(first, second, third)), 12_000)
      same([1, 3001, 6001, 9001].map((at) => runtime.text(memory, at, 1)).join(''), expected)
      const [from, to] = pipe(runtime)
      same(runtime.syscall(SYS_write, to, whole(first, second, third), 12_000), 12_000)
      memory.fill(0)
      same(read(from, memory), 12_000)
      same([0, 3000, 6000, 9000, 11_999].map((at) => runtime.text(memory, at, 1)).join(''), `${expected}\xe9`)
      close(from)
      close(to)
      refuses(() => runtime.putText(memory, 0, whole(first, '\u0100', third)), 'not a byte string')
      same(runtime.syscall(SYS_openat, AT_FDCWD, whole(first, '\0', third), 0), -EINVAL)
    },
  },
  {
    name: 'syscall throws for more arguments than a system call has',
    run: (runtime) => refuses(() => runtime.syscall(SYS_getpid, 1, 2, 3, 4, 5, 6, 7), 'up to six arguments'),
  },
  {
    name: 'putText and text are byte for byte, a NUL among them',
    run(runtime) {
      const memory: Memory = new Uint8Array(8)
      same(runtime.putText(memory, 2, 'z\xc3\xa9\xff'), 4)
      same(Array.from(memory), [0, 0, 0x7a, 0xc3, 0xa9, 0xff, 0, 0])
      same(runtime.text(memory, 1, 6), '\0z\xc3\xa9\xff\0')
      same(runtime.putText(memory, 0, 'a\0b'), 3)
      same(runtime.text(memory, 0, 3), 'a\0b')
      same(runtime.text(memory, 8, 0), '')
    },
  },
  {
    name: 'putText and text stay inside the memory',
    run(runtime) {
      const memory: Memory = new Uint8Array(4)
      refuses(() => runtime.text(memory, 3, 2), 'outside the memory')
      refuses(() => runtime.text(memory, -1, 2), 'outside the memory')
      refuses(() => runtime.putText(memory, 1, '1234'), 'outside the memory')
      refuses(() => runtime.putText(memory, -1, '1'), 'outside the memory')
      refuses(() => runtime.putText(memory, 0, '\u0100'), 'not a byte string')
    },
  },
  {
    name: 'memory stays where it is',
    run(runtime) {
      const kept: Memory[] = [1, 8, 64, 65, 1000].map((size) => new Uint8Array(size))
      const addresses = kept.map((memory) => runtime.addressOf(memory))
      for (let i = 0; i < 200_000; i++) new Uint8Array(16)
      same(
        kept.map((memory) => runtime.addressOf(memory)),
        addresses,
      )
      const last = kept[4] ?? new Uint8Array(0)
      same(runtime.addressOf(last.subarray(10)), (addresses[4] ?? 0) + 10)
      same(runtime.addressOf(new Uint32Array(last.buffer, 0, 4)), addresses[4])
    },
  },
  {
    name: 'drain makes calls until one returns nothing',
    run(runtime) {
      const [from, to] = pipe(runtime)
      same(runtime.syscall(SYS_write, to, 'abcdefg', 7), 7)
      const calls = reads(runtime, from, 5, 2)
      same(runtime.drain(calls, 2), 2)
      close(to)
      same(runtime.drain(calls, 5), 2)
      same(results(calls), [2, 1, 0, 0, 0])
      same(runtime.text(new Uint8Array(calls.buffer), 8 * 4, 2), 'ef')
      close(from)
    },
  },
  {
    name: 'drain reports the errno of the last call',
    run(runtime) {
      const calls = reads(runtime, -1, 2, 2)
      same(runtime.drain(calls, 2), 0)
      same(results(calls), [-EBADF, 0])
    },
  },
  {
    name: 'drain throws for more calls than there are',
    run(runtime) {
      refuses(() => runtime.drain(new Uint32Array(16), 2), 'more calls than memory')
      refuses(() => runtime.drain(new Uint32Array(16), 0), 'more calls than memory')
    },
  },
  {
    name: 'spawn makes the calls in order and then executes the program',
    run: (runtime) => same(shell(runtime, 'echo "$X $PWD"; exit 7', chdir('/tmp')), [7, '\xc3\xa9 /tmp\n']),
  },
  {
    name: 'spawn continues after a tolerated failure',
    run: (runtime) => same(shell(runtime, 'exit 3', chdir('/nowhere', true)), [3, '']),
  },
  {
    name: 'spawn gives the child the signal mask that its calls set, and nothing ignored',
    run(runtime) {
      const mask = exec(runtime, '/bin/grep', 'SigBlk\\|SigIgn', '/proc/self/status')
      const reset: Call = {
        number: SYS_rt_sigprocmask,
        args: [SIG_SETMASK, Uint32Array.of(0, 0), 0, 8],
        name: 'sigprocmask',
      }
      const none = 'SigIgn:\t0000000000000000\n'
      sigprocmask(SIG_SETMASK, Uint32Array.of(0, 0))
      sigprocmask(SIG_BLOCK, Uint32Array.of(1 << (SIGUSR1 - 1), 0))
      same(outputOf(runtime, mask)[1], `SigBlk:\t0000000000000200\n${none}`)
      same(outputOf(runtime, mask, reset)[1], `SigBlk:\t0000000000000000\n${none}`)
      sigprocmask(SIG_SETMASK, Uint32Array.of(0, 0))
    },
  },
  {
    name: 'spawn reports which call failed, and how, after the child has ended',
    run(runtime) {
      const setsid: Call = { number: SYS_setsid, args: [], name: 'setsid' }
      const { pid, failed } = spawn(runtime, [setsid, chdir('/nowhere'), exec(runtime, '/bin/true')])
      same([failed?.index, failed?.call.name, failed?.result], [1, 'chdir', -ENOENT])
      const waited = wait4(pid, 0)
      same([waited.pid, waited.status], [pid, 125 << 8])
    },
  },
  {
    name: 'spawn reports a program that does not exist',
    run(runtime) {
      const { pid, failed } = spawn(runtime, [exec(runtime, '/bin/nothing')])
      same([failed?.index, failed?.result], [0, -ENOENT])
      same(wait4(pid, 0).pid, pid)
    },
  },
  {
    name: 'spawn works many times',
    run(runtime) {
      for (let i = 0; i < 100; i++) {
        const { pid } = spawn(runtime, [exec(runtime, '/bin/true')])
        const waited = wait4(pid, 0)
        same([waited.pid, waited.status], [pid, 0])
      }
    },
  },
  {
    name: 'spawn with a stack returns at once, and the child makes its calls meanwhile',
    run(runtime) {
      const [from, to] = pipe(runtime)
      const byte: Memory = new Uint8Array(1)
      // It reads, so it lives until we write.
      const { pid, kept } = spawnHelper(runtime, [
        { number: 0, args: [from, byte, 1], name: 'read' },
        chdir('/nowhere', true),
        { number: 60, args: [42], name: 'exit' },
      ])
      same(pid > 0, true)
      same(wait4(pid, 1).pid, 0)
      same(runtime.syscall(SYS_write, to, 'x', 1), 1)
      const waited = wait4(pid, 0)
      same([waited.pid, waited.status, byte[0], kept.length > 1], [pid, 42 << 8, 0x78, true])
      close(from)
      close(to)
    },
  },
  {
    name: 'spawnInto reports what is not a cgroup, and makes no child',
    run(runtime) {
      const [from, to] = pipe(runtime)
      same(spawn(runtime, [exec(runtime, '/bin/true')], from).pid, -EBADF)
      close(from)
      close(to)
    },
  },
  {
    name: 'spawn throws for more calls than there are',
    run(runtime) {
      refuses(() => runtime.spawn(new Uint32Array(16), 2), 'more calls than memory')
      refuses(() => runtime.spawn(new Uint32Array(16), 0), 'more calls than memory')
    },
  },
  {
    name: 'load throws for a module that does not exist',
    run: (runtime) => refuses(() => runtime.load('nothing'), 'no module nothing'),
  },
]

const CHECKS: readonly Check[] = [...HOST_CHECKS, ...LANGUAGE_CHECKS]

/** The names of all checks, in order. */
export const CHECK_NAMES: readonly string[] = CHECKS.map(({ name }) => name)

/** Runs the checks. Returns for each what it threw, or undefined if it passed. */
export function runChecks(runtime: Runtime): (string | undefined)[] {
  useRuntime(runtime)
  return CHECKS.map(({ run }) => {
    try {
      run(runtime)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : `${error}`
    }
  })
}
