/** YAML's quoted text: where it ends, its escapes, how lines are folded. */

import { utf8, visible } from '../../lib/text.ts'

const BACKSLASH = 92

/** The closing quote of the text that begins at `from`, on this line; -1: none. */
export function closingQuote(line: string, from: number, quote: '"' | "'"): number {
  let end = line.indexOf(quote, from)
  if (quote === "'") {
    while (end >= 0 && line.startsWith("''", end)) end = line.indexOf("'", end + 2)
    return end
  }
  let slash = line.indexOf('\\', from)
  while (end >= 0 && slash >= 0 && slash < end) {
    const next = slash + 2
    if (end < next) end = line.indexOf('"', next)
    slash = line.indexOf('\\', next)
  }
  return end
}

/** Removes trailing spaces and tabs. String's trimEnd would also remove 0xA0, the last byte of `à` in UTF-8. */
export function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--
  return end === text.length ? text : text.slice(0, end)
}

/** A space or a tab. */
export const isBlank = (code: number): boolean => code === 32 || code === 9

/**
 * Folds the lines of quoted text: a line break becomes a space, and each blank line a line break. In double quotes, a
 * backslash at the end of a line joins it to the next one.
 * @param lines the first from the opening quote, the last up to the closing quote
 */
export function foldQuoted(lines: readonly string[], quote: '"' | "'"): string {
  const last = lines.length - 1
  const pieces: string[] = []
  let blank = 0
  let joined = true
  lines.forEach((line, index) => {
    let piece = index === 0 ? line : trimStart(line)
    if (index < last) {
      const trimmed = trimEnd(piece)
      // White space after a backslash counts.
      piece = quote === '"' && isEscaping(trimmed) ? piece.slice(0, trimmed.length + 1) : trimmed
      if (piece === '' && index > 0) {
        blank++
        return
      }
    }
    if (blank > 0) pieces.push('\n'.repeat(blank))
    else if (!joined) pieces.push(' ')
    blank = 0
    joined = quote === '"' && index < last && isEscaping(piece)
    pieces.push(joined ? piece.slice(0, -1) : piece)
  })
  return pieces.join('')
}

function trimStart(line: string): string {
  let start = 0
  while (isBlank(line.charCodeAt(start))) start++
  return line.slice(start)
}

/** Whether the text ends with an unescaped backslash. */
function isEscaping(text: string): boolean {
  let at = text.length
  while (at > 0 && text.charCodeAt(at - 1) === BACKSLASH) at--
  return (text.length - at) % 2 === 1
}

/** Folds the lines of a `>` block: a single line break becomes a space, except next to lines that are indented further. */
export function foldBlock(lines: readonly string[]): string {
  const pieces: string[] = []
  let breaks = 0
  let wasIndented = true
  for (const line of lines) {
    if (line === '') {
      breaks++
      continue
    }
    const indented = isBlank(line.charCodeAt(0))
    if (pieces.length > 0 && breaks === 0 && !indented && !wasIndented) pieces.push(' ')
    else pieces.push('\n'.repeat(pieces.length > 0 && (indented || wasIndented) ? breaks + 1 : breaks))
    pieces.push(line)
    breaks = 0
    wasIndented = indented
  }
  return pieces.join('')
}

/** What a character after a backslash stands for. */
const ESCAPES: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  '/': '/',
  '\\': '\\',
}

/** How many hexadecimal digits follow each of these. */
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** Escapes for characters outside ASCII: next line, no-break space, line and paragraph separator. */
const WIDE: Readonly<Record<string, number>> = { N: 0x85, _: 0xa0, L: 0x2028, P: 0x2029 }

/** Expands the escapes of double-quoted text, as UTF-8. Unknown ones are reported and stay as they are. */
export function expandEscapes(text: string, complain: (message: string) => void): string {
  let slash = text.indexOf('\\')
  if (slash < 0) return text
  const pieces: string[] = []
  let start = 0
  while (slash >= 0) {
    pieces.push(text.slice(start, slash))
    const letter = text.charAt(slash + 1)
    const digits = DIGITS[letter]
    start = slash + 2
    if (Object.hasOwn(ESCAPES, letter)) {
      pieces.push(ESCAPES[letter] ?? '')
    } else if (Object.hasOwn(WIDE, letter)) {
      pieces.push(utf8(WIDE[letter] ?? 0))
    } else {
      let point = digits === undefined ? -1 : hexadecimal(text, start, digits)
      start += digits ?? 0
      // JSON writes characters above U+FFFF as surrogate pairs.
      if (isHalf(point, 0xd800) && text.startsWith('\\u', start)) {
        const low = hexadecimal(text, start + 2, 4)
        if (isHalf(low, 0xdc00)) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
          start += 6
        }
      }
      if (point >= 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)) {
        pieces.push(utf8(point))
      } else {
        complain(`${visible(`\\${letter}`)} is not a YAML escape`)
        start = slash + 2
        pieces.push(text.slice(slash, start))
      }
    }
    slash = text.indexOf('\\', start)
  }
  pieces.push(text.slice(start))
  return pieces.join('')
}

/** Whether a number is one of the 1024 surrogates from `first`. */
const isHalf = (point: number, first: number): boolean => point >= first && point < first + 0x400

/** Exactly `digits` hexadecimal digits, or -1. */
function hexadecimal(text: string, from: number, digits: number): number {
  let value = 0
  for (let at = from; at < from + digits; at++) {
    const digit = '0123456789abcdef'.indexOf(text.charAt(at).toLowerCase() || '?')
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}
