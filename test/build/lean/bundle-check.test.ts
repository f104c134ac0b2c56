import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle } from '../../../build/bundle.ts'
import { checkBundle } from '../../../build/lean/bundle-check.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zmachine-check-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function check(source: string): Promise<string[]> {
  const file = join(folder, 'entry.ts')
  await writeFile(file, source)
  const modules = await bundle({ entry: file })
  return modules
    .flatMap(({ code, map }) => checkBundle(code, map))
    .map((line) => line.replace(/^.*entry\.ts:/, ''))
}

describe('checkBundle names what the engine lacks, with line and column', () => {
  test.each([
    ['regular expression', 'host.a(\n  /x+/u.exec("y"))', ['2:3: regular expression /x+/u']],
    ['Date', 'host.a(1)\nhost.a(new Date())', ['2:12: global Date']],
    ['JSON', 'host.a(JSON.stringify({}))', ['1:8: global JSON']],
    ['console', 'console.info(1)', ['1:1: global console']],
    ['globalThis', 'host.a(globalThis.Date)', ['1:8: global globalThis']],
    ['eval', 'host.a((0, eval)("1"))', ['1:12: global eval']],
    ['async function', 'host.a(async () => 1)', ['1:8: async function (needs promises)']],
    ['a generator', 'host.a(function* () {})', ['1:8: generator function']],
    ['a power', 'host.a(2 ** host.b)', ['1:8: operator **']],
    ['Math.random', 'host.a(Math.random())', ['1:8: .random() (needs a seed of each boot)']],
    ['a big integer', 'host.a(10n)', ['1:8: big integer 10n']],
    ['an object that nothing uses yet', 'host.a(new WeakMap())', ['1:12: global WeakMap']],
    ['Promise', 'host.a(Promise.resolve(1))', ['1:8: global Promise']],
    ['String.match', 'host.a("x".match("y"))', ['1:8: .match() (needs regular expressions)']],
    ['String.normalize', 'host.a("x".normalize())', ['1:8: .normalize() (needs Unicode normalization)']],
  ])('%s', async (_, source, expected) => {
    expect(await check(source)).toEqual(expected)
  })
})

describe('checkBundle accepts', () => {
  test.each([
    ['properties with a global’s name', 'host.a({ Date: 1, match: 2, Promise() { return 3 } }.Date)'],
    ['a property called match', 'host.a(host.b.match.macaddress)'],
    ['a class with private fields', 'class A { #x = 1; get() { return this.#x } }\nhost.a(new A().get())'],
    [
      'patterns, defaults and labels',
      'l: for (const { a: [b = 1, ...c], ...d } of host.x()) { host.a(b, c, d); break l }',
    ],
    ['catch and typed arrays', 'try { host.a(new Uint8Array(4)) } catch (error) { host.b(error) }'],
    [
      'a local that hides a global',
      'function f(Date: number) { return Date + host.a() }\nhost.a(f(1), f(2))',
    ],
    ['what is not reachable', 'function unused() { return JSON.stringify(/x/) }\nhost.a(1)'],
  ])('%s', async (_, source) => {
    expect(await check(source)).toEqual([])
  })
})
