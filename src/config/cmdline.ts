/** The kernel command line, split as the kernel splits it (next_arg in lib/cmdline.c). */

import { isSpace } from '../lib/text.ts'

export interface Token {
  readonly key: string
  /** undefined: no `=`, as in `rw`; the empty text: nothing after it, as in `net_eth0=`. */
  readonly value: string | undefined
  /** Where it begins, from 1, in bytes. */
  readonly column: number
}

export interface Cmdline {
  /** In order, repeats and all. */
  readonly tokens: readonly Token[]
  /** What follows `--`: the entrypoint's arguments. Empty without a `--`; see `hasArguments`. */
  readonly args: readonly string[]
  /** Whether there was a `--`. */
  readonly hasArguments: boolean
}

/**
 * White space separates, a double quote protects it and may stand anywhere, there are no escapes; the quotes around
 * a whole value or a whole token are taken off, others stay. `--` ends the kernel's part.
 *
 * One difference on purpose: for the kernel 0xA0 (Latin-1's no-break space) is white space as well. Here it is
 * data, as it is the second byte of `à` in UTF-8.
 */
export function parseCmdline(text: string): Cmdline {
  const tokens: Token[] = []
  const args: string[] = []
  let hasArguments = false
  let at = skipSpaces(text, 0)
  while (at < text.length && text.charAt(at) !== '\0') {
    const column = at + 1
    const { key, value, end } = nextToken(text, at)
    at = skipSpaces(text, end)
    if (hasArguments) args.push(value === undefined ? key : `${key}=${value}`)
    else if (key === '--' && value === undefined) hasArguments = true
    else if (key !== '' || value !== undefined) tokens.push({ key, value, column })
  }
  return { tokens, args, hasArguments }
}

function skipSpaces(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpace(text.charAt(at))) at++
  return at
}

function nextToken(text: string, from: number): { key: string; value: string | undefined; end: number } {
  const quoted = text.charAt(from) === '"'
  const start = quoted ? from + 1 : from
  let inQuote = quoted
  // As in the kernel, a `=` in the first place is no separator: it belongs to the key.
  let equals = -1
  let end = start
  for (; end < text.length; end++) {
    const char = text.charAt(end)
    if (char === '\0' || (!inQuote && isSpace(char))) break
    if (char === '=' && equals < 0 && end > start) equals = end
    if (char === '"') inQuote = !inQuote
  }
  const close = end > start && text.charAt(end - 1) === '"' ? end - 1 : end
  if (equals < 0) return { key: text.slice(start, quoted ? close : end), value: undefined, end }
  const key = text.slice(start, equals)
  if (text.charAt(equals + 1) === '"')
    return { key, value: text.slice(equals + 2, Math.max(close, equals + 2)), end }
  return { key, value: text.slice(equals + 1, quoted ? close : end), end }
}
