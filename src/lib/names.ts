/** Checks hostnames and interface names. */

import { quote } from './text.ts'

/** An ASCII letter, by its code, since the engine compares numbers at a fraction of the cost of strings. */
export const isLetter = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)

export const isLetterOrDigit = (code: number): boolean => isLetter(code) || (code >= 0x30 && code <= 0x39)

/** A name that the kernel accepts for an interface (dev_valid_name), without characters that only patterns and mistakes have. */
export function isInterfaceName(name: string): boolean {
  if (name === '' || name.length > 15 || name === '.' || name === '..') return false
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '/:*?[]'.includes(name.charAt(at))) return false
  }
  return true
}

/** What is wrong with a hostname (hostname(7)), or undefined. Underscores are common, though not in the standard. */
export function hostnameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > 64) return 'is longer than 64 characters'
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    const word = isLetterOrDigit(code) || code === 0x5f
    // A hyphen or a dot, except as the first character.
    if (!word && !((code === 0x2d || code === 0x2e) && at > 0))
      return `contains ${quote(name.charAt(at))}, which is not allowed in a hostname`
  }
  return undefined
}
