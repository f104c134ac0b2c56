/**
 * What `src/sys/port.ts` promises, as checks that run in either host: no Node, no test framework, nothing that the lean
 * engine lacks. `contract.test.ts` runs them.
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

export interface Check {
  readonly name: string
  /** Throws where the host does not keep the promise. */
  readonly run: (runtime: Runtime) => void
}

// errno(3), pipe(2)
const EBADF = 9
const SYS_pipe2 = 293

const TERABYTE = 0x100_0000_0000

function same(actual: unknown, expected: unknown): void {
  const [is, should] = [shown(actual), shown(expected)]
  if (is !== should) throw new Error(`${is} where ${should} was expected`)
}

const shown = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(shown).join(', ')}]`
    : `${typeof value === 'string' ? escaped(value) : value}`

const escaped = (text: string): string => {
  let out = '"'
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    out += code < 0x20 || code > 0x7e ? `\\x${code.toString(16)}` : text.charAt(i)
  }
  return `${out}"`
}

function refuses(work: () => unknown, message: string): void {
  let said = 'nothing'
  try {
    work()
  } catch (error) {
    said = error instanceof Error ? error.message : `${error}`
  }
  if (!said.includes(message)) throw new Error(`${said} where ${message} was expected`)
}

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

/** Runs a program in a child. @returns its exit code and what it wrote */
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

/** Calls that each read into an argument that read(2) does not have. */
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

const CHECKS: readonly Check[] = [
  {
    name: 'syscall gives the kernel’s answer, and a negative errno for a failure',
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
    name: 'syscall refuses a string of which the kernel would see something else',
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
    name: 'a string that was put together of long pieces arrives whole, in syscall and in putText',
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
    name: 'syscall throws for what no kernel is asked',
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
    name: 'drain makes calls for as long as they give something',
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
    name: 'drain tells the errno of the last one',
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
    name: 'spawn makes the calls in order and then is another program',
    run: (runtime) => same(shell(runtime, 'echo "$X $PWD"; exit 7', chdir('/tmp')), [7, '\xc3\xa9 /tmp\n']),
  },
  {
    name: 'spawn goes on after a tolerated failure',
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
    name: 'spawn tells which call failed, and how, of a child that has ended',
    run(runtime) {
      const setsid: Call = { number: SYS_setsid, args: [], name: 'setsid' }
      const { pid, failed } = spawn(runtime, [setsid, chdir('/nowhere'), exec(runtime, '/bin/true')])
      same([failed?.index, failed?.call.name, failed?.result], [1, 'chdir', -ENOENT])
      const waited = wait4(pid, 0)
      same([waited.pid, waited.status], [pid, 125 << 8])
    },
  },
  {
    name: 'spawn tells of a program that is not there',
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
    name: 'spawn with a stack goes on at once, and the child makes its calls meanwhile',
    run(runtime) {
      const [from, to] = pipe(runtime)
      const byte: Memory = new Uint8Array(1)
      // It reads, and so is there until we write.
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
    name: 'spawnInto tells of what is no cgroup, and makes no child',
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
    name: 'Number reads what the language says, short or long (engine.c has a way of its own for the short)',
    run() {
      const read: readonly (readonly [text: string, value: number])[] = [
        ['0', 0],
        ['007', 7],
        ['255', 255],
        ['999999999', 999_999_999],
        ['1000000000', 1_000_000_000],
        ['4294967296', 4_294_967_296],
        ['0x0', 0],
        ['0x1f', 31],
        ['0xFE0', 4064],
        ['0XfE0', 4064],
        ['0xfffffff', 0xfff_ffff],
        ['0xffffffff', 0xffff_ffff],
        ['', 0],
        [' ', 0],
        [' 5', 5],
        ['5 ', 5],
        ['-1', -1],
        ['+1', 1],
        ['1.5', 1.5],
        ['1e3', 1000],
        ['0b11', 3],
        ['Infinity', Number.POSITIVE_INFINITY],
      ]
      for (const [text, value] of read) same(Number(text), value)
      const unread = [
        'x',
        '0x',
        '0xg',
        '12a',
        'a1',
        '1 2',
        '0x 1',
        '\xb2',
        '--1',
        '/',
        ':',
        '@',
        '`',
        'G',
        '0x/',
        '0x:',
        '0x@',
      ]
      for (const text of unread) same(Number.isNaN(Number(text)), true)
    },
  },
  {
    name: 'i++ and i-- are what they are at the ends of 32 bits, and beyond (engine.c again)',
    run() {
      for (const value of [
        0, 1, -1, 0x7fff_fffe, 0x7fff_ffff, -0x7fff_ffff, -0x8000_0000, 0x8000_0000, 1.5,
      ]) {
        let up = value
        let down = value
        same([up++, up, down--, down], [value, value + 1, value, value - 1])
      }
    },
  },
  {
    name: 'let is a new variable each time round, and undefined where it is given nothing (build/lean/quickjs-prune.ts)',
    run() {
      const each: (() => number)[] = []
      const unset: unknown[] = []
      for (let i = 0; i < 3; i++) {
        let late: number | undefined
        each.push(() => i * 10 + (late ?? 5))
        unset.push(late)
        if (i === 1) late = 7
      }
      same(
        each.map((one) => one()),
        [5, 17, 25],
      )
      same(unset, [undefined, undefined, undefined])
      const count = ((): (() => number) => {
        let calls = 0
        return () => ++calls
      })()
      same([count(), count()], [1, 2])
    },
  },
  {
    name: 'arrays are gone through, taken apart and put together as ever (engine.c)',
    run() {
      const list = [3, 1, 2]
      const seen: number[] = []
      for (const one of list) {
        seen.push(one)
        // What is added meanwhile is seen, what is taken off is not.
        if (one === 3) list.push(4)
        if (one === 4) list.length = 0
      }
      same(seen, [3, 1, 2, 4])
      const [first, second = 7, , ...rest] = [1, undefined, 3, 4, 5]
      same([first, second, rest], [1, 7, [4, 5]])
      const [none, ...nothing] = [] as number[]
      same([none, nothing], [undefined, []])
      same([0, ...seen, ...[], ...new Set([8, 8, 9]), ...'ab'], [0, 3, 1, 2, 4, 8, 9, 'a', 'b'])
      same([...new Uint8Array([1, 2])], [1, 2])
      const ends = (): number[] => {
        const passed: number[] = []
        for (const [at, one] of [[0, 'a'] as const, [1, 'b'] as const, [2, 'c'] as const]) {
          try {
            if (one === 'a') continue
            passed.push(at)
            for (const inner of [1, 2]) if (inner === 2) return passed
          } finally {
            passed.push(-1)
          }
        }
        return passed
      }
      same(ends(), [-1, 1, -1])
      refuses(() => {
        for (const one of [1, 2]) if (one === 2) throw new Error('thrown in a loop')
      }, 'thrown in a loop')
      const many: number[] = []
      same([many.push(), many.push(1, 2, 3), many.push(...seen, ...seen)], [0, 3, 11])
      same(many, [1, 2, 3, ...seen, ...seen])
      many.length = 2
      same([many.push(9), many], [3, [1, 2, 9]])
      const long = [1, 2]
      long.length = 4
      // biome-ignore lint/suspicious/noSparseArray: what follows a hole is not the array's next element
      const sparse = [, ...seen.slice(0, 1)]
      same([[...long], sparse.length, sparse[1]], [[1, 2, undefined, undefined], 2, 3])
      const [, , , fourth = 8] = long
      const holes = [1, 2, 3, 4]
      const passed: (number | undefined)[] = []
      for (const one of holes) {
        passed.push(one)
        if (one === 1) holes[9] = 10
        if (one === 3) delete holes[3]
      }
      same([fourth, passed], [8, [1, 2, 3, ...new Array(6).fill(undefined), 10]])
      const fixed = Object.defineProperty([1], 'length', { writable: false })
      refuses(() => fixed.push(2), 'length')
      const frozen = Object.freeze([1])
      refuses(() => (frozen as number[]).push(2), 'extensible')
    },
  },
  {
    name: 'objects are spread, and their properties replaced, as ever (engine.c)',
    run() {
      const base = { a: 1, b: 2 }
      const late = { ...base, b: 3, c: 4, ...{ a: 5 }, ...(base.a > 1 ? { d: 6 } : undefined) }
      same(Object.entries(late), [
        ['a', 5],
        ['b', 3],
        ['c', 4],
      ])
      const { a, ...others } = late
      same([a, Object.keys(others), base.b], [5, ['b', 'c'], 2])
      const counted = {
        asked: 0,
        get next() {
          return ++this.asked
        },
      }
      class Hidden {
        seen = 1
        #own = 2
        sum(): number {
          return this.seen + this.#own
        }
      }
      const hidden = new Hidden()
      same([Object.keys({ ...hidden }), hidden.sum()], [['seen'], 3])
      same(Object.keys({ ...{ b: 1, 2: 2, a: 3, 1: 4 } }), ['1', '2', 'b', 'a'])
      const copy = { ...counted, asked: 7 }
      same([copy.next, copy.next, counted.next, copy.asked], [1, 1, 2, 7])
      class Named extends Error {
        readonly code: number = 5
      }
      const error = new Named('told')
      same(
        [error.code, error.message, error instanceof Named, error instanceof Error],
        [5, 'told', true, true],
      )
      same([{} instanceof Error, (error as object) instanceof Map], [false, false])
    },
  },
  {
    name: 'text is found where it is (build/lean/quickjs-edits.ts)',
    run() {
      const text = 'one=two=\xe9\0=end'
      same(
        [text.indexOf('='), text.indexOf('=', 4), text.indexOf('=', 8), text.indexOf('=', 99)],
        [3, 7, 10, -1],
      )
      same(
        [text.indexOf('=two'), text.indexOf('=three'), text.indexOf('\0='), text.indexOf('\xe9')],
        [3, -1, 9, 8],
      )
      same([text.indexOf(''), text.indexOf('', 5), text.indexOf('', 99), ''.indexOf('')], [0, 5, 14, 0])
      same([text.indexOf('\u0100'), text.indexOf('one=two=\xe9\0=end?'), text.indexOf('o', -3)], [-1, -1, 0])
      same(
        [text.includes('end'), text.includes('ends'), text.includes(''), text.includes('one', 1)],
        [true, false, true, false],
      )
      same([text.lastIndexOf('='), text.lastIndexOf('=', 9), text.lastIndexOf('?')], [10, 7, -1])
      same([text.startsWith('one'), text.startsWith('two', 4), text.startsWith('ne')], [true, true, false])
      same(
        [
          text.endsWith('end'),
          text.endsWith(''),
          text.endsWith('d'),
          text.endsWith('ends'),
          'ab'.endsWith('xab'),
        ],
        [true, true, true, false, false],
      )
      const wide = 'a\u0100=b\u0100=c'
      same(
        [wide.indexOf('='), wide.indexOf('\u0100=c'), wide.includes('b'), wide.indexOf('\0')],
        [2, 4, true, -1],
      )
      same(text.split('='), ['one', 'two', '\xe9\0', 'end'])
    },
  },
  {
    name: 'typed arrays have their parts, and are made of numbers (build/lean/quickjs-edits.ts, methods.ts)',
    run() {
      const bytes = Uint8Array.of(1, 2, 3, 4, 300)
      const part = bytes.subarray(1, 4)
      part[0] = 9
      same([Array.from(bytes), Array.from(part.subarray(1)), part.byteOffset], [[1, 9, 3, 4, 44], [3, 4], 1])
      same([bytes.subarray(-2).length, bytes.subarray(3, 1).length, bytes.subarray(9).length], [2, 0, 0])
      const words = Uint32Array.of(1, ~0, 2)
      same(
        [Array.from(words), Array.from(words.subarray(1))],
        [
          [1, 0xffff_ffff, 2],
          [0xffff_ffff, 2],
        ],
      )
      same([words.subarray(1).byteOffset, Uint16Array.of().length], [4, 0])
      same(
        [`${bytes}`, String(new Uint8Array(0)), [bytes.subarray(0, 2), 'x'].join()],
        ['1,9,3,4,44', '', '1,9,x'],
      )
    },
  },
  {
    name: 'what a Map and a Set hold is told in its order (methods.ts)',
    run() {
      const map = new Map([
        ['b', 1],
        ['a', 2],
      ])
      map.set('c', 3).set('b', 4)
      map.delete('a')
      same([[...map.values()], [...map.keys()], [...map].length], [[4, 3], ['b', 'c'], 2])
      const set = new Set([3, 1, 3])
      same([[...set.values()], [...set], set.size], [[3, 1], [3, 1], 2])
      const seen: number[] = []
      for (const value of map.values()) seen.push(value)
      same(seen, [4, 3])
    },
  },
  {
    name: 'load throws for what there is not',
    run: (runtime) => refuses(() => runtime.load('nothing'), 'no module nothing'),
  },
]

/** The names of all checks, in order. */
export const CHECK_NAMES: readonly string[] = CHECKS.map(({ name }) => name)

/** Runs the checks. @returns for each what it threw; undefined where the promise is kept */
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
