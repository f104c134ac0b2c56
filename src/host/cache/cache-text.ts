/** The cache as a table for people and as JSON for programs. */

import { printable, toByteText } from '../lib/byte-text.ts'
import type { Style } from '../lib/sections.ts'
import { formatSize } from '../lib/size.ts'
import type { ArchiveState } from './archive-state.ts'
import type { CachedRoot } from './cache.ts'
import type { CacheLimit } from './limit.ts'
import { totalOf } from './prune.ts'

const STATES = {
  there: 'unused',
  unknown: 'unused',
  gone: 'archive gone',
  changed: 'archive changed',
} as const satisfies Readonly<Record<ArchiveState, string>>

const COLUMNS = ['NAME', 'SIZE', 'LAST USED', 'STATE', 'ARCHIVE'] as const

/** A byte string. */
export function formatCache(
  roots: readonly CachedRoot[],
  limit: CacheLimit | undefined,
  stateOf: (root: CachedRoot) => ArchiveState,
  style: Style,
  now = Date.now(),
): string {
  const rows = roots.map((root) => [
    printable(toByteText(root.name)),
    formatSize(root.bytes),
    root.users.length > 0 ? 'now' : `${formatAge(now - root.lastUsed.getTime())} ago`,
    root.users.length > 0 ? 'in use' : STATES[stateOf(root)],
    root.archive === undefined ? 'unknown' : printable(toByteText(root.archive)),
  ])
  const widths = COLUMNS.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  const most = limit === undefined ? 'without a limit' : `the limit is ${limit.text}`
  const total = `${count(roots.length, 'root')}, ${formatSize(totalOf(roots))}; ${most}`
  const table = rows.length === 0 ? [] : [style.heading(line(COLUMNS)), ...rows.map(line)]
  return [...table, style.dim(total), ''].join('\n')
}

export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

const AGES: readonly (readonly [seconds: number, noun: string])[] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
]

/** In the largest unit of which there is one. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds / 1000)
  const [size, noun] = AGES.find(([size]) => seconds >= size) ?? [1, 'second']
  return count(Math.floor(seconds / size), noun)
}

/** A line for each root, as docker's `--format json`. */
export const cacheJson = (
  roots: readonly CachedRoot[],
  stateOf: (root: CachedRoot) => ArchiveState,
): string => roots.map((root) => `${JSON.stringify(rootJson(root, stateOf(root)))}\n`).join('')

const rootJson = ({ name, directory, archive, bytes, lastUsed, users }: CachedRoot, state: ArchiveState) => ({
  name,
  directory,
  archive: archive ?? null,
  archiveState: state,
  bytes,
  lastUsed: lastUsed.toISOString(),
  users,
})
