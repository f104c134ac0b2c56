/** Text functions without regular expressions, which the lean engine does not have. */

/** ASCII white space, as isspace(3) in the C locale. */
export const isSpace = (char: string): boolean =>
  char === ' ' || char === '\n' || char === '\t' || char === '\r' || char === '\v' || char === '\f'

/** Removes white space at both ends. String's trim would also remove 0xA0, the last byte of `à` in UTF-8. */
export function trim(text: string): string {
  if (text === '') return text
  // Nothing above the space is white space, so for most text one look at each end is enough.
  if (text.charCodeAt(0) > 0x20 && text.charCodeAt(text.length - 1) > 0x20) return text
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charAt(start))) start++
  while (end > start && isSpace(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

/** The words of a text, separated by any white space. */
export function words(text: string): string[] {
  let blanks = text
  for (const space of ['\n', '\t', '\r', '\v', '\f']) {
    if (blanks.includes(space)) blanks = blanks.split(space).join(' ')
  }
  return blanks.split(' ').filter((word) => word !== '')
}

/** The items of a list, trimmed, without empty ones: `a; b;` gives `a` and `b`. */
export function splitList(text: string, separator: string): string[] {
  const found: string[] = []
  for (const part of text.split(separator)) {
    const trimmed = trim(part)
    if (trimmed !== '') found.push(trimmed)
  }
  return found
}

/** A whole decimal number of at most 15 digits, or undefined. No sign, no spaces. */
export function parseDecimal(text: string): number | undefined {
  if (text === '' || text.length > 15) return undefined
  let value = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/**
 * Milliseconds as seconds with three decimals: `12.005`. Without toFixed, which would pull in the engine's floating-point
 * formatting; whole milliseconds, as `uptime` counts, need integers only.
 */
export function seconds(milliseconds: number): string {
  const whole = milliseconds % 1 === 0 ? milliseconds : Math.round(milliseconds)
  const rest = whole % 1000
  return `${((whole - rest) / 1000) | 0}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

const HEX_DIGITS = '0123456789abcdef'

/** An unsigned 32-bit integer in hexadecimal, padded with zeros. */
export function hex(value: number, length = 1): string {
  let text = ''
  for (let rest = value; rest !== 0 || text.length < length; rest >>>= 4)
    text = HEX_DIGITS.charAt(rest & 15) + text
  return text
}

/** A code point's UTF-8 as a byte string (RFC 3629). */
export function utf8(point: number): string {
  if (point < 0x80) return String.fromCharCode(point)
  const last = 0x80 | (point & 0x3f)
  if (point < 0x800) return String.fromCharCode(0xc0 | (point >> 6), last)
  const third = 0x80 | ((point >> 6) & 0x3f)
  if (point < 0x10000) return String.fromCharCode(0xe0 | (point >> 12), third, last)
  return String.fromCharCode(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), third, last)
}

/**
 * Untrusted text for a log line: in single quotes, shortened to 120 characters, with `\xNN` for control characters and
 * bytes that a terminal could take for a command. UTF-8 stays.
 */
export const quote = (text: string): string => `'${brief(text)}'`

/** The same, without quotes. */
export const brief = (text: string): string =>
  text.length > 120 ? `${visible(text.slice(0, 117))}...` : visible(text)

/** Untrusted text with `\xNN` for control characters. UTF-8 stays. */
export function visible(text: string): string {
  let escaped = ''
  for (let at = 0; at < text.length; ) {
    const length = printable(text, at)
    escaped += length === 0 ? `\\x${hex(text.charCodeAt(at), 2)}` : text.slice(at, at + length)
    at += length === 0 ? 1 : length
  }
  return escaped
}

/** The length in bytes of the printable character (ASCII or UTF-8) at a place; 0: there is none. */
function printable(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first < 0x80) return first >= 0x20 && first !== 0x7f ? 1 : 0
  // U+0080 to U+009F are control characters, too: U+009B begins a terminal's command.
  return first === 0xc2 && text.charCodeAt(at + 1) < 0xa0 ? 0 : utf8Length(text, at)
}

/** The length in bytes of the UTF-8 character at a place, ASCII among them; 0: there is none. */
export function utf8Length(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  for (let i = 1; i < length; i++) {
    const next = text.charCodeAt(at + i)
    if (!(next >= 0x80 && next <= 0xbf)) return 0
  }
  return length
}

/** The candidate that a mistyped word most likely meant; undefined if none is close. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Levenshtein's distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
