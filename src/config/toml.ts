/**
 * TOML 1.1 (https://toml.io/en/v1.1.0) as `/.startup.toml` uses it: tables, dotted keys, all four kinds of strings, arrays and
 * inline tables. Numbers, booleans and dates are told apart and not evaluated; arrays of tables (`[[name]]`) are a problem.
 * Total and bounded: any text gives a table or one problem. Byte strings.
 */

import { isLetterOrDigit } from '../lib/names.ts'
import type { Problem } from '../lib/problem.ts'
import { isSpace, quote, utf8 } from '../lib/text.ts'

/** A value that nobody here evaluates. */
export interface TomlScalar {
  readonly type: 'a boolean' | 'a number' | 'a date'
}

export type TomlValue = string | TomlScalar | readonly TomlValue[] | TomlTable

export interface TomlTable {
  readonly fields: Map<string, TomlValue>
  /**
   * Who may add to it: `header` has a `[header]` of its own, `implied` is the parent of one, `dotted` was made by a dotted key,
   * `inline` is closed.
   */
  defined: 'header' | 'implied' | 'dotted' | 'inline'
}

export type TomlProblem = Pick<Problem, 'line' | 'column' | 'message'>

export type ParsedToml = { readonly table: TomlTable } | { readonly problem: TomlProblem }

/** Arrays and inline tables inside one another; deeper ones would exhaust the stack. */
const MAX_DEPTH = 50

export const isTable = (value: TomlValue | undefined): value is TomlTable =>
  typeof value === 'object' && 'fields' in value

export const isArray = (value: TomlValue | undefined): value is readonly TomlValue[] => Array.isArray(value)

/** The place in the text, and the first problem: every function returns as soon as `problem` is set. */
interface Cursor {
  readonly text: string
  at: number
  problem: TomlProblem | undefined
}

export function parseToml(text: string): ParsedToml {
  const cursor: Cursor = { text, at: 0, problem: undefined }
  const root = newTable('header')
  let current = root
  while (skipBlankLines(cursor) && cursor.problem === undefined) {
    if (peek(cursor) === '[') {
      const opened = readHeader(cursor, root)
      if (opened === undefined) break
      current = opened
    } else {
      readKeyValue(cursor, current, 0)
    }
    endLine(cursor)
  }
  return cursor.problem === undefined ? { table: root } : { problem: cursor.problem }
}

const newTable = (defined: TomlTable['defined']): TomlTable => ({ fields: new Map(), defined })

const peek = ({ text, at }: Cursor): string => text.charAt(at)

/** Keeps the first problem, with its place. */
function fail(cursor: Cursor, message: string, at = cursor.at): undefined {
  if (cursor.problem !== undefined) return undefined
  const before = cursor.text.slice(0, at)
  const lineStart = before.lastIndexOf('\n') + 1
  cursor.problem = { line: before.split('\n').length, column: at - lineStart + 1, message }
  return undefined
}

function skipBlanks(cursor: Cursor): void {
  while (peek(cursor) === ' ' || peek(cursor) === '\t') cursor.at++
}

/** A new line, or a carriage return before one. */
function atLineEnd({ text, at }: Cursor): boolean {
  return text.charAt(at) === '\n' || text.startsWith('\r\n', at)
}

/** From a `#` to the end of its line. */
function skipComment(cursor: Cursor): void {
  if (peek(cursor) !== '#') return
  while (cursor.at < cursor.text.length && !atLineEnd(cursor)) {
    if (isControl(cursor.text.charCodeAt(cursor.at))) {
      fail(cursor, 'a control character in a comment')
      return
    }
    cursor.at++
  }
}

/** Any but the tab. */
const isControl = (code: number): boolean => (code < 0x20 && code !== 9) || code === 0x7f

/** Blanks, comments and line ends. @returns whether there is something after them */
function skipBlankLines(cursor: Cursor): boolean {
  for (;;) {
    skipBlanks(cursor)
    skipComment(cursor)
    if (cursor.problem !== undefined || !atLineEnd(cursor)) return cursor.at < cursor.text.length
    cursor.at++
  }
}

/** Nothing but a comment may follow on the line. */
function endLine(cursor: Cursor): void {
  if (cursor.problem !== undefined) return
  skipBlanks(cursor)
  skipComment(cursor)
  if (cursor.at < cursor.text.length && !atLineEnd(cursor)) {
    fail(cursor, `expected the end of the line, found ${found(cursor)}`)
  }
}

const found = (cursor: Cursor): string =>
  cursor.at >= cursor.text.length
    ? 'the end of the file'
    : atLineEnd(cursor)
      ? 'the end of the line'
      : quote(peek(cursor))

/** `[a.b]`: the table of that name, made if it is new. */
function readHeader(cursor: Cursor, root: TomlTable): TomlTable | undefined {
  const start = cursor.at++
  if (peek(cursor) === '[') return fail(cursor, 'arrays of tables ([[…]]) are not supported', start)
  const path = readKeyPath(cursor)
  if (path === undefined) return undefined
  if (peek(cursor) !== ']') return fail(cursor, `expected ], found ${found(cursor)}`)
  cursor.at++
  let parent = root
  for (const key of path.slice(0, -1)) {
    const child = parent.fields.get(key) ?? addTable(parent, key, 'implied')
    if (!isTable(child) || child.defined === 'inline')
      return fail(cursor, `${quote(key)} is not a table that can be extended`, start)
    parent = child
  }
  const name = path[path.length - 1] ?? ''
  const child = parent.fields.get(name)
  if (child === undefined) return addTable(parent, name, 'header')
  if (!isTable(child) || child.defined !== 'implied')
    return fail(cursor, `${quote(name)} is defined twice`, start)
  child.defined = 'header'
  return child
}

function addTable(parent: TomlTable, key: string, defined: TomlTable['defined']): TomlTable {
  const table = newTable(defined)
  parent.fields.set(key, table)
  return table
}

/** `a.b = value`, into the table. */
function readKeyValue(cursor: Cursor, table: TomlTable, depth: number): void {
  const start = cursor.at
  const path = readKeyPath(cursor)
  if (path === undefined) return
  if (peek(cursor) !== '=') {
    fail(cursor, `expected = after the key, found ${found(cursor)}`)
    return
  }
  cursor.at++
  skipBlanks(cursor)
  const value = readValue(cursor, depth)
  if (value === undefined) return
  let parent = table
  for (const key of path.slice(0, -1)) {
    const child = parent.fields.get(key) ?? addTable(parent, key, 'dotted')
    if (!isTable(child) || child.defined !== 'dotted') {
      fail(cursor, `${quote(key)} is defined twice`, start)
      return
    }
    parent = child
  }
  const name = path[path.length - 1] ?? ''
  if (parent.fields.has(name)) fail(cursor, `${quote(name)} is defined twice`, start)
  else parent.fields.set(name, value)
}

/** Keys with dots between them, and the blanks around them. */
function readKeyPath(cursor: Cursor): string[] | undefined {
  const path: string[] = []
  for (;;) {
    skipBlanks(cursor)
    const key = readKey(cursor)
    if (key === undefined) return undefined
    path.push(key)
    skipBlanks(cursor)
    if (peek(cursor) !== '.') return path
    cursor.at++
  }
}

function readKey(cursor: Cursor): string | undefined {
  const first = peek(cursor)
  if (first === '"') return readBasic(cursor)
  if (first === "'") return readLiteral(cursor)
  const start = cursor.at
  while (isBareKey(cursor.text.charCodeAt(cursor.at))) cursor.at++
  return cursor.at > start
    ? cursor.text.slice(start, cursor.at)
    : fail(cursor, `expected a key, found ${found(cursor)}`)
}

/** A letter, a digit, a hyphen or an underscore. */
const isBareKey = (code: number): boolean => isLetterOrDigit(code) || code === 0x2d || code === 0x5f

function readValue(cursor: Cursor, depth: number): TomlValue | undefined {
  if (depth > MAX_DEPTH) return fail(cursor, `more than ${MAX_DEPTH} arrays and tables inside one another`)
  const { text, at } = cursor
  switch (peek(cursor)) {
    case '"':
      return text.startsWith('"""', at) ? readMultiline(cursor, '"') : readBasic(cursor)
    case "'":
      return text.startsWith("'''", at) ? readMultiline(cursor, "'") : readLiteral(cursor)
    case '[':
      return readArray(cursor, depth)
    case '{':
      return readInlineTable(cursor, depth)
    default:
      return readScalar(cursor)
  }
}

function readArray(cursor: Cursor, depth: number): TomlValue[] | undefined {
  const values: TomlValue[] = []
  cursor.at++
  for (;;) {
    skipBlankLines(cursor)
    if (cursor.problem !== undefined) return undefined
    if (peek(cursor) === ']') break
    const value = readValue(cursor, depth + 1)
    if (value === undefined) return undefined
    values.push(value)
    skipBlankLines(cursor)
    if (cursor.problem !== undefined) return undefined
    if (peek(cursor) === ']') break
    if (peek(cursor) !== ',') return fail(cursor, `expected , or ] in an array, found ${found(cursor)}`)
    cursor.at++
  }
  cursor.at++
  return values
}

function readInlineTable(cursor: Cursor, depth: number): TomlTable | undefined {
  const table = newTable('inline')
  cursor.at++
  for (;;) {
    skipBlankLines(cursor)
    if (cursor.problem !== undefined) return undefined
    if (peek(cursor) === '}') {
      cursor.at++
      break
    }
    readKeyValue(cursor, table, depth + 1)
    if (cursor.problem === undefined) skipBlankLines(cursor)
    if (cursor.problem !== undefined) return undefined
    const next = peek(cursor)
    if (next !== ',' && next !== '}')
      return fail(cursor, `expected , or } in an inline table, found ${found(cursor)}`)
    cursor.at++
    if (next === '}') break
  }
  close(table)
  return table
}

/** Nothing can be added to what dotted keys made inside an inline table. */
function close(table: TomlTable): void {
  table.defined = 'inline'
  table.fields.forEach((value) => {
    if (isTable(value) && value.defined === 'dotted') close(value)
  })
}

/** Whatever is neither text nor a collection: told by its first character, and its characters checked. */
function readScalar(cursor: Cursor): TomlScalar | undefined {
  const { text, at: start } = cursor
  while (isScalar(text.charCodeAt(cursor.at))) cursor.at++
  const word = text.slice(start, cursor.at)
  if (word === '') return fail(cursor, `expected a value, found ${found(cursor)}`)
  if (word === 'true' || word === 'false') return { type: 'a boolean' }
  const unsigned = word.startsWith('+') || word.startsWith('-') ? word.slice(1) : word
  if (unsigned === 'inf' || unsigned === 'nan') return { type: 'a number' }
  const digit = unsigned.charCodeAt(0)
  if (!(digit >= 0x30 && digit <= 0x39))
    return fail(cursor, `${quote(word)} is not a value; text needs quotes`, start)
  const isDate = word.indexOf('-') === 4 || word.indexOf(':') === 2
  if (!isDate) return { type: 'a number' }
  // A blank may stand between date and time.
  if (word.length === 10 && peek(cursor) === ' ' && text.charAt(cursor.at + 3) === ':') {
    cursor.at++
    while (isScalar(text.charCodeAt(cursor.at))) cursor.at++
  }
  return { type: 'a date' }
}

/** What numbers, booleans and dates are made of: a bare key's characters, and `+ . :`. */
const isScalar = (code: number): boolean => isBareKey(code) || code === 0x2b || code === 0x2e || code === 0x3a

/** `'text'`, in which nothing is special. */
function readLiteral(cursor: Cursor): string | undefined {
  const start = cursor.at
  const end = cursor.text.indexOf("'", start + 1)
  const content = end < 0 ? undefined : cursor.text.slice(start + 1, end)
  if (content === undefined || content.includes('\n')) return fail(cursor, "no closing ' on this line", start)
  if (!checkCharacters(cursor, start + 1, end)) return undefined
  cursor.at = end + 1
  return content
}

/** `"text"`, with escapes. */
function readBasic(cursor: Cursor): string | undefined {
  const start = cursor.at
  const end = closing(cursor.text, start + 1, '"')
  const content = end < 0 ? undefined : cursor.text.slice(start + 1, end)
  if (content === undefined || content.includes('\n')) return fail(cursor, 'no closing " on this line', start)
  if (!checkCharacters(cursor, start + 1, end)) return undefined
  const expanded = expand(cursor, start + 1, end, false)
  cursor.at = end + 1
  return expanded
}

/** Where the quotes stand that no backslash takes the meaning of; -1: nowhere. */
function closing(text: string, from: number, quotes: string): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x5c) at++
    else if (code === 0x22 && text.startsWith(quotes, at)) return at
  }
  return -1
}

/** Text between three quotes on either side, over several lines; a line end right after the first three is left out. */
function readMultiline(cursor: Cursor, mark: '"' | "'"): string | undefined {
  const { text, at: start } = cursor
  const quotes = mark + mark + mark
  let from = start + 3
  let end = mark === '"' ? closing(text, from, quotes) : text.indexOf(quotes, from)
  if (end < 0) return fail(cursor, `no closing ${quotes}`, start)
  // Up to two quotes more belong to the text.
  for (let extra = 0; extra < 2 && text.charAt(end + 3) === mark; extra++) end++
  if (!checkCharacters(cursor, from, end)) return undefined
  if (text.startsWith('\r\n', from)) from += 2
  else if (text.charAt(from) === '\n') from++
  const content = mark === '"' ? expand(cursor, from, end, true) : text.slice(from, end)
  cursor.at = end + 3
  return content
}

/** A control character, but for tabs and line ends, is not allowed in text. */
function checkCharacters(cursor: Cursor, from: number, to: number): boolean {
  const { text } = cursor
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (!isControl(code) || code === 10 || text.startsWith('\r\n', at)) continue
    fail(cursor, 'a control character in a text; write it as \\u00XX', at)
    return false
  }
  return true
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
  e: '\x1b',
  '"': '"',
  '\\': '\\',
}

/** How many hexadecimal digits follow. */
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** The text with what its backslashes stand for. */
function expand(cursor: Cursor, from: number, to: number, isMultiline: boolean): string | undefined {
  const { text } = cursor
  // Searched by itself: up to the end of the file each time would be quadratic.
  const content = text.slice(from, to)
  let expanded = ''
  for (let at = from; at < to; ) {
    const found = content.indexOf('\\', at - from)
    if (found < 0) return expanded + text.slice(at, to)
    const slash = from + found
    expanded += text.slice(at, slash)
    const letter = text.charAt(slash + 1)
    const digits = Object.hasOwn(DIGITS, letter) ? (DIGITS[letter] ?? 0) : 0
    const joined = isMultiline ? lineJoin(text, slash + 1, to) : 0
    if (joined > 0) {
      at = joined
    } else if (digits > 0) {
      const point = codePoint(text.slice(slash + 2, Math.min(to, slash + 2 + digits)), digits)
      if (point === undefined)
        return fail(cursor, `\\${letter} needs ${digits} digits of a Unicode character`, slash)
      expanded += utf8(point)
      at = slash + 2 + digits
    } else {
      if (!Object.hasOwn(ESCAPES, letter))
        return fail(cursor, `${quote(`\\${letter}`)} is not an escape`, slash)
      expanded += ESCAPES[letter] ?? ''
      at = slash + 2
    }
  }
  return expanded
}

/** A backslash at a line's end takes all white space up to the next text. @returns where that begins, or 0 */
function lineJoin(text: string, from: number, to: number): number {
  let at = from
  let hasLineEnd = false
  while (at < to && isSpace(text.charAt(at))) {
    if (text.charAt(at) === '\n') hasLineEnd = true
    // Only blanks may stand before the first line end.
    else if (!hasLineEnd && text.charAt(at) === '\r' && text.charAt(at + 1) !== '\n') return 0
    at++
  }
  return hasLineEnd ? at : 0
}

/** A Unicode scalar value of exactly that many hexadecimal digits. */
function codePoint(digits: string, length: number): number | undefined {
  if (digits.length !== length) return undefined
  let value = 0
  for (let at = 0; at < length; at++) {
    const digit = '0123456789abcdef'.indexOf(digits.charAt(at).toLowerCase())
    if (digit < 0) return undefined
    value = value * 16 + digit
  }
  return value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? undefined : value
}
