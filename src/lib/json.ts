/** JSON texts, for an engine without JSON (RFC 8259). Pure. */

import { hex, utf8Length } from './text.ts'

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
}

/**
 * A byte string as a JSON string: UTF-8 as it is, control characters escaped, and U+FFFD in place of each byte that is no part of
 * UTF-8, as Docker's log driver has it.
 */
export function jsonString(text: string): string {
  let json = ''
  for (let at = 0; at < text.length; ) {
    const length = utf8Length(text, at)
    json += length > 1 ? text.slice(at, at + length) : length === 1 ? ascii(text, at) : '\\ufffd'
    at += length === 0 ? 1 : length
  }
  return `"${json}"`
}

function ascii(text: string, at: number): string {
  const char = text.charAt(at)
  const code = text.charCodeAt(at)
  if (code >= 0x20 && char !== '"' && char !== '\\') return char
  return Object.hasOwn(SHORT, char) ? (SHORT[char] ?? '') : `\\u${hex(code, 4)}`
}
