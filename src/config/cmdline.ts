/** Splits the kernel command line as the kernel does (next_arg in lib/cmdline.c). */

export interface Token {
  readonly key: string
  /** undefined: no `=`, as in `rw`; empty: nothing after it, as in `net_eth0=`. */
  readonly value: string | undefined
  /** Where the token begins, from 1, in bytes. */
  readonly column: number
}

export interface Cmdline {
  /** In order, repeats included. */
  readonly tokens: readonly Token[]
  /** What follows `--`: the entrypoint's arguments. Empty without a `--`; see `hasArguments`. */
  readonly args: readonly string[]
  /** Whether there was a `--`. */
  readonly hasArguments: boolean
}

/**
 * White space separates tokens, except between double quotes, which may begin anywhere; there are no escapes. Quotes
 * around a whole value or a whole token are removed, others stay. `--` ends the kernel's part.
 *
 * One deliberate difference: to the kernel 0xA0 (Latin-1's no-break space) is white space, too. Here it is data, since
 * it is the second byte of `à` in UTF-8.
 */
export function parseCmdline(text: string): Cmdline {
  const collected: Collected = { tokens: [], args: [], hasArguments: false }
  // Nearly every command line is plain words and spaces, so the engine's own search can find their ends.
  if (SPECIAL.some((char) => text.includes(char))) {
    let at = skipSpaces(text, 0)
    while (at < text.length && text.charCodeAt(at) !== 0) {
      const start = at
      at = tokenEnd(text, start)
      add(collected, text.slice(start, at), start + 1)
      at = skipSpaces(text, at)
    }
  } else {
    let column = 1
    for (const token of text.split(' ')) {
      if (token !== '') add(collected, token, column)
      column += token.length + 1
    }
  }
  return collected
}

interface Collected {
  readonly tokens: Token[]
  readonly args: string[]
  hasArguments: boolean
}

function add(into: Collected, whole: string, column: number): void {
  const token = split(whole, column)
  const { key, value } = token
  if (into.hasArguments) into.args.push(value === undefined ? key : `${key}=${value}`)
  else if (key === '--' && value === undefined) into.hasArguments = true
  else if (key !== '' || value !== undefined) into.tokens.push(token)
}

const SPECIAL: readonly string[] = ['"', '\0', '\t', '\n', '\v', '\f', '\r']

/** isspace(3) in the C locale. Character codes, since the engine compares them at a fraction of the cost of strings. */
const isSpaceCode = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

function skipSpaces(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpaceCode(text.charCodeAt(at))) at++
  return at
}

/** Where the token ends: at white space outside quotes, at a NUL, or with the text. */
function tokenEnd(text: string, from: number): number {
  let inQuote = false
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    // Above the space only the quote matters: one comparison for nearly every character.
    if (code > 0x22) continue
    if (code === 0x22) inQuote = !inQuote
    else if (code === 0 || (!inQuote && isSpaceCode(code))) return at
  }
  return text.length
}

/** A token's key and value, without quotes around the whole token or around the value. */
function split(whole: string, column: number): Token {
  // As in the kernel, a leading `=` belongs to the key.
  const equals = whole.indexOf('=', 1)
  if (!whole.includes('"')) {
    if (equals < 0) return { key: whole, value: undefined, column }
    return { key: whole.slice(0, equals), value: whole.slice(equals + 1), column }
  }
  return splitQuoted(whole, column)
}

function splitQuoted(whole: string, column: number): Token {
  const quoted = whole.charCodeAt(0) === 0x22
  const token = quoted ? whole.slice(1) : whole
  const closed = token.endsWith('"') ? token.slice(0, -1) : token
  const equals = token.indexOf('=', 1)
  if (equals < 0) return { key: quoted ? closed : token, value: undefined, column }
  const key = token.slice(0, equals)
  if (token.charCodeAt(equals + 1) === 0x22) return { key, value: closed.slice(equals + 2), column }
  return { key, value: (quoted ? closed : token).slice(equals + 1), column }
}
