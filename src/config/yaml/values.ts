/** What YAML nodes mean: scalars by the rules of netplan and cloud-init. */

import { parseDecimal, quote } from '../../lib/text.ts'
import type { Place, YamlNode } from './reader.ts'

/** Something that collects problems; whatever values are read into is one. */
export interface Complaining {
  complain(place: Place, message: string): void
}

/** `~`, `null`, or no value. */
export function isNull(node: YamlNode): boolean {
  if (typeof node !== 'string' || node.length > 4) return false
  return node === '' || node === '~' || node === 'null' || node === 'Null' || node === 'NULL'
}

/** Any scalar as it is written; undefined for a list, a mapping and null. */
export function asText(node: YamlNode): string | undefined {
  if (typeof node === 'string') return isNull(node) ? undefined : node
  return node.kind === 'quoted' ? node.text : undefined
}

/** A decimal number without a sign, in quotes or not; leading zeros mean nothing (netplan, strtoull). */
export const asNumber = (node: YamlNode): number | undefined => parseDecimal(asText(node) ?? '')

/** YAML 1.1's booleans in any case, in quotes or not, as netplan takes them. */
export function asBoolean(node: YamlNode): boolean | undefined {
  const word = asText(node)?.toLowerCase()
  if (word === 'true' || word === 'yes' || word === 'on' || word === 'y') return true
  return word === 'false' || word === 'no' || word === 'off' || word === 'n' ? false : undefined
}

/** Reads each item of a list. Any other value is a problem, and read as a list of one item. */
export function readItems<T extends Complaining>(
  into: T,
  node: YamlNode,
  at: Place,
  read: (into: T, item: YamlNode, at: Place) => void,
): void {
  if (typeof node === 'string' || node.kind !== 'list') {
    if (isNull(node)) return
    into.complain(at, 'not a list; taken as a list of one item')
    read(into, node, at)
    return
  }
  const { items, places } = node
  for (let i = 0; i < items.length; i++) read(into, items[i] ?? '', places[i] ?? at)
}

/**
 * Passes each value of a mapping to `read`, which returns whether it knows the key; unknown keys are problems.
 * @param what the mapping's name, for the problem if it is not a mapping
 */
export function readFields<T extends Complaining>(
  into: T,
  node: YamlNode,
  at: Place,
  what: string,
  read: (into: T, key: string, value: YamlNode, at: Place) => boolean,
): void {
  if (isNull(node)) return
  if (typeof node === 'string' || node.kind !== 'mapping') {
    into.complain(at, `${what} is not a mapping; ignored`)
    return
  }
  const { entries, places } = node
  let i = 0
  // forEach, not for-of, whose pairs take the interpreter three times as long.
  entries.forEach((value, key) => {
    const place = places[i++] ?? at
    if (!read(into, key, value, place)) into.complain(place, `${quote(key)} is not supported; ignored`)
  })
}

/** A value of a mapping by its key. */
export const entryOf = (node: YamlNode, key: string): YamlNode | undefined =>
  typeof node !== 'string' && node.kind === 'mapping' ? node.entries.get(key) : undefined

/** Where a mapping's key is. */
export const placeOfKey = (node: YamlNode, key: string): Place =>
  typeof node !== 'string' && node.kind === 'mapping'
    ? (node.places[[...node.entries.keys()].indexOf(key)] ?? 0)
    : 0

/** A node for a message: a scalar's value, or what it is. */
export function show(node: YamlNode): string {
  if (typeof node === 'string') return quote(node)
  return node.kind === 'quoted' ? quote(node.text) : `a ${node.kind}`
}
