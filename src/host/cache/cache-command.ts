/** `zmachine cache`: shows and removes the roots that archives were unpacked to. */

import type { Readable } from 'node:stream'
import { toBytes } from '../lib/byte-text.ts'
import { readline } from '../lib/lazy.ts'
import type { Output } from '../lib/output.ts'
import { COLOURS, PLAIN } from '../lib/sections.ts'
import { formatSize, readSize } from '../lib/size.ts'
import { didYouMean, parseOptions, readFormat, UsageError } from '../lib/usage.ts'
import { type ArchiveState, archiveState } from './archive-state.ts'
import { type CachedRoot, cachedRoots, openCache, removeRoot } from './cache.ts'
import { cacheJson, count, formatCache } from './cache-text.ts'
import { cacheLimit } from './limit.ts'
import { rootsToRemove, totalOf } from './prune.ts'

export const CACHE_HELP = `zmachine cache: the roots that archives were unpacked to

  zmachine cache ls [--format json]
  zmachine cache prune [--all] [--keep-storage SIZE] [--force] [--format json]

zmachine run and zmachine inspect unpack an archive once, and what the container writes stays in
that root, below \${XDG_CACHE_HOME:-~/.cache}/zmachine/roots. ls lists them, the longest unused
first. prune removes those that no run will find again, since their archive is gone or has changed,
together with what containers wrote there. A root in use is never removed.

After each run the longest unused roots are removed until the cache is not larger than 10G; the one
just used stays. ZMACHINE_CACHE_LIMIT sets another limit, such as 20G, or 0 for none. Data that has
to last belongs on a --volume or a --disk.

Options of prune
  -a, --all                all roots that are not in use
      --keep-storage SIZE  stops as soon as the cache is not larger than this
  -f, --force              asks no question; needed if stdin is not a terminal

Options of both
      --format json        a JSON document for each root: all for ls, what was removed for prune
      --format table       for people (default)
  -h, --help               this text

Exit code
  0  done
  1  the question was answered with no
  2  wrong usage

Examples
  zmachine cache ls
  zmachine cache prune --all --keep-storage 2G
  zmachine cache ls --format json | jq -r 'select(.users == []) | .directory'
`

const FORMAT = { format: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const

const PRUNE_OPTIONS = {
  all: { type: 'boolean', short: 'a' },
  'keep-storage': { type: 'string' },
  force: { type: 'boolean', short: 'f' },
  ...FORMAT,
} as const

const HINT = 'zmachine cache --help'

export interface CacheOutput extends Output {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Where the question goes. */
  readonly errors: (text: string) => void
}

/** @returns the exit code; throws a UsageError for 2 */
export async function cacheCommand(
  [command, ...args]: readonly string[],
  output: CacheOutput,
): Promise<number> {
  if (command === 'ls') return list(args, output)
  if (command === 'prune') return prune(args, output)
  if (command === '--help' || command === '-h') return help(output)
  if (command === undefined) throw new UsageError('ls or prune is missing', HINT)
  throw new UsageError(
    `unknown command ${JSON.stringify(command)}${didYouMean(command, ['ls', 'prune'])}`,
    HINT,
  )
}

function help(output: Output): number {
  output.write(Buffer.from(CACHE_HELP))
  return 0
}

async function list(args: readonly string[], output: Output): Promise<number> {
  const values = parseOptions('zmachine cache ls', args, FORMAT)
  if (values.help === true) return help(output)
  const isJson = readFormat(values.format) === 'json'
  const { roots, stateOf } = await readCache()
  const style = output.colours ? COLOURS : PLAIN
  const text = isJson ? cacheJson(roots, stateOf) : formatCache(roots, cacheLimit(), stateOf, style)
  output.write(toBytes(text))
  return 0
}

async function prune(args: readonly string[], output: CacheOutput): Promise<number> {
  const values = parseOptions('zmachine cache prune', args, PRUNE_OPTIONS)
  if (values.help === true) return help(output)
  const isJson = readFormat(values.format) === 'json'
  const keep = readKept(values['keep-storage'])
  const { roots, stateOf } = await readCache()
  const isLost = (root: CachedRoot): boolean => ['gone', 'changed'].includes(stateOf(root))
  const chosen = rootsToRemove(roots, { mayGo: values.all === true ? () => true : isLost, keep })
  if (chosen.length > 0 && values.force !== true && !(await agrees(chosen, output))) return 1
  const removed = chosen.filter(({ name }) => removeRoot(name))
  output.write(toBytes(isJson ? cacheJson(removed, stateOf) : formatRemoved(removed)))
  return 0
}

async function readCache() {
  openCache()
  const roots = cachedRoots()
  const states = new Map<CachedRoot, ArchiveState>()
  for (const root of roots) states.set(root, await archiveState(root))
  return { roots, stateOf: (root: CachedRoot): ArchiveState => states.get(root) ?? 'unknown' }
}

function readKept(text: string | undefined): number {
  if (text === undefined || text === '0') return 0
  const size = readSize(text)
  if (size !== undefined) return size
  throw new UsageError(`--keep-storage ${JSON.stringify(text)} is not a size`, '--keep-storage 2G')
}

async function agrees(roots: readonly CachedRoot[], { stdin, errors }: CacheOutput): Promise<boolean> {
  if (stdin.isTTY !== true) {
    throw new UsageError('cannot ask: stdin is not a terminal', 'zmachine cache prune --force')
  }
  errors(
    `This removes ${count(roots.length, 'root')} (${formatSize(totalOf(roots))}), and what containers wrote there:\n`,
  )
  errors(roots.map(({ name }) => `  ${name}\n`).join(''))
  errors('Remove them? [y/N] ')
  const terminal = readline().createInterface({ input: stdin })
  try {
    const { value } = await terminal[Symbol.asyncIterator]().next()
    return /^y(es)?$/i.test(String(value ?? '').trim())
  } finally {
    terminal.close()
  }
}

const formatRemoved = (roots: readonly CachedRoot[]): string =>
  [
    ...roots.map(({ name, bytes }) => `removed ${name} (${formatSize(bytes)})\n`),
    `Total reclaimed space: ${formatSize(totalOf(roots))}\n`,
  ].join('')
