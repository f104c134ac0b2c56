/** The edges of the command: text inside is byte strings (see `sys/port.ts`), outside it is UTF-8. */

import { quote } from '../../lib/text.ts'

/** Text of JavaScript's as a byte string: an argument, a path. */
export const toByteText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** A byte string as the bytes that it stands for. */
export const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1')

// `ignoreBOM` is the standard's name for: keep it, it is a part of the text.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a byte string, or undefined where it isn't valid UTF-8. */
export function fromByteText(text: string): string | undefined {
  try {
    return strict.decode(toBytes(text))
  } catch {
    return undefined
  }
}

/** As it is where it is one plain word, which is how most values look; everything else as `quote` shows it. */
export const shown = (text: string): string =>
  text.length <= 120 && /^[\w@%+=:,./-]+$/.test(text) ? text : quote(text)

/** Text that holds names from outside, with what a terminal could take for a command as `\xNN`; never shortened. */
export function printable(text: string): string {
  let safe = ''
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + 100, text.length)
    // Not in the middle of a character, as `quote` would take its halves for bytes of nothing.
    while (end < text.length && end > at + 90 && (text.charCodeAt(end) & 0xc0) === 0x80) end--
    safe += quote(text.slice(at, end)).slice(1, -1)
    at = end
  }
  return safe
}
