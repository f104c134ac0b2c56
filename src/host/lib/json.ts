/** Looks into JSON from outside, of which nothing is known. */

import { readBounded } from './input.ts'

/** The content of a file of at most 1 MB; undefined if it can't be read or is not JSON. */
export function readJson(path: string): unknown {
  const read = readBounded(path)
  if (!('text' in read)) return undefined
  try {
    return JSON.parse(Buffer.from(read.text, 'latin1').toString())
  } catch {
    return undefined
  }
}

/** What a path of names and indices leads to inside JSON; undefined if there is nothing. */
export function member(value: unknown, ...path: readonly (string | number)[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = new Map<string, unknown>(Object.entries(at)).get(String(key))
  }
  return at
}

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
