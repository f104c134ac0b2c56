/** Names that the kernel and other programs accept. */

import { quote } from './text.ts'

/** Of ASCII. By numbers, since the engine compares them at a fraction of a string's cost. */
export const isLetter = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)

/** What the kernel takes as an interface's name (dev_valid_name), less what only a pattern or a mistake has. */
export function isInterfaceName(name: string): boolean {
  if (name === '' || name.length > 15 || name === '.' || name === '..') return false
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '/:*?[]'.includes(name.charAt(at))) return false
  }
  return true
}

/** What is wrong with a hostname (hostname(7)), or undefined. Underscores are not by the book, and common. */
export function hostnameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > 64) return 'is longer than 64 characters'
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    const word = isLetter(code) || (code >= 0x30 && code <= 0x39) || code === 0x5f
    // A hyphen or a dot, but not in front.
    if (!word && !((code === 0x2d || code === 0x2e) && at > 0))
      return `has ${quote(name.charAt(at))} in it, which no hostname may`
  }
  return undefined
}
