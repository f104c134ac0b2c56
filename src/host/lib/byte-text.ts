/** Converts between UTF-8, as the outside has it, and byte strings, as used inside (see `sys/port.ts`). */

import { quote } from '../../lib/text.ts'

/** JavaScript text, such as an argument or a path, as a byte string. */
export const toByteText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** The bytes of a byte string. */
export const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1')

// `ignoreBOM` means to keep it, as a part of the text.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a byte string, or undefined if it isn't valid UTF-8. */
export function fromByteText(text: string): string | undefined {
  try {
    return strict.decode(toBytes(text))
  } catch {
    return undefined
  }
}

/** A plain word as it is, like most values; anything else as `quote` shows it. */
export const shown = (text: string): string =>
  text.length <= 120 && /^[\w@%+=:,./-]+$/.test(text) ? text : quote(text)

/** Text with names from outside: control characters are shown as `\xNN`. Never shortened. */
export function printable(text: string): string {
  let safe = ''
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + 100, text.length)
    // Not inside a character, whose halves `quote` would take for invalid bytes.
    while (end < text.length && end > at + 90 && (text.charCodeAt(end) & 0xc0) === 0x80) end--
    safe += quote(text.slice(at, end)).slice(1, -1)
    at = end
  }
  return safe
}
