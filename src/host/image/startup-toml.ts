/**
 * `/.startup.toml` of a root, which a zos host reads for the entrypoint and the variables of an image: the hub writes
 * it when it makes an flist of a Docker image. By `fListStartup` of threefoldtech/zosbase, pkg/primitives/vm/utils.go;
 * TOML as github.com/BurntSushi/toml decodes it into the structures there:
 *
 *     [startup.entry]
 *     name = "core.system"             # or core.base
 *     [startup.entry.args]
 *     name = "/sbin/zinit"
 *     args = ["init"]
 *     dir  = "/"
 *     env  = { LANG = "C.UTF-8" }
 *
 * What a deployment says is stronger. The newest hosts copy the deployment's entrypoint before they read the file
 * (zosbase, pkg/primitives/vm/vm.go), so that only its variables arrive there; here both do, as they were meant to.
 */

import { parse, TomlError } from 'smol-toml'
import { splitWords } from '../../config/shlex.ts'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import type { Problem } from '../../lib/problem.ts'
import { quote } from '../../lib/text.ts'
import { fromByteText, toByteText } from '../lib/byte-text.ts'

export const STARTUP_PATH = '/.startup.toml'

/** Byte strings, as in the rest of the launcher. */
export interface Entrypoint {
  readonly command: string
  readonly args: readonly string[]
}

export interface Startup {
  /** undefined: the file names none that a zos host takes. */
  readonly entrypoint?: Entrypoint
  /** Given, and not used by a zos host: it has no way to tell a virtual machine. */
  readonly dir?: string
  /** A deployment's own variables go before these. */
  readonly environment: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
  /** Whether a zos host would not deploy with this file, for one of the problems. */
  readonly refused: boolean
}

/**
 * Total: any text ends in data and problems.
 * @param text the file as a byte string, at most 1 MB of it
 */
export function readStartup(text: string): Startup {
  const parsed = parseToml(text)
  if ('message' in parsed) {
    return { environment: new Map(), problems: [{ source: STARTUP_PATH, ...parsed }], refused: true }
  }
  const problems: Problem[] = []
  const complain = (message: string): unknown => problems.push({ source: STARTUP_PATH, message })
  const startup = tableOf(parsed.table, 'startup', 'startup', complain)
  // All services are decoded, and one of a wrong type is enough, though only one service is used.
  const entries = new Map(Object.keys(startup).map((name) => [name, readEntry(startup, name, complain)]))
  const mistyped = problems.length > 0
  const entry = entries.get('entry')
  if (entry === undefined) {
    if (!mistyped) complain('there is no [startup.entry], and a zos host reads nothing else')
    return { environment: new Map(), problems, refused: mistyped }
  }
  const environment = variables(entry.env, complain)
  const { entrypoint, problem } = entrypointOf(entry, complain)
  return {
    ...(entrypoint !== undefined && { entrypoint }),
    ...(entry.dir !== '' && { dir: entry.dir }),
    environment,
    problems,
    refused: mistyped || problem !== undefined,
  }
}

interface Entry {
  readonly kind: string
  readonly name: string
  readonly args: readonly string[]
  readonly env: ReadonlyMap<string, string>
  readonly dir: string
}

type Table = Readonly<Record<string, unknown>>

type Place = Pick<Problem, 'line' | 'column' | 'message'>

function parseToml(text: string): { readonly table: Table } | Place {
  if (text.length > MAX_FILE_SIZE) return { message: 'larger than 1 MB; not read' }
  const decoded = fromByteText(text)
  if (decoded === undefined) return { message: 'not UTF-8, which TOML has to be' }
  try {
    // Nesting is bounded, for the parser descends into it; any number is fine, since none is used.
    return { table: parse(decoded, { maxDepth: 100, integersAsBigInt: 'asNeeded' }) }
  } catch (error) {
    return placeOf(error, decoded)
  }
}

function placeOf(error: unknown, text: string): Place {
  if (!(error instanceof TomlError)) return { message: `no TOML: ${String(error)}` }
  const { line, column, message } = error
  const before = text.split('\n')[line - 1]?.slice(0, column - 1) ?? ''
  // The parser's own text goes on with an excerpt of the file.
  const [what = ''] = message.replace('Invalid TOML document: ', '').split('\n')
  return { line, column: Buffer.byteLength(before) + 1, message: `no TOML: ${toByteText(what)}` }
}

/** Told what is wrong; whoever tells goes on with an empty value. */
type Complain = (message: string) => unknown

/** One service, with the types that the host's structures want. */
function readEntry(entries: Table, key: string, complain: Complain): Entry {
  const path = `startup.${shownKey(key)}`
  const entry = tableOf(entries, key, path, complain)
  const args = tableOf(entry, 'args', `${path}.args`, complain)
  const env = tableOf(args, 'env', `${path}.args.env`, complain)
  return {
    kind: stringOf(field(entry, 'name'), `${path}.name`, complain),
    name: stringOf(field(args, 'name'), `${path}.args.name`, complain),
    dir: stringOf(field(args, 'dir'), `${path}.args.dir`, complain),
    args: stringsOf(field(args, 'args'), `${path}.args.args`, complain),
    env: new Map(
      Object.entries(env).map(([name, value]) => [
        toByteText(name),
        stringOf(value, `${path}.args.env.${shownKey(name)}`, complain),
      ]),
    ),
  }
}

function tableOf(parent: Table, key: string, path: string, complain: Complain): Table {
  const value = field(parent, key)
  if (value === undefined) return {}
  if (isTable(value)) return value
  complain(mistyped(path, value, 'a table'))
  return {}
}

function stringOf(value: unknown, path: string, complain: Complain): string {
  if (typeof value === 'string') return toByteText(value)
  if (value !== undefined) complain(mistyped(path, value, 'a string'))
  return ''
}

function stringsOf(value: unknown, path: string, complain: Complain): string[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value.map((item, index) => stringOf(item, `${path}[${index}]`, complain))
  complain(mistyped(path, value, 'an array of strings'))
  return []
}

const mistyped = (path: string, value: unknown, wanted: string): string =>
  `${path} is ${typeName(value)}, and must be ${wanted}; a zos host refuses the file`

/** A field of a structure is found whatever the case of its letters; one written alike goes before. */
function field(table: Table, name: string): unknown {
  if (Object.hasOwn(table, name)) return table[name]
  const key = Object.keys(table).find((each) => each.toLowerCase() === name.toLowerCase())
  return key === undefined ? undefined : table[key]
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (isTable(value)) return 'a table'
  if (typeof value === 'object') return 'a date'
  return { string: 'a string', boolean: 'a boolean' }[typeof value as string] ?? 'a number'
}

/** As far as a problem may show it. */
const shownKey = (key: string): string =>
  /^[\w-]{1,60}$/.test(key) ? key : `"${quote(toByteText(key)).slice(1, -1)}"`

/** Variables that an environment can hold: execve(2) ends them at a NUL, and a name at its `=`. */
function variables(env: ReadonlyMap<string, string>, complain: Complain): Map<string, string> {
  const good = new Map<string, string>()
  for (const [name, value] of env) {
    if (name === '' || name.includes('=') || name.includes('\0') || value.includes('\0')) {
      complain(`${quote(name)} can't be a variable: its name is empty or has a =, or a NUL is in it; skipped`)
    } else good.set(name, value)
  }
  return good
}

/** `Entrypoint()` of the host's `entry`, and what the host then makes of that text. */
function entrypointOf(entry: Entry, complain: Complain): Split {
  if (entry.kind !== 'core.system' && entry.kind !== 'core.base') {
    complain(
      `startup.entry.name is ${quote(entry.kind)}: a zos host takes an entrypoint of core.system and core.base only`,
    )
    return {}
  }
  if (entry.kind === 'core.base' && entry.name === '') return {}
  const quoted = entry.args.map((arg) => ` "${arg.replaceAll('"', '\\"')}"`)
  const split = splitEntrypoint(entry.name + quoted.join(''))
  if (split.problem !== undefined) {
    complain(`the entrypoint: ${split.problem}; a zos host refuses it`)
    return split
  }
  const words = split.entrypoint === undefined ? [] : [split.entrypoint.command, ...split.entrypoint.args]
  const arrived = words.slice(-entry.args.length)
  entry.args.forEach((arg, index) => {
    const becomes = arrived[index] ?? ''
    if (becomes === arg) return
    complain(
      `startup.entry.args.args[${index}] ${quote(arg)} arrives as ${quote(becomes)}: a zos host loses backslashes`,
    )
  })
  return split
}

export interface Split {
  /** undefined: there is no word in it, or there is a problem. */
  readonly entrypoint?: Entrypoint
  /** Why the host would refuse it. */
  readonly problem?: string
}

/** An entrypoint and its arguments in one text, as a zos host splits it. */
export function splitEntrypoint(text: string): Split {
  const { words, problem } = splitWords(text)
  if (problem !== undefined) return { problem }
  const [command, ...args] = words
  return command === undefined ? {} : { entrypoint: { command, args } }
}
