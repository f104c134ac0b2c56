import { describe, expect, test } from 'vitest'
import { BETWEEN, byFunction, foldStacks, type Names, readCalls, stages, wholeCost } from './call-tree.ts'

const NAMES: Names = {
  parts: new Map([['4000', 'seed.js']]),
  heap: new Map([
    ['10000', { part: 'main.js', index: 0 }],
    ['10040', { part: 'main.js', index: 1 }],
  ]),
  functions: new Map([
    ['main.js', ['main.ts main', 'main.ts work']],
    ['seed.js', ['seed.ts read', 'seed.ts parse']],
  ]),
  methods: new Map([['js_array_every/3', 'Array.prototype.map']]),
}

/** main calls work, which maps by itself, and then what a module read meanwhile has put at an address of the heap's. */
const TOLD = `note 4000 20000
note 4000 10040
function 0 bytecode 10000 0
function 1 bytecode 10040 0
function 2 built-in js_array_every 3
function 3 bytecode 10040 2
function 4 bytecode 77 2
node 0 0 0 1
cost 0 unpack 100 10
node 1 0 0 1
cost 1 loop 7 3
cost 1 free 1 1
node 2 1 1 2
cost 2 loop 20 2
node 3 2 2 4
cost 3 js_array_every 40 4
node 4 3 1 8
cost 4 loop 5 0
node 5 1 3 1
cost 5 loop 1000 0
node 6 1 4 1
cost 6 loop 2 0
`

const top = readCalls(TOLD, NAMES)

describe('a profile', () => {
  test('is all that was executed', () => {
    expect(wholeCost(top)).toEqual({ count: 1175, fresh: 20 })
  })

  test('has each function once, with what it calls once, and the engine’s methods with who calls them', () => {
    const rows = byFunction(top).map(({ name, calls, own, whole }) => [name, calls, own.count, whole.count])
    expect(rows).toEqual([
      ['seed.ts parse', 1, 1000, 1000],
      ['main.ts work', 10, 65, 65],
      ['main.ts main', 1, 8, 1075],
      ['function at 77', 1, 2, 2],
    ])
  })

  test('has the engine’s methods by themselves', () => {
    const rows = byFunction(top, true).map(({ name, calls, own, whole }) => [
      name,
      calls,
      own.count,
      whole.count,
    ])
    expect(rows).toEqual([['Array.prototype.map', 4, 40, 45]])
    expect(byFunction(top, true)[0]?.callers).toEqual(new Set(['main.ts work']))
  })

  test('has stages in their order', () => {
    const rows = stages(top, (name) => name === 'main.ts main').map(({ name, whole }) => [name, whole.count])
    expect(rows).toEqual([
      ['(C) unpack', 100],
      ['main.ts work', 65],
      ['seed.ts parse', 1000],
      ['function at 77', 2],
      [BETWEEN, 8],
    ])
  })

  test('is told as stacks', () => {
    const lines = foldStacks(top).trimEnd().split('\n')
    expect(lines).toContain('(C);main.ts main;main.ts work;Array.prototype.map;main.ts work;[loop] 5')
    expect(lines).toHaveLength(8)
  })

  test('that was told of nothing is none', () => {
    expect(() => readCalls('', NAMES)).toThrow('empty')
  })
})
