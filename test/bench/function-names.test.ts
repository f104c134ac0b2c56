import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { ESBUILD } from '../../build/esbuild.ts'
import { nameFunctions } from './function-names.ts'

const SOURCE = `
class Broken extends Error {}
class Counter {
  constructor() { this.total = 0 }
  add(n: number): void { this.total += n }
}
const double = (n: number): number => n * 2
function count(list: readonly number[], heard = (n: number) => { console.log(n) }): number[] {
  timed('the list', () => heard(list.length))
  return list.map((each) => double(each)).concat(({ later: () => 1 }).later())
}
export { Broken, Counter, count }
`

const FLAGS = ['--loader=ts', '--minify', '--format=esm', '--sourcemap=inline', '--sourcefile=../src/some.ts']
const [code = '', encoded = ''] = execFileSync(ESBUILD, FLAGS, { input: SOURCE, encoding: 'utf8' }).split(
  '//# sourceMappingURL=data:application/json;base64,',
)
const map = Buffer.from(encoded, 'base64').toString()

/** Of the function that the minified code has there. */
function nameOf(pattern: RegExp, past = 0): string {
  const offset = code.search(pattern) + past
  const before = code.slice(0, offset).split('\n')
  const position = { line: before.length - 1, column: before.at(-1)?.length ?? 0 }
  const [found] = nameFunctions(code, map, [position], () => SOURCE)
  return `${found?.file}: ${found?.name}`
}

describe('names of functions in a minified module', () => {
  test.each([
    ['a function', /function \w+\(\w+,/, 'src/some.ts: count'],
    ['an arrow function', /\w+=>\w+\*2/, 'src/some.ts: double'],
    ['a parameter’s default', /\w+=>\{console/, 'src/some.ts: heard'],
    ['a constructor', /constructor/, 'src/some.ts: constructor'],
    ['a method', /add\(/, 'src/some.ts: add'],
    ['an argument', /\w+=>\w+\(\w+\)\)/, 'src/some.ts: count › map() 10'],
    ['an argument beside a text', /\(\)=>\w+\(\w+\.length/, 'src/some.ts: count › timed(the list) 9'],
    ['a property', /\(\)=>1/, 'src/some.ts: count › later 10'],
  ])('%s', (_, pattern, name) => {
    expect(nameOf(pattern)).toBe(name)
  })

  test('a constructor that nobody wrote begins where its class ends', () => {
    expect(nameOf(/extends Error\{\}/, 'extends Error{'.length)).toBe('src/some.ts: Broken')
  })

  test('what is no function is the module', () => {
    expect(nameFunctions(code, map, [{ line: 0, column: 0 }], () => SOURCE)).toEqual([
      { file: '', name: '(module)' },
    ])
  })
})
