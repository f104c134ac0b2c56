/**
 * The lean engine's functions have neither `length` nor `name`, and where one is asked for it gives undefined without a word.
 * TypeScript's own declarations have both: here what goes into the lean binary is checked by declarations without.
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { ROOT } from '../../../build/paths.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-lean-types-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Beside the compiler, which is a package for each kind of computer. */
function declarations(): string {
  const packages = join(ROOT, 'node_modules/@typescript')
  const file = readdirSync(packages, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith('/lib.es5.d.ts'),
  )
  if (file === undefined) throw new Error(`no declarations of the language below ${packages}`)
  return join(packages, dirname(file))
}

const DECLARATIONS = declarations()

/** A library with all that it refers to, as one text. */
function library(name: string): string {
  const seen = new Set<string>()
  const read = (each: string): string => {
    if (seen.has(each)) return ''
    seen.add(each)
    const text = readFileSync(join(DECLARATIONS, `lib.${each}.d.ts`), 'utf8')
    const others = [...text.matchAll(/^\/\/\/ <reference lib="([^"]+)" \/>$/gm)].map(([, other = '']) =>
      read(other),
    )
    return [...others, text.replaceAll(/^\/\/\/ <reference .*$/gm, '')].join('\n')
  }
  return read(name)
}

const LACKING = /^ +(?:readonly )?(?:length|name|prototype|arguments|caller)\b.*;$/gm
const leanLibrary = library('es2023').replaceAll(/^interface Function \{[^}]*\}/gm, (whole) =>
  whole.replaceAll(LACKING, ''),
)
writeFileSync(join(folder, 'lib.d.ts'), leanLibrary)

/** What the compiler says. */
async function check(include: string): Promise<string> {
  const config = join(folder, 'tsconfig.json')
  const compilerOptions = { noLib: true, types: [] }
  const files = [join(folder, 'lib.d.ts')]
  writeFileSync(
    config,
    JSON.stringify({ extends: join(ROOT, 'tsconfig.base.json'), compilerOptions, files, include: [include] }),
  )
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  return promisify(execFile)(tsc, ['-p', config]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}

it('asks no function for its length or name', async () => {
  expect(await check(join(ROOT, 'src/runtime/quickjs'))).toBe('')
})

it('would say so', async () => {
  const file = join(folder, 'asks.ts')
  writeFileSync(
    file,
    'export const f = (one: string): string => one\nexport const both = [f.length, f.name]\n',
  )
  const said = await check(file)
  expect(said).toContain("Property 'length' does not exist on type '(one: string) => string'")
  expect(said).toContain("Property 'name' does not exist")
})
