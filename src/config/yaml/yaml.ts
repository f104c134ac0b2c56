/**
 * The YAML that configuration files are written in (a part of YAML 1.2.2): mappings, lists and text in every style; the
 * first document of a file. Anchors, aliases, tags, merge keys, and keys that are not text are problems, and so is
 * whatever would have to be guessed.
 *
 * Our own, since no library fits: js-yaml 5 takes 18 million instructions for one network-config, mostly for its regular
 * expressions, three times as many as a whole boot. This one takes 1.3 million for all files of a seed: it works on
 * lines and lets the engine's string functions search for where text ends, so that little is interpreted for each
 * character.
 *
 * It never throws, takes time in proportion to the text, and continues after a mistake: what is broken is left out, up
 * to the next line that is not indented further.
 */

import { type Problem, report } from '../../lib/problem.ts'
import { quote } from '../../lib/text.ts'
import { readFlow } from './flow.ts'
import {
  addEntry,
  broken,
  canBeginPlain,
  columnOf,
  isItem,
  isLineDone,
  isSeparated,
  lineOf,
  MAX_DEPTH,
  newMapping,
  nextLine,
  type Place,
  placeAt,
  placeOf,
  quoted,
  type Reader,
  readQuoted,
  refuseSign,
  skipBlanks,
  spaces,
  toEnd,
  tooDeep,
  unquote,
  type YamlNode,
} from './reader.ts'
import { closingQuote, foldBlock, isBlank, trimEnd } from './text.ts'

const NO_TABS = 'tabs cannot indent; skipped'

const SPACE = 32
const PLUS = 43
const DASH = 45
const COLON = 58

export interface YamlDocument {
  readonly root: YamlNode
  readonly problems: readonly Problem[]
  /** Adds a problem that the document's user found. */
  complain(place: Place, message: string): void
}

/**
 * The first document of a file.
 * @param text a byte string, UTF-8
 * @param source the file's name, for the problems
 */
export function parseYaml(text: string, source: string): YamlDocument {
  const problems: Problem[] = []
  const complain = (place: Place, message: string): void => {
    report(problems, { source, line: lineOf(place), column: columnOf(place), message })
  }
  const tabs = text.includes('\t')
  const comments = text.includes('#', 1)
  const r: Reader = {
    lines: splitLines(text),
    tabs,
    comments,
    isSimple: !tabs && !comments,
    row: -1,
    column: -1,
    line: '',
    colon: -1,
    blankLines: 0,
    commentLines: 0,
    complain,
  }
  nextLine(r)
  while (r.column === 0 && (r.line.startsWith('%') || (isMarker(r.line) && r.line.startsWith('.'))))
    nextLine(r)
  if (r.column === 0 && isMarker(r.line) && r.line.startsWith('-')) r.column = 3
  if (text.includes('\n---') || text.includes('\n...')) endDocument(r)
  const root = r.column < 0 ? '' : readNode(r, -1, 0, false)
  if (r.column >= 0) r.complain(placeOf(r), 'does not belong to what comes before; the rest is skipped')
  return { root, problems, complain }
}

function splitLines(text: string): string[] {
  const unix = text.includes('\r') ? text.split('\r\n').join('\n').split('\r').join('\n') : text
  const hasMark = unix.charCodeAt(0) === 0xef && unix.charCodeAt(1) === 0xbb && unix.charCodeAt(2) === 0xbf
  const lines = (hasMark ? unix.slice(3) : unix).split('\n')
  if (lines[lines.length - 1] === '') lines.length--
  return lines
}

/** `---` and `...` at a line's beginning, before white space. */
const isMarker = (line: string): boolean =>
  (line.startsWith('---') || line.startsWith('...')) && isSeparated(line, 2)

/** Removes the lines after the document's end. */
function endDocument(r: Reader): void {
  const from = r.row + (r.column === 3 ? 1 : 0)
  const end = r.lines.findIndex((line, row) => row >= from && isMarker(line))
  if (end < 0) return
  const more = r.lines.findIndex(
    (line, row) => row >= end && hasContent(isMarker(line) ? line.slice(3) : line),
  )
  if (more >= 0) r.complain(placeAt(more, 0), 'only the first document of a file is read')
  r.lines.length = end
  if (r.row >= end) toEnd(r)
}

function hasContent(line: string): boolean {
  const content = line.trimStart()
  return content !== '' && !content.startsWith('#')
}

/**
 * The node at the cursor, or on the lines below; afterwards the cursor is on the first line after it.
 * @param indent the parent's indentation: the node's own lines are indented further
 * @param isValue whether it follows `key:`: then no mapping or list can begin on the same line, and a list on the next
 *   lines need not be indented
 */
function readNode(r: Reader, indent: number, depth: number, isValue: boolean): YamlNode {
  const line = r.line
  const column = r.column
  if (isOrdinary(line, column)) {
    if (r.isSimple) {
      // The short path for nearly every value: plain text up to the end of the line.
      const last = line.charCodeAt(line.length - 1)
      if (last !== SPACE && last !== COLON && line.indexOf(': ', column) < 0) {
        const text = line.slice(column)
        nextLine(r)
        return r.column > indent ? readFolded(r, indent, text) : text
      }
    }
    return readText(r, indent, depth, isValue) ?? ''
  }
  let isInline = isValue
  if (column < line.length) skipBlanks(r)
  if (r.column >= line.length || isLineDone(r)) {
    nextLine(r)
    if (r.column <= indent && !(isValue && r.column === indent && isItem(r))) return ''
    isInline = false
    if (isOrdinary(r.line, r.column)) return readText(r, indent, depth, false) ?? ''
  }
  return readSpecial(r, indent, depth, isInline) ?? ''
}

/** Letters, digits and `/`: nearly everything in a configuration begins with one of them. */
const ORDINARY = new Uint8Array(256).fill(1, 47, 58).fill(1, 65, 91).fill(1, 97, 123)
const isOrdinary = (line: string, at: number): boolean =>
  at < line.length && ORDINARY[line.charCodeAt(at)] === 1

/**
 * A node that may begin with an indicator.
 * @returns undefined if it is broken: reported and skipped
 */
function readSpecial(r: Reader, indent: number, depth: number, isInline: boolean): YamlNode | undefined {
  if (depth > MAX_DEPTH) return tooDeep(r, indent)
  const line = r.line
  const column = r.column
  if (ORDINARY[line.charCodeAt(column)] === 1) return readText(r, indent, depth, isInline)
  const char = line.charAt(column)
  switch (char) {
    case '-':
      if (!isItem(r)) break
      if (!isInline) return readList(r, depth)
      return broken(r, indent, placeOf(r), 'a list cannot begin on the line of its key; skipped')
    case '"':
    case "'": {
      const key = isInline ? undefined : readQuotedKey(r, char)
      if (key !== undefined) return readMapping(r, key, depth)
      const text = readQuoted(r, indent)
      return text === undefined ? undefined : endValue(r, indent, quoted(text))
    }
    case '[':
    case '{': {
      const collection = readFlow(r, indent, depth)
      return collection === undefined ? undefined : endValue(r, indent, collection)
    }
    case '|':
    case '>':
      return readBlock(r, indent)
    case '*':
    case '&':
    case '!':
      return refuseSign(r, indent, char)
    case '\t':
      return broken(r, indent, placeOf(r), NO_TABS)
    case '?':
      if (!isSeparated(line, column)) break
      return broken(r, indent, placeOf(r), 'keys after ? are not supported; skipped')
  }
  if (canBeginPlain(r)) return readText(r, indent, depth, isInline)
  return broken(r, indent, placeOf(r), `text that begins with ${char} needs quotes; skipped`)
}

/** Ends the line after a value that is complete in itself. */
function endValue(r: Reader, indent: number, node: YamlNode): YamlNode {
  skipBlanks(r)
  if (isLineDone(r)) nextLine(r)
  else broken(r, indent, placeOf(r), `${quote(r.line.slice(r.column))} cannot follow a value; skipped`)
  return node
}

function readList(r: Reader, depth: number): YamlNode {
  const indent = r.column
  const items: YamlNode[] = []
  const places: Place[] = []
  let count = 0
  while (r.column === indent && isItem(r)) {
    r.column = indent + 2
    places[count] = placeOf(r)
    items[count++] = readNode(r, indent, depth + 1, false)
    if (r.column > indent) leaveDeeper(r, indent)
  }
  return { kind: 'list', items, places }
}

function leaveDeeper(r: Reader, indent: number): void {
  broken(r, indent, placeOf(r), 'wrong indentation; skipped')
}

/** @param first its first key, which is at the cursor; `r.colon` is set */
function readMapping(r: Reader, first: string, depth: number): YamlNode | undefined {
  const indent = r.column
  if (depth > MAX_DEPTH) return tooDeep(r, indent)
  const mapping = newMapping()
  let key: string | undefined = first
  do {
    const place = placeOf(r)
    if (key === undefined) {
      const text = trimEnd(r.line.slice(indent))
      const message = text.startsWith('\t') ? NO_TABS : `${quote(text)} is not a key with a colon; skipped`
      broken(r, indent, place, message)
    } else {
      r.column = r.colon + 2
      addEntry(r, mapping, key, place, readNode(r, indent, depth + 1, true))
      if (r.column > indent) leaveDeeper(r, indent)
    }
    key = r.column === indent ? readKey(r) : undefined
  } while (r.column === indent)
  return mapping
}

/** The key at the cursor, which does not move; sets `r.colon` to its colon. undefined: there is no key. */
function readKey(r: Reader): string | undefined {
  const line = r.line
  const column = r.column
  const code = line.charCodeAt(column)
  if (r.isSimple && ORDINARY[code] === 1) {
    const colon = line.indexOf(': ', column)
    if (colon >= 0 && line.charCodeAt(colon - 1) !== SPACE) {
      r.colon = colon
      return line.slice(column, colon)
    }
  } else if (code === 34 || code === 39) {
    return readQuotedKey(r, code === 34 ? '"' : "'")
  } else if (!canBeginPlain(r)) {
    return undefined
  }
  const end = plainEnd(r)
  return r.colon < 0 ? undefined : line.slice(column, end)
}

function readQuotedKey(r: Reader, mark: '"' | "'"): string | undefined {
  const { line, column } = r
  const end = closingQuote(line, column + 1, mark)
  if (end < 0) return undefined
  let colon = end + 1
  while (isBlank(line.charCodeAt(colon))) colon++
  if (line.charCodeAt(colon) !== COLON || !isSeparated(line, colon)) return undefined
  r.colon = colon
  return unquote(r, placeOf(r), line.slice(column + 1, end), mark)
}

/**
 * Where the plain text at the cursor ends on its line: at `: `, ` #` or the end of the line, without trailing white space.
 * Sets `r.colon` to its colon.
 */
function plainEnd(r: Reader): number {
  const from = r.column
  const line = r.tabs ? r.line.split('\t').join(' ') : r.line
  const length = line.length
  const last = line.charCodeAt(length - 1)
  let end = line.indexOf(': ', from)
  if (end < 0) end = last === COLON ? length - 1 : length
  r.colon = end < length ? end : -1
  if (r.comments) {
    const comment = line.indexOf(' #', from)
    if (comment >= 0 && comment < end) {
      end = comment
      r.colon = -1
    }
  }
  if (end < length || last === 32) while (end > from && line.charCodeAt(end - 1) === 32) end--
  return end
}

/** Plain text, which continues on lines that are indented by more than `indent`, or a mapping if it is a key. */
function readText(r: Reader, indent: number, depth: number, isInline: boolean): YamlNode | undefined {
  const line = r.line
  const column = r.column
  const key = isInline ? undefined : readKey(r)
  if (key !== undefined) return readMapping(r, key, depth)
  const end = plainEnd(r)
  if (r.colon >= 0) return refuseColon(r, indent)
  const text = line.slice(column, end)
  const isWhole = isOpenEnd(line, end)
  nextLine(r)
  if (r.column <= indent || !isWhole || r.commentLines > 0) return text
  return readFolded(r, indent, text)
}

/** Whether the text may continue on the next line: no comment ends it. */
const isOpenEnd = (line: string, end: number): boolean => end === line.length || line.indexOf('#', end) < 0

/** The rest of plain text; the cursor is on its next line. */
function readFolded(r: Reader, indent: number, first: string): string {
  const pieces = [first]
  let isOpen = true
  while (isOpen && r.column > indent && r.commentLines === 0) {
    const gap = r.blankLines > 0 ? '\n'.repeat(r.blankLines) : ' '
    skipBlanks(r)
    const end = plainEnd(r)
    if (r.colon >= 0) {
      refuseColon(r, indent)
      break
    }
    pieces.push(gap, r.line.slice(r.column, end))
    isOpen = isOpenEnd(r.line, end)
    nextLine(r)
  }
  return pieces.join('')
}

function refuseColon(r: Reader, indent: number): undefined {
  const message = 'text with a colon and a space in it needs quotes, or the indentation is wrong; skipped'
  return broken(r, indent, placeAt(r.row, r.colon), message)
}

/** `|` or `>`: the lines below without their indentation, verbatim or folded. */
function readBlock(r: Reader, indent: number): YamlNode {
  const isFolded = r.line.startsWith('>', r.column)
  let chomp = 0
  let width = -1
  for (r.column++; r.column < r.line.length; r.column++) {
    const code = r.line.charCodeAt(r.column)
    if (code === PLUS || code === DASH) chomp = code
    else if (code > 48 && code < 58) width = Math.max(indent, 0) + code - 48
    else break
  }
  skipBlanks(r)
  if (!isLineDone(r)) r.complain(placeOf(r), `${quote(r.line.slice(r.column))} cannot follow | or >; ignored`)
  const lines: string[] = []
  let filled = 0
  for (r.row++; r.row < r.lines.length; r.row++) {
    const line = r.lines[r.row] ?? ''
    const count = spaces(r, line)
    if (count < line.length) {
      if (width < 0 && count > indent) width = count
      if (width < 0 || count < width) break
    }
    // In a blank line, spaces beyond the others' indentation are content.
    lines.push(width < 0 ? '' : line.slice(width))
    if (lines.at(-1) !== '') filled = lines.length
  }
  r.row--
  nextLine(r)
  const body = lines.slice(0, filled)
  let text = isFolded ? foldBlock(body) : body.join('\n')
  if (chomp === PLUS) text += '\n'.repeat(lines.length - filled + (filled > 0 ? 1 : 0))
  else if (chomp !== DASH && filled > 0) text += '\n'
  return quoted(text)
}
