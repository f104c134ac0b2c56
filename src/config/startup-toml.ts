/**
 * `/.startup.toml` of the root: the entrypoint and variables of an image that a hub converted from Docker's. Hosts read it too, but
 * today's lose its entrypoint, so an image whose deployment does not repeat the command would boot /sbin/init.
 *
 *     [startup.entry]
 *     name = "core.system"             # or core.base; anything else means: no entrypoint
 *     [startup.entry.args]
 *     name = "/docker-entrypoint.sh"   # a path, or a name for PATH; more words are arguments
 *     args = ["nginx", "-g", "daemon off;"]
 *     dir  = "/srv"
 *     [startup.entry.args.env]
 *     LANG = "C.UTF-8"
 *
 * As `fListStartup` of threefoldtech/zosbase has it (pkg/primitives/vm/utils.go): fields are found whatever the case of their letters.
 */

import { type Problem, report } from '../lib/problem.ts'
import { quote } from '../lib/text.ts'
import type { Parsed } from './keys.ts'
import { splitWords } from './shlex.ts'
import { isArray, isTable, parseToml, type TomlTable, type TomlValue } from './toml.ts'

type Complain = (message: string) => unknown

/**
 * @param text the file as a byte string
 * @param isDirectory whether the root has this directory
 */
export function parseStartup(text: string, isDirectory: (path: string) => boolean): Parsed {
  const problems: Problem[] = []
  const source = '/.startup.toml'
  const parsed = parseToml(text)
  if ('problem' in parsed) {
    const { message } = parsed.problem
    report(problems, { source, ...parsed.problem, message: `${message}; the file is ignored` })
    return { layer: { source }, problems }
  }
  const complain: Complain = (message) => report(problems, { source, message })
  const startup = tableAt(parsed.table, 'startup', 'startup', complain)
  const entry = tableAt(startup, 'entry', 'startup.entry', complain)
  const args = tableAt(entry, 'args', 'startup.entry.args', complain)
  const environment = variables(tableAt(args, 'env', 'startup.entry.args.env', complain), complain)
  const command = commandOf(entry, args, complain)
  const [init, ...rest] = command
  const cwd = directoryOf(args, isDirectory, complain)
  return {
    layer: {
      source,
      environment,
      ...(init !== undefined && { init, args: rest }),
      ...(cwd !== undefined && { settings: { cwd } }),
    },
    problems,
  }
}

/** The entrypoint and its arguments; empty where there is none. */
function commandOf(entry: TomlTable | undefined, args: TomlTable | undefined, complain: Complain): string[] {
  if (entry === undefined) {
    complain('there is no [startup.entry], and so no entrypoint')
    return []
  }
  const kind = textAt(entry, 'name', 'startup.entry.name', complain)
  if (kind !== 'core.system' && kind !== 'core.base') {
    complain(`startup.entry.name is ${quote(kind)}; only core.system and core.base name an entrypoint`)
    return []
  }
  const { words, problem } = splitWords(textAt(args, 'name', 'startup.entry.args.name', complain))
  if (problem !== undefined) {
    complain(`startup.entry.args.name: ${problem}; there is no entrypoint`)
    return []
  }
  if (words.length === 0 && kind === 'core.base') return []
  const rest = textsAt(args, complain)
  return rest === undefined ? [] : [...words, ...rest]
}

function directoryOf(
  args: TomlTable | undefined,
  isDirectory: (path: string) => boolean,
  complain: Complain,
): string | undefined {
  const path = textAt(args, 'dir', 'startup.entry.args.dir', complain)
  if (path === '' || path === '/') return undefined
  if (path.startsWith('/') && !path.includes('\0') && isDirectory(path)) return path
  // Hosts ignore it, so an image that boots today must go on doing so.
  complain(
    `startup.entry.args.dir: ${quote(path)} is not a directory of the root; the entrypoint starts in /`,
  )
  return undefined
}

/** Variables that an environment can hold: execve(2) ends them at a NUL, and a name at its `=`. */
function variables(env: TomlTable | undefined, complain: Complain): Map<string, string> {
  const good = new Map<string, string>()
  env?.fields.forEach((value, name) => {
    if (typeof value !== 'string') {
      complain(mistyped(`startup.entry.args.env.${quote(name)}`, value, 'a string'))
    } else if (name === '' || name.includes('=') || name.includes('\0') || value.includes('\0')) {
      complain(
        `${quote(name)} can't be a variable: its name is empty or contains =, or it contains a NUL; skipped`,
      )
    } else good.set(name, value)
  })
  return good
}

function tableAt(
  parent: TomlTable | undefined,
  key: string,
  path: string,
  complain: Complain,
): TomlTable | undefined {
  const value = field(parent, key)
  if (value === undefined || isTable(value)) return value
  complain(mistyped(path, value, 'a table'))
  return undefined
}

function textAt(table: TomlTable | undefined, key: string, path: string, complain: Complain): string {
  const value = field(table, key)
  if (typeof value === 'string') return value
  if (value !== undefined) complain(mistyped(path, value, 'a string'))
  return ''
}

/** `args`: all of them or undefined, since an entrypoint with half of its arguments does something else. */
function textsAt(args: TomlTable | undefined, complain: Complain): string[] | undefined {
  const path = 'startup.entry.args.args'
  const value = field(args, 'args')
  if (value === undefined) return []
  if (!isArray(value)) {
    complain(mistyped(path, value, 'an array of strings', 'there is no entrypoint'))
    return undefined
  }
  const texts: string[] = []
  value.forEach((item, index) => {
    if (typeof item === 'string') texts.push(item)
    else complain(mistyped(`${path}[${index}]`, item, 'a string', 'there is no entrypoint'))
  })
  return texts.length === value.length ? texts : undefined
}

const mistyped = (path: string, value: TomlValue, wanted: string, consequence = 'skipped'): string =>
  `${path} is ${typeName(value)}, not ${wanted}; ${consequence}`

function typeName(value: TomlValue): string {
  if (typeof value === 'string') return 'a string'
  if (isTable(value)) return 'a table'
  return isArray(value) ? 'an array' : value.type
}

/** A field, whatever the case of its letters; one written exactly so goes first. */
function field(table: TomlTable | undefined, name: string): TomlValue | undefined {
  const exact = table?.fields.get(name)
  if (table === undefined || exact !== undefined) return exact
  let found: TomlValue | undefined
  table.fields.forEach((value, key) => {
    if (found === undefined && key.toLowerCase() === name) found = value
  })
  return found
}
