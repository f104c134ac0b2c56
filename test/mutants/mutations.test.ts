import { describe, expect, it, test } from 'vitest'
import { apply, draw, mutationsOf } from './mutations.ts'

/** What becomes of a text, by each change that can be made to it. */
const mutants = (text: string): string[] =>
  mutationsOf('file.ts', text).map((mutation) => `${mutation.operator}: ${apply(text, mutation)}`)

describe('mutationsOf', () => {
  test.each([
    ['if (ready) go()', ['negate: if (!(ready)) go()', 'drop: if (ready) {}']],
    ['const x = a ? b : c', ['negate: const x = !(a) ? b : c']],
    ['const x = a < b', ['compare: const x = a <= b']],
    ['const x = a !== b', ['compare: const x = a === b']],
    ['const x = a && b', ['logic: const x = a || b']],
    ['const x = a + b', ['arithmetic: const x = a - b']],
    ['const x = a | b | c', ['flag: const x = a | c', 'flag: const x = a | b']],
    ['const x = !a', ['sign: const x = a']],
    ['const x = -ENOENT', ['sign: const x = ENOENT']],
    ['close(fd)', ['drop: {}']],
    ['state = next', ['drop: {}']],
    ['const x = 9', ['number: const x = 10']],
    ['const x = 1_000', ['number: const x = 2000']],
    ['const x = 0xff', ['number: const x = 0x1fe']],
    ['const x = true', ['boolean: const x = false']],
    ['const x = list.reverse()', ['order: const x = list']],
    ['const x = "text"', []],
    ["const x = 'é' + a", ["arithmetic: const x = 'é' - a"]],
    ['debug(() => `x`)', []],
  ])('%s', (text, expected) => expect(mutants(text)).toEqual(expected))

  it('leaves types and imports alone', () => {
    expect(mutants("import { a } from 'b'\ntype A = 1 | 2\ninterface B { readonly c: true }")).toEqual([])
  })

  it('looks behind `as` and `!`', () => {
    expect(mutants('const x = (a < b) as boolean')).toEqual(['compare: const x = (a <= b) as boolean'])
  })

  it('knows the line', () => {
    expect(mutationsOf('file.ts', 'go()\n\nif (a) go()').map(({ line }) => line)).toEqual([1, 3, 3])
  })

  it('gives two changes of the same kind in the same words different names', () => {
    const ids = mutationsOf('file.ts', 'close(a)\nclose(a)').map(({ id }) => id)
    expect(new Set(ids).size).toBe(2)
  })
})

describe('draw', () => {
  const text = 'a()\nb()\nc()\nd()\ne()\nf()\ng()\n'
  const order = (source: string, seed: number): string[] =>
    draw(mutationsOf('file.ts', source), seed).map(({ before }) => before)

  it('gives the same order for the same seed, and another for another', () => {
    expect(order(text, 1)).toEqual(order(text, 1))
    expect(order(text, 1)).not.toEqual(order(text, 2))
    expect(order(text, 1).toSorted()).toEqual(order(text, 2).toSorted())
  })

  it('keeps the order of what is there where a line is added', () => {
    expect(order(`fresh()\n${text}`, 1).filter((each) => each !== 'fresh()')).toEqual(order(text, 1))
  })
})
