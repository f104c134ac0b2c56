/**
 * Checks of the language itself, where the lean engine differs from upstream's: its patches, its global objects and its
 * allocator (docs/engine.md). They run in Node too, which says what is right.
 */

import { O_RDONLY } from '../../../src/sys/flags.ts'
import { close, open, read } from '../../../src/sys/linux.ts'
import type { Memory, Runtime } from '../../../src/sys/port.ts'
import { type Check, refuses, same } from './check.ts'

/**
 * How much garbage there may be before it is collected, in pages. V8 decides by the computer's memory and load, so of its
 * there may be nearly all; 97,656 pages were made.
 */
const MOST_GARBAGE = { quickjs: 40_000, v8: 90_000 }

/** See proc_pid_statm(5). */
function residentPages(runtime: Runtime): number {
  const fd = open('/proc/self/statm', O_RDONLY)
  const memory: Memory = new Uint8Array(128)
  const text = runtime.text(memory, 0, read(fd, memory))
  close(fd)
  return Number(text.split(' ')[1])
}

export const LANGUAGE_CHECKS: readonly Check[] = [
  {
    name: 'let is a new variable in each iteration, and undefined without an initializer (02-locals-are-declared.patch)',
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
    name: 'arrays are iterated, destructured and spread (03-iterate-arrays.patch)',
    run() {
      const list = [3, 1, 2]
      const seen: number[] = []
      for (const one of list) {
        seen.push(one)
        // What the loop adds is seen, what it removes is not.
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
    name: 'objects are spread and errors are subclassed (engine.c)',
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
    name: 'strings are searched (04-search-text.patch)',
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
    name: 'typed arrays are made, divided and joined (engine.c)',
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
    name: 'maps and sets keep their order (engine.c)',
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
    name: 'objects that refer to one another are freed (allocator.c)',
    run(runtime) {
      interface Knot {
        self?: Knot
        readonly bytes: Memory
      }
      const tie = (times: number): void => {
        for (let i = 0; i < times; i++) {
          const knot: Knot = { bytes: new Uint8Array(2000) }
          knot.self = knot
        }
      }
      tie(2000)
      const before = residentPages(runtime)
      // 400 MB, if they were kept.
      tie(200_000)
      const grown = residentPages(runtime) - before
      const most = runtime.inspect === undefined ? MOST_GARBAGE.quickjs : MOST_GARBAGE.v8
      if (grown > most) throw new Error(`${grown} pages more`)
    },
  },
]
