/** What the YAML reader's parts share: the nodes, the cursor over the lines, and what any style of text needs. */

import { quote } from '../lib/text.ts'
import { closingQuote, expandEscapes, foldQuoted, isBlank } from './yaml-text.ts'

/** Both from 1, the column in bytes. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface YamlScalar extends Place {
  readonly kind: 'scalar'
  /** Empty for a value that isn't there. What it means (a number, a boolean) is for its reader: yaml-values.ts. */
  readonly text: string
  /** In quotes, a block of its own or tagged as a string: a text whatever it looks like. */
  readonly quoted: boolean
}

export interface YamlList extends Place {
  readonly kind: 'list'
  readonly items: readonly YamlNode[]
}

export interface YamlMapping extends Place {
  readonly kind: 'mapping'
  /** In order; of a key given twice the last. */
  readonly entries: ReadonlyMap<string, YamlEntry>
}

/** A value, with its key's place. */
export interface YamlEntry extends Place {
  readonly value: YamlNode
}

/** Aliases make a graph of them, never a circle. */
export type YamlNode = YamlScalar | YamlList | YamlMapping

/** Real files have 8 levels; an engine's stack has room for a few hundred. */
export const MAX_DEPTH = 48

/** How many nodes aliases may stand for altogether: a "billion laughs" makes millions out of ten lines. */
const MAX_ALIASED = 20_000

/** What a plain text can't begin with. */
const INDICATORS = ',[]{}#&*!|>\'"%@`'

/** Tags that say what a value is anyway. */
const USUAL_TAGS: readonly string[] = ['!!map', '!!seq', '!!int', '!!float', '!!bool', '!!null']

const TAB = 9
const HASH = 35
const DASH = 45

interface Anchor {
  readonly node: YamlNode
  /** Of how many nodes it consists. */
  readonly size: number
}

export interface Reader {
  readonly lines: string[]
  /** Whether there are any tabs, and any comments behind something: mostly not, and then none are looked for. */
  readonly tabs: boolean
  readonly comments: boolean
  /** Neither of both. */
  readonly isSimple: boolean
  readonly anchors: Map<string, Anchor>
  /** The cursor, from 0. At the end of the document the line is empty and the column -1: left of everything. */
  row: number
  column: number
  line: string
  /** Where the colon behind the last plain text or key stands that was looked at; -1: there is none. */
  colon: number
  /** What the last move to another line passed. */
  blankLines: number
  commentLines: number
  /** How many were made so far, those that aliases stand for among them. */
  nodes: number
  aliased: number
  complain(place: Place, message: string): void
}

export const placeOf = (r: Reader): Place => ({ line: r.row + 1, column: r.column + 1 })

/** To the next character on the line that is neither a space nor a tab; its code is returned, NaN at the line's end. */
export function skipBlanks(r: Reader): number {
  let code = r.line.charCodeAt(r.column)
  while (code === 32 || code === TAB) code = r.line.charCodeAt(++r.column)
  return code
}

/** Whether nothing but a comment follows on this line. */
export function isLineDone({ line, column }: Reader): boolean {
  if (column >= line.length) return true
  return line.charCodeAt(column) === HASH && (column === 0 || isBlank(line.charCodeAt(column - 1)))
}

/** Whether white space or the line's end follows the character. */
export const isSeparated = (line: string, at: number): boolean =>
  at + 1 === line.length || isBlank(line.charCodeAt(at + 1))

/** `- `, or `-` at the line's end. */
export const isItem = ({ line, column }: Reader): boolean =>
  line.charCodeAt(column) === DASH && isSeparated(line, column)

/** How many spaces a line begins with. */
export function spaces(r: Reader, line: string): number {
  // Without tabs, nothing else that trimStart takes can begin a line of UTF-8 text.
  if (!r.tabs) return line.length - line.trimStart().length
  let count = 0
  while (line.charCodeAt(count) === 32) count++
  return count
}

/** Moves to the next line with content. */
export function nextLine(r: Reader): void {
  r.blankLines = 0
  r.commentLines = 0
  for (let row = r.row + 1; row < r.lines.length; row++) {
    const line = r.lines[row] ?? ''
    const content = line.trimStart()
    if (content === '') {
      r.blankLines++
    } else if (content.charCodeAt(0) === HASH) {
      r.commentLines++
    } else {
      r.row = row
      r.line = line
      r.column = r.tabs ? spaces(r, line) : line.length - content.length
      return
    }
  }
  toEnd(r)
}

export function toEnd(r: Reader): void {
  r.row = r.lines.length
  r.line = ''
  r.column = -1
}

/** Tells a mistake and leaves it behind: moves to the next line that is not indented by more than `indent`. */
export function broken(r: Reader, indent: number, place: Place, message: string): undefined {
  r.complain(place, message)
  do {
    nextLine(r)
  } while (r.column > indent)
}

export const tooDeep = (r: Reader, indent: number): undefined =>
  broken(r, indent, placeOf(r), `more than ${MAX_DEPTH} levels deep; skipped`)

/** A text at a place that is counted from 0. */
export function scalar(r: Reader, row: number, column: number, text: string, quoted: boolean): YamlScalar {
  r.nodes++
  return { kind: 'scalar', text, quoted, line: row + 1, column: column + 1 }
}

/** Whether a text without quotes can begin at the cursor. */
export function canBeginPlain({ line, column }: Reader): boolean {
  const char = line.charAt(column)
  if (char === '-' || char === '?' || char === ':') return !isSeparated(line, column)
  return !INDICATORS.includes(char)
}

/** A text in quotes; the cursor goes behind it, on its last line. undefined: broken, and left behind. */
export function readQuoted(r: Reader, indent: number): string | undefined {
  const place = placeOf(r)
  const mark = r.line.charAt(r.column) === '"' ? '"' : "'"
  const lines: string[] = []
  let start = r.column + 1
  for (let row = r.row; row < r.lines.length; row++) {
    const line = r.lines[row] ?? ''
    if (row > r.row && spaces(r, line) <= indent && line.trimStart() !== '') break
    const end = closingQuote(line, start, mark)
    lines.push(line.slice(start, end < 0 ? line.length : end))
    if (end >= 0) {
      r.row = row
      r.line = line
      r.column = end + 1
      return unquote(r, place, lines.length === 1 ? (lines[0] ?? '') : foldQuoted(lines, mark), mark)
    }
    start = 0
  }
  return broken(r, indent, place, `no closing ${mark}; skipped`)
}

export function unquote(r: Reader, place: Place, inside: string, mark: '"' | "'"): string {
  if (mark === '"') return expandEscapes(inside, (message) => r.complain(place, message))
  return inside.includes("'") ? inside.split("''").join("'") : inside
}

/** An anchor, an alias or a tag with its sign; the cursor goes behind it. */
export function readWord(r: Reader): string {
  const start = r.column++
  while (r.column < r.line.length && !' \t,[]{}'.includes(r.line.charAt(r.column))) r.column++
  return r.line.slice(start, r.column)
}

/** What the alias at the cursor stands for. */
export function readAlias(r: Reader): YamlNode {
  const { row, column } = r
  const place = placeOf(r)
  const name = readWord(r).slice(1)
  const anchor = r.anchors.get(name)
  if (anchor === undefined) {
    r.complain(place, `no &${name} stands before *${name}; taken as empty`)
  } else if (r.aliased + anchor.size > MAX_ALIASED) {
    r.complain(place, `aliases stand for more than ${MAX_ALIASED} values; *${name} is taken as empty`)
  } else {
    r.aliased += anchor.size
    r.nodes += anchor.size
    return anchor.node
  }
  return scalar(r, row, column, '', false)
}

/**
 * Gives a node its anchor or tag.
 * @param before how many nodes there were before it
 */
export function decorate(r: Reader, place: Place, word: string, node: YamlNode, before: number): YamlNode {
  if (word.startsWith('&')) {
    r.anchors.set(word.slice(1), { node, size: r.nodes - before })
  } else if (word === '!' || word === '!!str') {
    return node.kind === 'scalar' ? { ...node, quoted: true } : node
  } else if (!USUAL_TAGS.includes(word)) {
    r.complain(place, `the tag ${word} is ignored`)
  }
  return node
}

export type Entries = Map<string, YamlEntry>

/** @param row of the key, from 0, as is the column */
export function addEntry(
  r: Reader,
  entries: Entries,
  key: string,
  row: number,
  column: number,
  value: YamlNode,
): void {
  const entry = { line: row + 1, column: column + 1, value }
  if (entries.has(key)) r.complain(entry, `the key ${quote(key)} is given twice; the last one counts`)
  entries.set(key, entry)
}

/** `<<: *defaults`: what a mapping lacks comes from another one, or from several, the first one first. */
export function merge(r: Reader, entries: Entries): void {
  const merged = r.anchors.size === 0 ? undefined : entries.get('<<')?.value
  if (merged === undefined) return
  entries.delete('<<')
  for (const from of merged.kind === 'list' ? merged.items : [merged]) {
    if (from.kind !== 'mapping') {
      r.complain(from, '<< takes a mapping; ignored')
      continue
    }
    for (const [key, entry] of from.entries) if (!entries.has(key)) entries.set(key, entry)
  }
}
