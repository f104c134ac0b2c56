/**
 * Reads a seed's `user-data`: root's SSH keys, mounts, the hostname. Whatever else cloud-init would do (packages, scripts,
 * users) makes no sense for a container and is a problem, one for each key.
 */

import { normalizeTarget } from '../lib/paths.ts'
import { quote, trim } from '../lib/text.ts'
import type { Parsed } from './keys.ts'
import type { MountConfig } from './machine.ts'
import { readHostname } from './meta-data.ts'
import type { Place, YamlNode } from './yaml/reader.ts'
import { asText, type Complaining, entryOf, isNull, readFields, readItems, show } from './yaml/values.ts'
import { parseYaml } from './yaml/yaml.ts'

interface Collected extends Complaining {
  readonly source: string
  readonly mounts: MountConfig[]
  /** The mounts' targets, as a set since there may be very many. */
  readonly targets: Set<string>
  readonly authorizedKeys: string[]
  hostname?: string
  /** Its first label is the hostname if `hostname` is missing. */
  fqdn?: string
}

/** How files begin that cloud-init does not take for a configuration. */
const OTHER_FORMATS: readonly (readonly [start: string, what: string])[] = [
  ['#!', 'a script'],
  ['\x1f\x8b', 'gzip'],
  ['Content-Type:', 'MIME'],
  ['MIME-Version:', 'MIME'],
  ['From ', 'MIME'],
  ['#include', 'a list of addresses'],
  ['#cloud-boothook', 'a boot hook'],
  ['#cloud-config-archive', 'an archive of configurations'],
  ['#cloud-config-jsonp', 'a JSON patch'],
  ['#part-handler', 'a part handler'],
  ['## template:', 'a template'],
]

/** @param source the file's name, for the problems and the mounts */
export function parseUserData(text: string, source: string): Parsed {
  const isConfig = text.startsWith('#cloud-config\n')
  const other = isConfig ? undefined : OTHER_FORMATS.find(([start]) => text.startsWith(start))
  if (other !== undefined) {
    const message = `is ${other[1]}, not a #cloud-config; it is ignored, and nothing is run`
    return { layer: { source }, problems: [{ source, line: 1, column: 1, message }] }
  }
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = { source, mounts: [], targets: new Set(), authorizedKeys: [], complain }
  readFields(into, root, 0, 'the file', readField)
  const { mounts, authorizedKeys } = into
  const hostname = into.hostname ?? into.fqdn
  const layer = { source, mounts, authorizedKeys }
  return { layer: hostname === undefined ? layer : { ...layer, hostname }, problems }
}

function readField(into: Collected, key: string, value: YamlNode, at: Place): boolean {
  switch (key) {
    case 'users':
      readItems(into, value, at, readUser)
      return true
    case 'ssh_authorized_keys':
      readItems(into, value, at, readKey)
      return true
    case 'mounts':
      readItems(into, value, at, readMount)
      return true
    case 'hostname': {
      const name = readHostname(into, value, at)
      if (name !== undefined) into.hostname = name
      return true
    }
    case 'fqdn': {
      const name = readHostname(into, value, at)
      if (name !== undefined) into.fqdn = name.split('.')[0] ?? name
      return true
    }
    // Always done, or irrelevant since nothing runs again at the next boot.
    case 'manage_etc_hosts':
    case 'preserve_hostname':
    case 'prefer_fqdn_over_hostname':
      return true
  }
  return false
}

function readUser(into: Collected, node: YamlNode, at: Place): void {
  const name = typeof node === 'string' ? node : entryOf(node, 'name')
  if (name === undefined) into.complain(at, 'user without a name; skipped')
  else if (asText(name) !== 'root') into.complain(at, `user ${show(name)} is not root; skipped`)
  else if (typeof node !== 'string') readFields(into, node, at, 'a user', readUserField)
}

function readUserField(into: Collected, key: string, value: YamlNode, at: Place): boolean {
  if (key === 'name') return true
  if (key !== 'ssh_authorized_keys' && key !== 'ssh-authorized-keys') return false
  readItems(into, value, at, readKey)
  return true
}

/** A line of authorized_keys(5); several lines are several keys. */
function readKey(into: Collected, node: YamlNode, at: Place): void {
  const text = asText(node)
  if (text === undefined) into.complain(at, `${show(node)} is not an SSH key; skipped`)
  for (const line of text?.split('\n') ?? []) {
    const key = trim(line)
    if (key === '' || key.startsWith('#')) continue
    if (key.indexOf('\0') >= 0) into.complain(at, 'SSH key contains a NUL; skipped')
    else into.authorizedKeys.push(key)
  }
}

/** The six fields of fstab(5). Missing ones have cloud-init's defaults, except for `nofail`: losing data is fatal. */
function readMount(into: Collected, node: YamlNode, at: Place): void {
  if (typeof node === 'string' || node.kind !== 'list') {
    into.complain(at, `a mount is a list of fields, not ${show(node)}; skipped`)
    return
  }
  const { items } = node
  if (items.length > 6) into.complain(at, 'a mount has at most six fields; the rest is ignored')
  const source = readMountField(into, items[0], at, '')
  const target = readMountField(into, items[1], at, '')
  const type = readMountField(into, items[2], at, 'auto')
  const options = readMountField(into, items[3], at, 'defaults')
  if (source === undefined || target === undefined || type === undefined || options === undefined) return
  if (source === '') {
    into.complain(at, 'mount without a source; skipped')
  } else if (type === 'swap' || target === 'swap' || target === 'none') {
    into.complain(at, `${quote(source)} has no mount point (swap is not supported); skipped`)
  } else if (items.length > 1 && isNull(items[1] ?? '')) {
    // To cloud-init this removes a mount that the image has configured.
    into.complain(at, `${quote(source)} has no mount target; skipped`)
  } else {
    const path = normalizeTarget(target)
    if (path === undefined)
      into.complain(at, `${quote(target)} is not a valid mount point: it must be a path below /`)
    else if (into.targets.has(path))
      into.complain(at, `${quote(path)} is also the target of an earlier mount; this one counts`)
    else into.targets.add(path)
    // Without a valid target it is planned anyway, so that the plan refuses it: data on the wrong disk is lost data.
    into.mounts.push({
      source: normalizeSource(source, type),
      target: path ?? '',
      type,
      options,
      from: into.source,
    })
  }
}

/** A field's text, or the default for a missing one; undefined, and a problem, if it is not text. */
function readMountField(
  into: Collected,
  node: YamlNode | undefined,
  at: Place,
  missing: string,
): string | undefined {
  if (node === undefined || isNull(node)) return missing
  const text = asText(node)
  if (text !== undefined && text.indexOf('\0') < 0) return text
  into.complain(at, `${show(node)} is not a field of a mount; the mount is skipped`)
  return undefined
}

/** `vda`, `sdb1`, `xvda` are short for their device nodes; a share's tag may be anything. */
function normalizeSource(source: string, type: string): string {
  if (type === 'virtiofs' || type === '9p') return source
  const name = source.startsWith('x') ? source.slice(1) : source
  const isDisk = name.charAt(1) === 'd' && 'svh'.includes(name.charAt(0))
  if (!isDisk || name.length < 3) return source
  let at = 2
  while (isBetween(name.charAt(at), 'a', 'z')) at++
  const isNamed = at > 2
  while (isBetween(name.charAt(at), '0', '9')) at++
  return isNamed && at === name.length ? `/dev/${source}` : source
}

const isBetween = (char: string, from: string, to: string): boolean => char >= from && char <= to
