/** A lean build to be profiled (profile-tool.c), and what its functions are. */

import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../build/command.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { ROOT } from '../../build/paths.ts'
import type { Names } from './call-tree.ts'
import { nameFunctions } from './function-names.ts'

export interface ProfiledBuild {
  readonly init: string
  /** Of the engine's structures, for profile-tool.c. */
  readonly layout: string
  readonly names: Names
}

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** @param folder an empty one, in which the build stays */
export async function buildProfiled(folder: string): Promise<ProfiledBuild> {
  const work = join(folder, 'build')
  const init = join(folder, 'init')
  mkdirSync(work)
  await buildLean({
    out: init,
    profiled: { folder: work, engine: source('profiled-engine.c'), list: source('function-list.c') },
  })
  const places = await symbols(join(work, 'functions'), /^[tT]$/)
  const listed = parseList((await run(join(work, 'functions'), [])).toString())
  const lines = parseList((await run(join(work, 'lines'), [])).toString())
  const functions = new Map<string, readonly string[]>()
  for (const name of readdirSync(work)) {
    if (!name.endsWith('.js')) continue
    const positions = lines.functions.filter(({ part }) => part === name)
    const code = readFileSync(join(work, name), 'utf8')
    const map = readFileSync(join(work, `${name}.map`), 'utf8')
    const named = nameFunctions(code, map, positions, (file) => readFileSync(join(ROOT, file), 'utf8'))
    functions.set(
      name,
      named.map(({ file, name }) => `${file.replace(/^src\//, '')} ${name}`.trim()),
    )
  }
  const seen = new Map<string, number>()
  const heap = new Map<string, { part: string; index: number }>()
  for (const { part, address } of listed.functions) {
    const index = seen.get(part) ?? 0
    seen.set(part, index + 1)
    heap.set(address, { part, index })
  }
  const parts = new Map<string, string>()
  for (const [address, symbol] of await symbols(init, /^[rR]$/)) {
    const found = [...functions.keys()].find((name) => symbol === partSymbol(name))
    if (found !== undefined) parts.set(address, found)
  }
  // The first name is the method's own, others are the same by another one.
  const methods = new Map(
    listed.methods
      .toReversed()
      .map(({ address, magic, name }) => [`${places.get(address) ?? ''}/${magic}`, name]),
  )
  return {
    init,
    layout: listed.layout,
    names: { parts, heap, functions, methods },
  }
}

/** As qjsc names the array of a module's bytecode. */
const partSymbol = (name: string): string => `part_${name.replace(/\.js$/, '').replaceAll('-', '_')}`

/** A program's symbols of some types by address, in its order; where there are several, the last. */
async function symbols(file: string, types: RegExp): Promise<Map<string, string>> {
  const lines = (await run('nm', ['--numeric-sort', file])).toString().split('\n')
  const found = new Map<string, string>()
  for (const line of lines) {
    const [address = '', type = '', name = ''] = line.trim().split(/ +/)
    if (types.test(type)) found.set(address.replace(/^0+/, ''), name)
  }
  return found
}

interface Listed {
  readonly functions: readonly { part: string; address: string; line: number; column: number }[]
  readonly methods: readonly { address: string; magic: number; name: string }[]
  readonly layout: string
}

/** What function-list.c tells. */
function parseList(text: string): Listed {
  const parts = new Map<string, string>()
  const functions: { part: string; address: string; line: number; column: number }[] = []
  const methods: { address: string; magic: number; name: string }[] = []
  let layout = ''
  const hex = (address: string): string => address.replace(/^0x/, '')
  for (const row of text.split('\n')) {
    const [kind, ...fields] = row.split(' ')
    const [first = '', second = '', third = '', fourth = ''] = fields
    if (kind === 'part') parts.set(first, second)
    else if (kind === 'layout') layout = fields.map(hex).join(',')
    else if (kind === 'method')
      methods.push({ address: hex(first), magic: Number(second), name: fields.slice(2).join(' ') })
    else if (kind === 'function')
      functions.push({
        part: parts.get(first) ?? '',
        address: hex(second),
        line: Number(third),
        column: Number(fourth),
      })
  }
  return { functions, methods, layout }
}
