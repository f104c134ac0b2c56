/** What the files of the YAML reader share: the nodes, the cursor over the lines, quoted text. */

import { quote } from '../lib/text.ts'
import { closingQuote, expandEscapes, foldQuoted, isBlank } from './yaml-text.ts'

/**
 * A line and a column (in bytes) in one number, both from 0: an interpreter makes an object in the time of twenty
 * additions, and most places are never asked for. See `lineOf` and `columnOf`.
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
  /** In order; of a key given twice the last value. */
  readonly entries: Map<string, YamlNode>
  /** Where each key is, in the same order. */
  readonly places: Place[]
}

/**
 * A string is text without quotes, empty where there is no value: what it means (a number, a boolean) is up to
 * whoever reads the document, see yaml-values.ts.
 */
export type YamlNode = string | YamlQuoted | YamlList | YamlMapping

/** Real files have 8 levels; an engine's stack has room for a few hundred. */
export const MAX_DEPTH = 48

/** What a plain text can't begin with. */
const INDICATORS = ',[]{}#&*!|>\'"%@`\t'

const TAB = 9
const HASH = 35
const DASH = 45

export interface Reader {
  readonly lines: string[]
  /** Whether there are any tabs, and any comments behind something: mostly not, and then none are looked for. */
  readonly tabs: boolean
  readonly comments: boolean
  /** Neither of both. */
  readonly isSimple: boolean
  /** The cursor, from 0. At the end of the document the line is empty and the column -1: left of everything. */
  row: number
  column: number
  line: string
  /** Where the colon behind the last plain text or key stands that was looked at; -1: there is none. */
  colon: number
  /** What the last move to another line passed. */
  blankLines: number
  commentLines: number
  complain(place: Place, message: string): void
}

export const placeAt = (row: number, column: number): Place => row * LINE + column

export const placeOf = (r: Reader): Place => r.row * LINE + r.column

/** To the next character on the line that is neither a space nor a tab; its code is returned, NaN at the line's end. */
export function skipBlanks(r: Reader): number {
  let code = r.line.charCodeAt(r.column)
  while (code === 32 || code === TAB) code = r.line.charCodeAt(++r.column)
  return code
}

/** Whether nothing but a comment follows on this line. */
export function isLineDone(r: Reader): boolean {
  const line = r.line
  const column = r.column
  if (column >= line.length) return true
  return line.charCodeAt(column) === HASH && (column === 0 || isBlank(line.charCodeAt(column - 1)))
}

/** Whether white space or the line's end follows the character. */
export const isSeparated = (line: string, at: number): boolean =>
  at + 1 === line.length || isBlank(line.charCodeAt(at + 1))

/** `- `, or `-` at the line's end. */
export const isItem = (r: Reader): boolean =>
  r.line.startsWith('- ', r.column) || (r.line.charCodeAt(r.column) === DASH && isSeparated(r.line, r.column))

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

export const quoted = (text: string): YamlQuoted => ({ kind: 'quoted', text })

/** Refuses an anchor, an alias or a tag: no host writes them, and a reader without them can't be made to expand them. */
export function refuseSign(r: Reader, indent: number, sign: string): undefined {
  const what = sign === '&' ? 'anchors' : sign === '*' ? 'aliases' : 'tags'
  return broken(r, indent, placeOf(r), `${what} (${sign}) are not supported; skipped`)
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
