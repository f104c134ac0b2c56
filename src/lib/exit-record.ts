/** `/.zmachine/exit.json`, read at the next boot. A container can write it too, so it is untrusted text. Pure. */

import { isLetterOrDigit } from './names.ts'
import { parseDecimal } from './text.ts'

export const EXIT_RECORD = '/.zmachine/exit.json'

/** Longer than any name of a signal, any reason and any number in it. */
const LONGEST = 24

/**
 * `code=3 signal=none reason=exit uptime=12.345`, or undefined for what PID 1 did not write.
 * @param text as `encodeOutcome` writes it
 */
export function describeExitRecord(text: string): string | undefined {
  const code = parseDecimal(fieldOf(text, 'code'))
  const reason = fieldOf(text, 'reason')
  const signal = fieldOf(text, 'signal')
  const uptime = fieldOf(text, 'uptime')
  if (code === undefined || reason === '' || signal === '' || uptime === '') return undefined
  return `code=${code} signal=${signal === 'null' ? 'none' : signal} reason=${reason} uptime=${uptime}`
}

/** The value of `"name":VALUE`, without quotes; '' if it is missing, too long, or has anything but letters, digits, `.`, `+`. */
function fieldOf(text: string, name: string): string {
  const label = `"${name}":`
  const at = text.indexOf(label)
  if (at < 0) return ''
  let from = at + label.length
  if (text.charAt(from) === '"') from++
  let end = from
  while (end - from <= LONGEST && isPlain(text.charCodeAt(end))) end++
  return end - from > LONGEST ? '' : text.slice(from, end)
}

const isPlain = (code: number): boolean => isLetterOrDigit(code) || code === 0x2b || code === 0x2e
