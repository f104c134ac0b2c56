/**
 * Writes the little YAML that a seed needs, as lines. List items are not indented below their key, like the output of
 * Go's library, and so of a zos host. Pure.
 */

export type Lines = readonly string[]

export const document = (lines: Lines): string => ['#cloud-config', ...lines, ''].join('\n')

export const field = (key: string, value: string): Lines => [`${key}: ${value}`]

export const mapping = (key: string, fields: Lines): Lines =>
  fields.length === 0 ? field(key, '{}') : [`${key}:`, ...fields.map((line) => `  ${line}`)]

export const list = (key: string, items: readonly Lines[]): Lines =>
  items.length === 0 ? field(key, '[]') : [`${key}:`, ...items.flatMap(item)]

export const item = (lines: Lines): Lines =>
  lines.map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`))

export const optional = <T>(value: T | undefined, write: (value: T) => Lines): Lines =>
  value === undefined ? [] : write(value)

/** What every reader takes for text, except for `WORDS`. */
const PLAIN = /^[A-Za-z/][\w/.@+-]*$/

/** YAML 1.1's booleans and null, and what one library takes for a number without digits before its exponent. */
const WORDS = /^(?:y|yes|n|no|on|off|true|false|null|e[-+]?[\d_]+)$/i

/** Characters that JSON leaves alone, and YAML 1.1 takes for line breaks or does not allow (5.1 and 5.4). */
const UNPRINTABLE = /[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]/g

/**
 * A text that some reader could take for a number, a boolean or a date is put into double quotes with JSON's escapes,
 * which YAML 1.1 and 1.2 read alike.
 */
export function scalar(value: string): string {
  if (PLAIN.test(value) && !WORDS.test(value)) return value
  return JSON.stringify(value).replace(UNPRINTABLE, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
