/** Small text tools without regular expressions: the lean engine has none. */

/** Unicode's ASCII white space, as isspace(3) has it in the C locale. */
export const isSpace = (char: string): boolean =>
  char === ' ' || char === '\n' || char === '\t' || char === '\r' || char === '\v' || char === '\f'

/** The words of a text: what white space separates, without empty ones. */
export function words(text: string): string[] {
  const found: string[] = []
  let start = -1
  for (let at = 0; at <= text.length; at++) {
    const outside = at === text.length || isSpace(text.charAt(at))
    if (outside && start >= 0) {
      found.push(text.slice(start, at))
      start = -1
    } else if (!outside && start < 0) {
      start = at
    }
  }
  return found
}

/** The parts between separators, trimmed, without empty ones: `a; b;` gives `a` and `b`. */
export const parts = (text: string, separator: string): string[] =>
  text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')

/** A whole decimal number of at most 15 digits, or undefined. No sign, no spaces. */
export function parseDecimal(text: string): number | undefined {
  if (text === '' || text.length > 15) return undefined
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x30 || code > 0x39) return undefined
  }
  return Number(text)
}

/**
 * Untrusted text for a log line: in single quotes, control characters and bytes that a terminal could take for a
 * command as `\xNN`, shortened to 120 characters. UTF-8 passes.
 */
export function quote(text: string): string {
  let quoted = ''
  for (const char of text.length > 120 ? text.slice(0, 117) : text) {
    const code = char.charCodeAt(0)
    quoted += code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, '0')}` : char
  }
  return text.length > 120 ? `'${quoted}...'` : `'${quoted}'`
}

/** The candidate that a mistyped word most likely meant, or undefined where none is near. */
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
