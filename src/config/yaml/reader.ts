/** What the files of the YAML reader share: the nodes, the cursor over the lines, quoted text. */

import { quote } from '../../lib/text.ts'
import { closingQuote, expandEscapes, foldQuoted, isBlank } from './text.ts'

/**
 * A line and a column (in bytes) in one number, both from 0: creating an object costs as much as twenty additions, and
 * most places are never looked at. See `lineOf` and `columnOf`.
 */
export type Place = number

const LINE = 0x10_0000

/** From 1. */
export const lineOf = (place: Place): number => Math.floor(place / LINE) + 1

/** From 1. */
export const columnOf = (place: Place): number => (place % LINE) + 1

/** Text in quotes or in a block of its own: never a number, a boolean or null, whatever it looks like. */
export interface YamlQuoted {
  readonly kind: 'quoted'
  readonly text: string
}

export interface YamlList {
  readonly kind: 'list'
  readonly items: YamlNode[]
  /** Where each item is. */
  readonly places: Place[]
}

export interface YamlMapping {
  readonly kind: 'mapping'
  /** In order; the last value of a duplicate key. */
  readonly entries: Map<string, YamlNode>
  /** Where each key is, in the same order. */
  readonly places: Place[]
}

/**
 * A string is text without quotes, empty where there is no value. Its reader decides what it means (a number, a
 * boolean), see values.ts.
 */
export type YamlNode = string | YamlQuoted | YamlList | YamlMapping

/** Real files have up to 8 levels; the engine's stack has room for a few hundred. */
export const MAX_DEPTH = 48

/** What plain text can't begin with. */
const INDICATORS = ',[]{}#&*!|>\'"%@`\t'

const TAB = 9
const HASH = 35
const DASH = 45

export interface Reader {
  readonly lines: string[]
  /** Whether there are any tabs, and any comments after content: mostly not, and then nothing searches for them. */
  readonly tabs: boolean
  readonly comments: boolean
  /** Neither. */
  readonly isSimple: boolean
  /** The cursor, from 0. At the end of the document the line is empty and the column is -1, left of everything. */
  row: number
  column: number
  line: string
  /** The column of the colon after the last plain text or key; -1: none. */
  colon: number
  /** How many lines the last move to another line passed over. */
  blankLines: number
  commentLines: number
  complain(place: Place, message: string): void
}

export const placeAt = (row: number, column: number): Place => row * LINE + column

export const placeOf = (r: Reader): Place => r.row * LINE + r.column

/** Moves past spaces and tabs. Returns the next character's code, NaN at the end of the line. */
export function skipBlanks(r: Reader): number {
  let code = r.line.charCodeAt(r.column)
  while (code === 32 || code === TAB) code = r.line.charCodeAt(++r.column)
  return code
}

/** Whether the rest of the line is at most a comment. */
export function isLineDone(r: Reader): boolean {
  const line = r.line
  const column = r.column
  if (column >= line.length) return true
  return line.charCodeAt(column) === HASH && (column === 0 || isBlank(line.charCodeAt(column - 1)))
}

/** Whether white space or the end of the line follows the character. */
export const isSeparated = (line: string, at: number): boolean =>
  at + 1 === line.length || isBlank(line.charCodeAt(at + 1))

/** `- `, or `-` at the end of the line. */
export const isItem = (r: Reader): boolean =>
  r.line.startsWith('- ', r.column) || (r.line.charCodeAt(r.column) === DASH && isSeparated(r.line, r.column))

/** How many spaces a line begins with. */
export function spaces(r: Reader, line: string): number {
  // Without tabs, trimStart removes nothing but spaces from a line of UTF-8.
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

/** Reports a mistake and skips it: moves to the next line that is not indented by more than `indent`. */
export function broken(r: Reader, indent: number, place: Place, message: string): undefined {
  r.complain(place, message)
  do {
    nextLine(r)
  } while (r.column > indent)
}

export const tooDeep = (r: Reader, indent: number): undefined =>
  broken(r, indent, placeOf(r), `more than ${MAX_DEPTH} levels deep; skipped`)

export const quoted = (text: string): YamlQuoted => ({ kind: 'quoted', text })

/** Refuses an anchor, an alias or a tag. No host writes them, and without them a document can't be made to explode. */
export function refuseSign(r: Reader, indent: number, sign: string): undefined {
  const what = sign === '&' ? 'anchors' : sign === '*' ? 'aliases' : 'tags'
  return broken(r, indent, placeOf(r), `${what} (${sign}) are not supported; skipped`)
}

/** Whether plain text can begin at the cursor. */
export function canBeginPlain({ line, column }: Reader): boolean {
  const char = line.charAt(column)
  if (char === '-' || char === '?' || char === ':') return !isSeparated(line, column)
  return !INDICATORS.includes(char)
}

/** Quoted text; the cursor moves past it, on its last line. undefined: broken; reported and skipped. */
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

export const newMapping = (): YamlMapping => ({ kind: 'mapping', entries: new Map(), places: [] })

export function addEntry(r: Reader, to: YamlMapping, key: string, place: Place, value: YamlNode): void {
  const { entries, places } = to
  if (key === '<<') {
    r.complain(place, 'merge keys (<<) are not supported; skipped')
    return
  }
  if (entries.has(key)) r.complain(place, `duplicate key ${quote(key)}; the last one counts`)
  else places[places.length] = place
  entries.set(key, value)
}
