/** YAML's flow collections: `[a, "b", {c: d}]`, on one line or several. */

import {
  addEntry,
  broken,
  canBeginPlain,
  isLineDone,
  MAX_DEPTH,
  newMapping,
  nextLine,
  type Place,
  placeOf,
  quoted,
  type Reader,
  readQuoted,
  refuseSign,
  skipBlanks,
  tooDeep,
  type YamlList,
  type YamlNode,
} from './reader.ts'
import { isBlank, trimEnd } from './text.ts'

/**
 * The list or mapping at the cursor, which moves past its closing bracket.
 * @param indent the parent's indentation: its lines are indented further
 * @returns undefined if it is broken: reported and skipped
 */
export function readFlow(r: Reader, indent: number, depth: number): YamlNode | undefined {
  if (depth > MAX_DEPTH) return tooDeep(r, indent)
  const open = placeOf(r)
  const isList = r.line.startsWith('[', r.column)
  const close = isList ? ']' : '}'
  const list: YamlList = { kind: 'list', items: [], places: [] }
  const mapping = newMapping()
  r.column++
  for (;;) {
    if (!skip(r, indent, open)) return undefined
    if (isAt(r, close)) break
    const at = placeOf(r)
    const { row } = r
    const item = readItem(r, indent, depth, open)
    if (item === undefined || !skip(r, indent, open)) return undefined
    const isPair = isAt(r, ':')
    if (isPair && isList && r.row > row)
      return broken(
        r,
        indent,
        at,
        'a key and its colon must be on one line, or a closing bracket is missing; skipped',
      )
    const value = isPair ? readValue(r, indent, depth, open) : ''
    if (value === undefined) return undefined
    const key = typeof item === 'string' ? item : item.kind === 'quoted' ? item.text : undefined
    let member = item
    if (isPair || !isList) {
      if (key === undefined) return broken(r, indent, at, 'a key must be text; skipped')
      // `[key: value]` is a list of small mappings.
      const into = isList ? newMapping() : mapping
      addEntry(r, into, key, at, value)
      member = into
    }
    if (isList) {
      list.items.push(member)
      list.places.push(at)
    }
    if (isAt(r, ',')) r.column++
    else if (!isAt(r, close)) return broken(r, indent, placeOf(r), `expected a comma or ${close}; skipped`)
  }
  r.column++
  return isList ? list : mapping
}

const isAt = (r: Reader, char: string): boolean => r.line.startsWith(char, r.column)

/** Moves to the next character that matters, on any line. False: the collection is not closed, which is a problem. */
function skip(r: Reader, indent: number, open: Place): boolean {
  skipBlanks(r)
  if (!isLineDone(r)) return true
  nextLine(r)
  const start = r.column
  skipBlanks(r)
  // Strictly, a closing bracket would have to be indented as well, but hardly anyone does that.
  if (start > indent || (start >= 0 && (isAt(r, ']') || isAt(r, '}')))) return true
  r.column = start
  r.complain(open, 'no closing bracket; skipped')
  return false
}

/** The value after the colon at the cursor. */
function readValue(r: Reader, indent: number, depth: number, open: Place): YamlNode | undefined {
  r.column++
  if (!skip(r, indent, open)) return undefined
  const isMissing = isAt(r, ',') || isAt(r, ']') || isAt(r, '}')
  const value = isMissing ? '' : readItem(r, indent, depth, open)
  return value !== undefined && skip(r, indent, open) ? value : undefined
}

function readItem(r: Reader, indent: number, depth: number, open: Place): YamlNode | undefined {
  switch (r.line.charAt(r.column)) {
    case '[':
    case '{':
      return readFlow(r, indent, depth + 1)
    case '*':
    case '&':
    case '!':
      return refuseSign(r, indent, r.line.charAt(r.column))
    case '"':
    case "'": {
      const text = readQuoted(r, indent)
      return text === undefined ? undefined : quoted(text)
    }
  }
  return readPlain(r, indent, open)
}

/** Plain text, which ends at a comma, a bracket, a colon before white space or an indicator, or a comment. */
function readPlain(r: Reader, indent: number, open: Place): YamlNode | undefined {
  const { column } = r
  // `-` and `?` are text unless an indicator follows them.
  const isBare = '-?'.includes(r.line.charAt(column)) && isIndicator(r.line.charAt(column + 1))
  let end = canBeginPlain(r) && !isBare ? plainEnd(r) : column
  if (end === column)
    return broken(r, indent, placeOf(r), `expected a value before ${r.line.charAt(end)}; skipped`)
  const pieces = [trimEnd(r.line.slice(column, end))]
  r.column = end
  while (r.column === r.line.length) {
    if (!skip(r, indent, open)) return undefined
    if (r.commentLines > 0) break
    end = plainEnd(r)
    if (end === r.column) break
    pieces.push(r.blankLines > 0 ? '\n'.repeat(r.blankLines) : ' ', trimEnd(r.line.slice(r.column, end)))
    r.column = end
  }
  return pieces.join('')
}

function plainEnd({ line, column }: Reader): number {
  let at = column
  for (; at < line.length; at++) {
    const char = line.charAt(at)
    if (isIndicator(char)) break
    if (char === ':' && isEndOfKey(line.charAt(at + 1))) break
    if (char === '#' && at > column && isBlank(line.charCodeAt(at - 1))) break
  }
  return at
}

const isIndicator = (char: string): boolean =>
  char === ',' || char === '[' || char === ']' || char === '{' || char === '}'

const isEndOfKey = (next: string): boolean =>
  next === '' || next === ' ' || next === '\t' || isIndicator(next)
