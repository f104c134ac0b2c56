import { describe, expect, it } from 'vitest'
import { distances, namedIn } from './reach.ts'

describe('namedIn', () => {
  it('finds what is imported, re-exported, loaded and started', () => {
    const text = [
      "import { a } from '../src/a.ts'",
      "export { b } from './b.ts'",
      "const c = await import('./c.ts')",
      "const d = new URL('../src/cli/d.ts', import.meta.url)",
    ].join('\n')
    expect(namedIn('test/file.test.ts', text)).toEqual(['src/a.ts', 'test/b.ts', 'test/c.ts', 'src/cli/d.ts'])
  })

  it('leaves types and packages out', () => {
    const text = "import type { A } from './a.ts'\nimport type {\n  B,\n} from './b.ts'\nimport c from 'c.ts'"
    expect(namedIn('file.ts', text)).toEqual([])
  })

  it('leaves out what Node’s host of PID 1 could load', () => {
    expect(namedIn('src/runtime/node/parts.ts', "import * as a from '../../boot/a.ts'")).toEqual([])
    expect(namedIn('src/lazy.ts', "readonly a: typeof import('./boot/a.ts')")).toEqual([])
  })
})

it('counts the imports on the shortest way, in a circle as well', () => {
  const files: Record<string, string> = {
    'a.ts': "import './b.ts'\nimport './c.ts'",
    'b.ts': "import './c.ts'\nimport './none.ts'",
    'c.ts': "import './d.ts'",
    'd.ts': "import './a.ts'",
  }
  expect([...distances('a.ts', (file) => files[file])]).toEqual([
    ['a.ts', 0],
    ['b.ts', 1],
    ['c.ts', 1],
    ['d.ts', 2],
  ])
})
