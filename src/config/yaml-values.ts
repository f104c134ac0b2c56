/** What YAML nodes mean to the files that we read: the rules that netplan and cloud-init have for scalars. */

import { nearest, parseDecimal, quote } from '../lib/text.ts'
import type { Place, YamlNode } from './yaml-reader.ts'

/** Something that is told of problems; what a value is read into has one. */
export interface Complaining {
  complain(place: Place, message: string): void
}

/** `~`, `null`, or nothing at all. */
export function isNull(node: YamlNode): boolean {
  if (node.kind !== 'scalar' || node.quoted) return false
  const { text } = node
  return text === '' || text === '~' || text === 'null' || text === 'Null' || text === 'NULL'
}

/** Any scalar as it is written; undefined for a list, a mapping and nothing at all. */
export const asText = (node: YamlNode): string | undefined =>
  node.kind !== 'scalar' || isNull(node) ? undefined : node.text

/** A decimal number without a sign, in quotes or not; zeros before it mean nothing (netplan, strtoull). */
export function asNumber(node: YamlNode): number | undefined {
  return node.kind === 'scalar' ? parseDecimal(node.text) : undefined
}

const TRUE: readonly string[] = ['true', 'on', 'yes', 'y']
const FALSE: readonly string[] = ['false', 'off', 'no', 'n']

/** YAML 1.1's booleans in any case, in quotes or not, as netplan takes them. */
export function asBoolean(node: YamlNode): boolean | undefined {
  const word = node.kind === 'scalar' ? node.text.toLowerCase() : ''
  if (TRUE.includes(word)) return true
  return FALSE.includes(word) ? false : undefined
}

/** A list's items; none of nothing; a value that should have been a list of one is told and taken for it. */
export function items(node: YamlNode, what: string, into: Complaining): readonly YamlNode[] {
  if (node.kind === 'list') return node.items
  if (isNull(node)) return []
  into.complain(node, `${what} is not a list; taken as its only item`)
  return [node]
}

/** What a key does with its value; `at` is the key's place. */
export type Field<T> = (into: T, value: YamlNode, at: Place) => void

/**
 * Hands every value of a mapping to the field of its key; keys without one are told.
 * @param what the mapping's name in the file, empty at the top
 * @param quiet keys that may be ignored without a word
 */
export function readFields<T extends Complaining>(
  into: T,
  node: YamlNode,
  what: string,
  fields: Readonly<Record<string, Field<T>>>,
  quiet: readonly string[] = [],
): void {
  if (isNull(node)) return
  if (node.kind !== 'mapping') {
    into.complain(node, `${what === '' ? 'the file' : what} is not a mapping of keys; ignored`)
    return
  }
  for (const [key, { value, line, column }] of node.entries) {
    if (Object.hasOwn(fields, key)) {
      fields[key]?.(into, value, { line, column })
    } else if (!quiet.includes(key)) {
      const name = quote(what === '' ? key : `${what}.${key}`)
      into.complain({ line, column }, `${name} is not supported; ignored${hint(key, Object.keys(fields))}`)
    }
  }
}

/** Mistyped words mostly keep their first letter and their length; comparing with all would take its time. */
function hint(key: string, known: readonly string[]): string {
  const alike = known.filter((k) => k.charAt(0) === key.charAt(0) && Math.abs(k.length - key.length) <= 2)
  const meant = nearest(key, alike)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

/** A short text for a problem: the value where it is one. */
export function show(node: YamlNode): string {
  return node.kind === 'scalar' ? quote(node.text) : `a ${node.kind}`
}
