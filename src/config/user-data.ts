/**
 * `user-data` of a seed, as far as the contract has it: root's keys, mounts, a hostname. What cloud-init would do
 * beyond that (packages, scripts, users) has no meaning for a container's PID 1 and is told, one problem a key.
 */

import { quote, trim } from '../lib/text.ts'
import { normalizeTarget, type Parsed } from './keys.ts'
import type { MountConfig } from './machine.ts'
import { readHostname } from './meta-data.ts'
import { parseYaml } from './yaml.ts'
import type { Place, YamlNode } from './yaml-reader.ts'
import { asText, type Complaining, type Field, isNull, items, readFields, show } from './yaml-values.ts'

interface Collected extends Complaining {
  readonly source: string
  readonly mounts: MountConfig[]
  readonly authorizedKeys: string[]
  hostname?: string
  /** Its first label is the hostname where none is given. */
  fqdn?: string
}

/** What a file begins with that cloud-init takes for something else than a configuration. */
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

const FIELDS: Readonly<Record<string, Field<Collected>>> = {
  users: (into, node) => {
    for (const item of items(node, 'users', into)) readUser(into, item)
  },
  ssh_authorized_keys: readKeys,
  mounts: (into, node) => {
    for (const item of items(node, 'mounts', into)) readMount(into, item)
  },
  hostname: (into, node) => {
    const name = readHostname(into, node, 'hostname')
    if (name !== undefined) into.hostname = name
  },
  fqdn: (into, node) => {
    const name = readHostname(into, node, 'fqdn')
    if (name !== undefined) into.fqdn = name.split('.')[0] ?? name
  },
}

/** Done in any case, or of no meaning without cloud-init's own repeated runs. */
const QUIET: readonly string[] = ['manage_etc_hosts', 'preserve_hostname', 'prefer_fqdn_over_hostname']

/** @param source the file's name, for the problems and the mounts */
export function parseUserData(text: string, source: string): Parsed {
  const other = OTHER_FORMATS.find(([start]) => text.startsWith(start))
  if (other !== undefined) {
    const message = `is ${other[1]}, not a #cloud-config; nothing of it is used, and nothing is run`
    return { layer: { source }, problems: [{ source, line: 1, column: 1, message }] }
  }
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = { source, mounts: [], authorizedKeys: [], complain }
  readFields(into, root, '', FIELDS, QUIET)
  const { mounts, authorizedKeys } = into
  const hostname = into.hostname ?? into.fqdn
  return {
    layer: { source, mounts, authorizedKeys, ...(hostname !== undefined && { hostname }) },
    problems,
  }
}

const USER: Readonly<Record<string, Field<Collected>>> = {
  name: () => undefined,
  ssh_authorized_keys: readKeys,
  'ssh-authorized-keys': readKeys,
}

function readUser(into: Collected, node: YamlNode): void {
  const name = node.kind === 'mapping' ? node.entries.get('name')?.value : node
  if (name === undefined) into.complain(node, 'users: an entry without a name; skipped')
  else if (asText(name) !== 'root')
    into.complain(name, `users: ${show(name)} is skipped; only root counts here`)
  else if (node.kind === 'mapping') readFields(into, node, 'users.root', USER)
}

/** Lines of authorized_keys(5); a key that a text holds several lines of is several keys. */
function readKeys(into: Collected, node: YamlNode): void {
  for (const item of items(node, 'ssh_authorized_keys', into)) {
    const text = asText(item)
    if (text === undefined) into.complain(item, `ssh_authorized_keys: ${show(item)} is not a key; skipped`)
    for (const line of (text ?? '').split('\n')) {
      const key = trim(line)
      if (key === '' || key.startsWith('#')) continue
      if (key.includes('\0')) into.complain(item, 'ssh_authorized_keys: a key with a NUL in it; skipped')
      else into.authorizedKeys.push(key)
    }
  }
}

/** The six fields of fstab(5); what is missing at the end is as cloud-init has it, but for `nofail`: data count. */
function readMount(into: Collected, node: YamlNode): void {
  if (node.kind !== 'list') {
    into.complain(node, `mounts: ${show(node)} is not a list of fields; skipped`)
    return
  }
  const [from, to, kind, flags] = node.items
  if (node.items.length > 6) into.complain(node, 'mounts: more than six fields; the rest is ignored')
  const type = field(into, kind, 'auto')
  const options = field(into, flags, 'defaults')
  const device = field(into, from, '')
  const target = field(into, to, '')
  if (device === undefined || target === undefined || type === undefined || options === undefined) return
  if (device === '') {
    into.complain(node, 'mounts: an entry without a source; skipped')
  } else if (type === 'swap' || target === 'swap' || target === 'none') {
    into.complain(
      to ?? node,
      `mounts: ${quote(device)} has no place in the tree (swap is not supported); skipped`,
    )
  } else if (to !== undefined && isNull(to)) {
    // cloud-init's way to take a mount back that the image's own configuration has.
    into.complain(to, `mounts: ${quote(device)} has no target; skipped`)
  } else {
    addMount(into, to ?? node, { source: normalizeSource(device, type), target, type, options })
  }
}

function addMount(into: Collected, at: Place, mount: Omit<MountConfig, 'from'>): void {
  const target = normalizeTarget(mount.target)
  if (target === undefined)
    into.complain(at, `mounts: ${quote(mount.target)} is no place to mount on; it must be a path below /`)
  // Without a target it is planned all the same: the plan refuses it, as data on the wrong disk are lost data.
  into.mounts.push({ ...mount, target: target ?? '', from: into.source })
}

/** A field's text, or what stands for one that is missing; undefined where it is none, which is told. */
function field(into: Collected, node: YamlNode | undefined, missing: string): string | undefined {
  if (node === undefined || isNull(node)) return missing
  const text = asText(node)
  if (text === undefined || text.includes('\0')) {
    into.complain(node, `mounts: ${show(node)} is not a field of a mount; the entry is skipped`)
    return undefined
  }
  return text
}

/** `vda`, `sdb1`, `xvda` are short for their device nodes; a tag of a share may be called anything. */
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
