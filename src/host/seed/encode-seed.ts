/**
 * The files of a seed (protocol, section 3) for whoever starts machines: the other side of `config/seed.ts`, in the
 * shape that a zos host's own serializer has. What those files can't carry is a RangeError that names it: a machine
 * never boots with less than it was given.
 *
 * A text that some reader could take for a number, a boolean or a date stands in double quotes with JSON's escapes,
 * which YAML 1.1 and 1.2 read alike. So no library is needed to write YAML.
 */

import {
  type Cidr,
  type Family,
  familyOf,
  formatCidr,
  formatIp,
  type Ip,
  parseCidr,
  parseIp,
  parseMac,
} from '../../lib/ip.ts'
import { hostnameProblem } from '../../lib/names.ts'
import { normalizeTarget } from '../../lib/paths.ts'
import { shellQuote } from '../../lib/shell.ts'
import { trim } from '../../lib/text.ts'

export interface SeedRoute {
  /** A network like `10.0.0.0/8`, or `default`. */
  readonly to: string
  /** The gateway's address; without one the network is on the link itself. */
  readonly via?: string
  readonly metric?: number
  /** The gateway is on the link, though no prefix of the NIC's covers it. */
  readonly onLink?: boolean
}

export interface SeedNic {
  /** What the configuration calls it; the guest finds it by its MAC. */
  readonly name: string
  readonly mac: string
  /** Each like `10.0.0.2/24`; without a length it is a host's own, /32 or /128. */
  readonly addresses: readonly string[]
  readonly gateway4?: string
  readonly gateway6?: string
  readonly routes?: readonly SeedRoute[]
  readonly nameservers?: readonly string[]
  readonly search?: readonly string[]
  readonly mtu?: number
  /** Default false, and written all the same, as a host does. */
  readonly dhcp4?: boolean
  /** The name that it gets. */
  readonly setName?: string
}

export interface SeedMount {
  /** `/dev/vda`, `LABEL=…`, `UUID=…`, or a virtiofs tag. */
  readonly source: string
  readonly target: string
  /** Default `auto`. */
  readonly type?: string
  /** As in the fourth field of fstab(5); default `defaults`. */
  readonly options?: string
}

export type Environment = Readonly<Record<string, string>> | ReadonlyMap<string, string>

export interface SeedData {
  readonly instanceId?: string
  readonly hostname?: string
  readonly nics?: readonly SeedNic[]
  readonly mounts?: readonly SeedMount[]
  /** root's: a line of authorized_keys(5) each; white space around it doesn't count. */
  readonly authorizedKeys?: readonly string[]
  readonly environment?: Environment
  /** Its arguments are said even where there are none, so that none of a weaker source apply. */
  readonly entrypoint?: { readonly init: string; readonly args: readonly string[] }
}

/** Text by file name, to be written as UTF-8. */
export type EncodedSeed = Readonly<Record<'meta-data' | 'network-config' | 'user-data' | 'zosrc', string>>

/**
 * A seed's four files.
 * @throws RangeError for what they can't carry
 */
export function encodeSeed(data: SeedData): EncodedSeed {
  return {
    'meta-data': document(metaData(data)),
    'network-config': document(networkConfig(data.nics ?? [])),
    'user-data': document(userData(data)),
    zosrc: zosrc(data),
  }
}

function metaData({ instanceId, hostname }: SeedData): Lines {
  return [
    ...optional(instanceId, (id) => field('instance-id', text('instanceId', id))),
    ...optional(hostname, (name) => field('local-hostname', scalar(checkHostname('hostname', name)))),
  ]
}

function networkConfig(nics: readonly SeedNic[]): Lines {
  const names = new Set<string>()
  const ethernets = nics.flatMap((nic, index) => {
    const what = `nics[${index}]`
    checkInterface(`${what}.name`, nic.name)
    checkOnce(`${what}.name`, nic.name, names)
    return mapping(scalar(nic.name), nicFields(what, nic))
  })
  return [...mapping('ethernets', ethernets), ...field('version', '2')]
}

function nicFields(what: string, nic: SeedNic): Lines {
  const addresses = nic.addresses.map((each, index) => cidr(readCidr(`${what}.addresses[${index}]`, each)))
  const routes = (nic.routes ?? []).map((each, index) => routeFields(`${what}.routes[${index}]`, each))
  const servers = [...nameServers(what, nic), ...searchDomains(what, nic)]
  return [
    ...mapping('match', field('macaddress', scalar(checkMac(`${what}.mac`, nic.mac)))),
    ...field('dhcp4', String(nic.dhcp4 ?? false)),
    ...list('addresses', addresses),
    ...optional(nic.gateway4, (ip) => field('gateway4', gateway(`${what}.gateway4`, ip, 4))),
    ...optional(nic.gateway6, (ip) => field('gateway6', gateway(`${what}.gateway6`, ip, 6))),
    ...(routes.length > 0 ? list('routes', routes) : []),
    ...(servers.length > 0 ? mapping('nameservers', servers) : []),
    // RFC 791: every link carries 68 bytes. 65535 is what a virtio NIC can at most.
    ...optional(nic.mtu, (mtu) => field('mtu', number(`${what}.mtu`, mtu, 68, 65535))),
    ...optional(nic.setName, (name) => field('set-name', scalar(checkInterface(`${what}.setName`, name)))),
  ]
}

function nameServers(what: string, { nameservers = [] }: SeedNic): Lines {
  const ips = nameservers.map((each, index) => ip(readIp(`${what}.nameservers[${index}]`, each)))
  return ips.length > 0 ? list('addresses', ips) : []
}

function searchDomains(what: string, { search = [] }: SeedNic): Lines {
  const domains = search.map((domain, index) => {
    const where = `${what}.search[${index}]`
    // One word of resolv.conf(5).
    if (!/^[^\0- #;]+$/.test(domain)) throw refusal(where, `${show(domain)} is not a search domain`)
    return [text(where, domain)]
  })
  return domains.length > 0 ? list('search', domains) : []
}

function routeFields(what: string, { to, via, metric, onLink = false }: SeedRoute): Lines {
  const network = to === 'default' ? undefined : readCidr(`${what}.to`, to)
  const router = via === undefined ? undefined : readIp(`${what}.via`, via)
  if (network !== undefined && router !== undefined && familyOf(network.address) !== familyOf(router))
    throw refusal(what, `leads to ${show(to)} by a gateway of the other family, ${show(via ?? '')}`)
  return [
    ...field('to', network === undefined ? 'default' : scalar(formatCidr(network))),
    ...optional(router, (each) => field('via', scalar(formatIp(each)))),
    ...optional(metric, (each) => field('metric', number(`${what}.metric`, each, 0, 0xffff_ffff))),
    ...(onLink ? field('on-link', 'true') : []),
  ]
}

function userData({ mounts = [], authorizedKeys = [] }: SeedData): Lines {
  const targets = new Set<string>()
  const keys = authorizedKeys.map((each, index) => [scalar(checkKey(`authorizedKeys[${index}]`, each))])
  const root = [...field('name', 'root'), ...list('ssh_authorized_keys', keys)]
  return [
    ...list(
      'mounts',
      mounts.map((mount, index) => mountFields(`mounts[${index}]`, mount, targets)),
    ),
    ...list('users', keys.length > 0 ? [root] : []),
  ]
}

/** The six fields of fstab(5). */
function mountFields(what: string, mount: SeedMount, targets: Set<string>): Lines {
  const { source, target, type = 'auto', options = 'defaults' } = mount
  if (source === '') throw refusal(`${what}.source`, 'is empty')
  if (type === '') throw refusal(`${what}.type`, 'is empty')
  if (type === 'swap' || target === 'swap' || target === 'none')
    throw refusal(what, `${show(source)} has no place in the tree, and the guest would skip it`)
  const fields = [
    text(`${what}.source`, source),
    scalar(checkTarget(`${what}.target`, target, targets)),
    text(`${what}.type`, type),
    text(`${what}.options`, options),
    '"0"',
    '"0"',
  ]
  return fields.flatMap((each) => item([each]))
}

function zosrc({ environment = {}, entrypoint }: SeedData): string {
  const commands = entriesOf(environment).map(([name, value]) => {
    const what = `environment[${show(name)}]`
    checkVariable(what, name)
    // Ours takes any name, and a name that a shell gives a meaning to must not have it for the older guest.
    const word = /^[\w.-]+$/.test(name) ? name : shellQuote(name)
    return `export ${word}=${shellQuote(checkText(what, value))}\n`
  })
  if (entrypoint !== undefined) {
    const { init, args } = entrypoint
    if (init === '') throw refusal('entrypoint.init', 'is empty')
    commands.push(`init=${shellQuote(checkText('entrypoint.init', init))}\n`)
    const words = args.map((each, index) => shellQuote(checkText(`entrypoint.args[${index}]`, each)))
    commands.push(`${['set --', ...words].join(' ')}\n`)
  }
  return commands.join('')
}

/** POSIX, XCU 2.2.2: nothing means anything in single quotes, but the quote that ends them. */
// YAML, as lines: a list's items are not indented below their key, as Go's library and so a host has it.

type Lines = readonly string[]

const document = (lines: Lines): string => ['#cloud-config', ...lines, ''].join('\n')

const field = (key: string, value: string): Lines => [`${key}: ${value}`]

const mapping = (key: string, fields: Lines): Lines =>
  fields.length === 0 ? field(key, '{}') : [`${key}:`, ...fields.map((line) => `  ${line}`)]

const list = (key: string, items: readonly Lines[]): Lines =>
  items.length === 0 ? field(key, '[]') : [`${key}:`, ...items.flatMap(item)]

const item = (lines: Lines): Lines => lines.map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`))

const optional = <T>(value: T | undefined, write: (value: T) => Lines): Lines =>
  value === undefined ? [] : write(value)

/** What no reader takes for anything but a text, if it isn't one of `WORDS`. */
const PLAIN = /^[A-Za-z/][\w/.@+-]*$/

/** YAML 1.1's booleans and null, and what one library of it takes for a number without digits before its exponent. */
const WORDS = /^(?:y|yes|n|no|on|off|true|false|null|e[-+]?[\d_]+)$/i

/** What JSON leaves as it is and YAML 1.1 takes for a line's end or for nothing printable (its 5.1 and 5.4). */
const UNPRINTABLE = /[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]/g

function scalar(value: string): string {
  if (PLAIN.test(value) && !WORDS.test(value)) return value
  return JSON.stringify(value).replace(UNPRINTABLE, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

const text = (what: string, value: string): string => scalar(checkText(what, value))
const cidr = (value: Cidr): Lines => [scalar(formatCidr(value))]
const ip = (value: Ip): Lines => [scalar(formatIp(value))]
const number = (what: string, value: number, least: number, most: number): string =>
  String(checkNumber(what, value, least, most))

function gateway(what: string, value: string, family: Family): string {
  const address = readIp(what, value)
  if (familyOf(address) !== family) throw refusal(what, `${show(value)} is not an IPv${family} address`)
  return scalar(formatIp(address))
}

// What both encoders refuse, and how they say it. A variable and an argument may be secret: their values aren't shown.

export const refusal = (what: string, why: string): RangeError => new RangeError(`${what}: ${why}`)

/** A text for an error, shortened. */
export const show = (value: string): string =>
  JSON.stringify(value.length > 120 ? `${value.slice(0, 117)}...` : value)

/** The text, if UTF-8 and C's strings can hold it. */
export function checkText(what: string, value: string): string {
  if (value.includes('\0')) throw refusal(what, 'has a NUL in it, where a text ends for the kernel')
  if (!value.isWellFormed()) throw refusal(what, 'has half a surrogate pair in it, which has no UTF-8')
  return value
}

/** Notes the value, if it is a new one: of two the guest would keep the last. */
export function checkOnce(what: string, value: string, known: Set<string>): void {
  if (known.has(value)) throw refusal(what, `${show(value)} is there twice`)
  known.add(value)
}

export function checkNumber(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw refusal(what, `${value} is not a whole number from ${least} to ${most}`)
}

export function checkHostname(what: string, name: string): string {
  const wrong = hostnameProblem(name)
  if (wrong !== undefined) throw refusal(what, `${show(name)} ${wrong}`)
  return name
}

/** A name for a variable: what execve(2) can pass, which is more than a shell can. */
export function checkVariable(what: string, name: string): void {
  if (name === '') throw refusal(what, 'a variable without a name')
  if (name.includes('=')) throw refusal(what, 'no variable can have = in its name')
  checkText(what, name)
}

/** The target as the guest will have it, if it is one and a new one. */
export function checkTarget(what: string, target: string, known: Set<string>): string {
  const path = normalizeTarget(checkText(what, target))
  if (path === undefined)
    throw refusal(what, `${show(target)} is not a valid mount point: it must be a path below /`)
  checkOnce(what, path, known)
  return path
}

export function readIp(what: string, value: string): Ip {
  const address = parseIp(value)
  if (address === undefined) throw refusal(what, `${show(value)} is not an IP address`)
  return address
}

export function readCidr(what: string, value: string): Cidr {
  const network = parseCidr(value)
  if (network === undefined) throw refusal(what, `${show(value)} is not an address like 10.0.0.2/24`)
  return network
}

export const entriesOf = (environment: Environment): readonly (readonly [string, string])[] =>
  environment instanceof Map ? [...environment.entries()] : Object.entries(environment)

/** dev_valid_name of the kernel's net/core/dev.c, less what netplan would take for a pattern. */
function checkInterface(what: string, name: string): string {
  if (!/^(?!\.\.?$)[\w.@+-]{1,15}$/.test(name))
    throw refusal(what, `${show(name)} is not an interface's name`)
  return name
}

function checkMac(what: string, value: string): string {
  const mac = parseMac(value)
  if (mac === undefined) throw refusal(what, `${show(value)} is not a MAC like 52:54:00:12:34:56`)
  return mac
}

/** One line, since of several each would be a key. */
function checkKey(what: string, value: string): string {
  const key = trim(checkText(what, value))
  if (key === '') throw refusal(what, 'is empty')
  if (key.startsWith('#')) throw refusal(what, 'is a comment, not a key')
  if (key.includes('\n')) throw refusal(what, 'has several lines; each key is an item of its own')
  return key
}
