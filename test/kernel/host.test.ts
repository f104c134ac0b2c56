/** The Node host against this machine's kernel: what `sys/port.ts` promises. */

import { readFileSync, statSync } from 'node:fs'
import { beforeAll, describe, expect, it, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { type Call, spawn, stringVector } from '../../src/sys/calls.ts'
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, SIG_BLOCK, SIG_SETMASK, SIGUSR1 } from '../../src/sys/flags.ts'
import {
  close,
  open,
  read,
  SYS_chdir,
  SYS_close,
  SYS_dup3,
  SYS_execve,
  SYS_getpid,
  SYS_lseek,
  SYS_openat,
  SYS_rt_sigprocmask,
  SYS_setsid,
  SYS_write,
  sigprocmask,
  stat,
  useRuntime,
  wait4,
} from '../../src/sys/linux.ts'

const EBADF = 9
const ENOENT = 2
const EINVAL = 22
const SYS_pipe2 = 293

beforeAll(() => useRuntime(nodeRuntime))

describe('syscall', () => {
  it('gives the kernel’s answer, and a negative errno for a failure', () => {
    expect(nodeRuntime.syscall(SYS_getpid)).toBe(process.pid)
    expect(nodeRuntime.syscall(SYS_close, -1)).toBe(-EBADF)
    expect(open('/nowhere/at/all', O_RDONLY)).toBe(-ENOENT)
  })

  it('takes negative numbers and those above 32 bits', () => {
    // lseek(2): beyond 2^32, and back by a negative offset from there.
    const fd = open('/proc/self/exe', O_RDONLY | O_CLOEXEC)
    expect(nodeRuntime.syscall(SYS_lseek, fd, 2 ** 40 + 5, 0)).toBe(2 ** 40 + 5)
    expect(nodeRuntime.syscall(SYS_lseek, fd, -6, 1)).toBe(2 ** 40 - 1)
    expect(nodeRuntime.syscall(SYS_lseek, fd, 0xfee1dead, 0)).toBe(0xfee1dead)
    close(fd)
    expect(nodeRuntime.syscall(SYS_lseek, fd, 2 ** 53 - 1, 0)).toBe(-EBADF)
  })

  it('reads into memory of any size, and into a part of another', () => {
    for (const size of [1, 8, 64, 65, 4096]) {
      const fd = open('/dev/zero', O_RDONLY)
      const memory = new Uint8Array(size).fill(7)
      expect(read(fd, memory)).toBe(size)
      expect(memory.every((byte) => byte === 0)).toBe(true)
      const whole = new Uint8Array(size + 2).fill(7)
      expect(read(fd, whole.subarray(1, size + 1))).toBe(size)
      expect([whole[0], whole[1], whole[size], whole[size + 1]]).toEqual([7, 0, 0, 7])
      close(fd)
    }
  })

  test.each(['/etc\0/passwd', '/etc/\u0100'])(
    'refuses %j, of which the kernel would see something else',
    (path) => {
      expect(nodeRuntime.syscall(SYS_openat, AT_FDCWD, path, 0)).toBe(-EINVAL)
    },
  )

  it('passes byte strings byte for byte', () => {
    const fd = open('/proc/self/comm', 1)
    const name = 'z\xc3\xa9\xff'
    const memory = new Uint8Array(8)
    expect(nodeRuntime.syscall(SYS_write, fd, name, 4)).toBe(4)
    close(fd)
    expect([...readFileSync('/proc/self/comm')]).toEqual([0x7a, 0xc3, 0xa9, 0xff, 0x0a])
    expect(nodeRuntime.put(memory, 2, name)).toBe(4)
    expect([...memory]).toEqual([0, 0, 0x7a, 0xc3, 0xa9, 0xff, 0, 0])
    expect(nodeRuntime.text(memory, 1, 6)).toBe(`\0${name}\0`)
  })

  it('throws for what no kernel is asked', () => {
    expect(() => nodeRuntime.syscall(SYS_getpid, 1, 2, 3, 4, 5, 6, 7)).toThrow('up to six arguments')
  })
})

describe('memory', () => {
  it('stays where it is', () => {
    const kept = [1, 8, 64, 65, 1000].map((size) => new Uint8Array(size))
    const addresses = kept.map(nodeRuntime.addressOf)
    for (let i = 0; i < 200_000; i++) new Uint8Array(16)
    for (const memory of kept) memory.buffer
    expect(kept.map(nodeRuntime.addressOf)).toEqual(addresses)
    expect(nodeRuntime.addressOf((kept[4] ?? new Uint8Array(0)).subarray(10))).toBe((addresses[4] ?? 0) + 10)
  })

  it('is not read or written outside', () => {
    const memory = new Uint8Array(4)
    expect(() => nodeRuntime.text(memory, 3, 2)).toThrow('outside the memory')
    expect(() => nodeRuntime.text(memory, -1, 2)).toThrow('outside the memory')
    expect(() => nodeRuntime.put(memory, 1, '1234')).toThrow('outside the memory')
    expect(() => nodeRuntime.put(memory, 0, '\u0100')).toThrow('not a byte string')
  })
})

describe('spawn', () => {
  const exec = (...argv: string[]): Call => ({
    number: SYS_execve,
    args: [
      argv[0] ?? '',
      stringVector(nodeRuntime, argv),
      stringVector(nodeRuntime, ['X=\xc3\xa9', 'PATH=/usr/bin:/bin']),
    ],
    name: `execute ${argv[0]}`,
  })

  const run = (script: string, ...before: Call[]): [number, string] =>
    outputOf(exec('/bin/sh', '-c', script), ...before)

  /** Runs a program in a child. @returns its exit code and what it wrote */
  function outputOf(program: Call, ...before: Call[]): [number, string] {
    const pipe = new Uint8Array(8)
    expect(nodeRuntime.syscall(SYS_pipe2, pipe, O_CLOEXEC)).toBe(0)
    const [from = 0, , , , to = 0] = pipe
    const { pid, failed } = spawn(nodeRuntime, [
      { number: SYS_dup3, args: [to, 1, 0], name: 'dup' },
      ...before,
      program,
    ])
    expect(failed).toBeUndefined()
    close(to)
    const { status } = wait4(pid, 0)
    const output = new Uint8Array(4096)
    const text = nodeRuntime.text(output, 0, read(from, output))
    close(from)
    return [status >> 8, text]
  }

  it('makes the calls in order and then is another program', () => {
    expect(run('echo "$X $PWD"; exit 7', { number: SYS_chdir, args: ['/tmp'], name: 'chdir' })).toEqual([
      7,
      '\xc3\xa9 /tmp\n',
    ])
  })

  it('goes on after a tolerated failure', () => {
    expect(run('pwd', { number: SYS_chdir, args: ['/nowhere'], tolerated: true, name: 'chdir' })[0]).toBe(0)
  })

  it('leaves the child no signal ignored that Node ignores', () => {
    const [code, status] = run('grep SigIgn /proc/self/status')
    expect(code).toBe(0)
    const ignored = BigInt(`0x${status.split(':')[1]?.trim()}`)
    const SIGPIPE = 13n
    expect(ignored & (1n << (SIGPIPE - 1n))).toBe(0n)
    // Ours is as it was.
    expect(readFileSync('/proc/thread-self/status', 'latin1')).toMatch(
      /SigIgn:\t[0-9a-f]*[13579bdf][0-9a-f]{3}\n/,
    )
  })

  it('gives the child the signal mask that its calls set', () => {
    const mask = exec('/bin/grep', 'SigBlk', '/proc/self/status')
    const reset: Call = {
      number: SYS_rt_sigprocmask,
      args: [SIG_SETMASK, Uint32Array.of(0, 0), 0, 8],
      name: 'sigprocmask',
    }
    sigprocmask(SIG_BLOCK, Uint32Array.of(1 << (SIGUSR1 - 1), 0))
    expect(outputOf(mask)[1]).toBe('SigBlk:\t0000000000000200\n')
    expect(outputOf(mask, reset)[1]).toBe('SigBlk:\t0000000000000000\n')
    sigprocmask(SIG_SETMASK, Uint32Array.of(0, 0))
  })

  it('tells which call failed, and how, of a child that has ended', () => {
    const calls: Call[] = [
      { number: SYS_setsid, args: [], name: 'setsid' },
      { number: SYS_chdir, args: ['/nowhere'], name: 'chdir' },
      exec('/bin/true'),
    ]
    const { pid, failed } = spawn(nodeRuntime, calls)
    expect(failed).toEqual({ call: calls[1], index: 1, result: -ENOENT })
    expect(wait4(pid, 0)).toEqual({ pid, status: 125 << 8 })
  })

  it('tells of a program that is not there', () => {
    const { pid, failed } = spawn(nodeRuntime, [exec('/bin/nothing')])
    expect([failed?.index, failed?.result]).toEqual([0, -ENOENT])
    expect(wait4(pid, 0).pid).toBe(pid)
  })

  it('works many times', () => {
    for (let i = 0; i < 100; i++) {
      const { pid } = spawn(nodeRuntime, [exec('/bin/true')])
      expect(wait4(pid, 0)).toEqual({ pid, status: 0 })
    }
  })

  it('throws for more calls than there are', () => {
    expect(() => nodeRuntime.spawn(new Uint32Array(16), 2)).toThrow('more calls than memory')
    expect(() => nodeRuntime.spawn(new Uint32Array(16), 0)).toThrow('more calls than memory')
  })
})

it('stat reads what Node reads', () => {
  const { dev, mode } = statSync('/etc/passwd')
  expect(stat('/etc/passwd')).toMatchObject({ dev, mode })
})
