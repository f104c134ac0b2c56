/**
 * Writes the files of a seed (docs/protocol.md) as a zos host does: the counterpart of `config/seed.ts`. A RangeError
 * names what these files can't carry, so that no machine boots with less than it was given.
 */

import { type Cidr, type Family, familyOf, formatCidr, formatIp, type Ip, parseMac } from '../../lib/ip.ts'
import { shellQuote } from '../../lib/shell.ts'
import { trim } from '../../lib/text.ts'
import {
  checkHostname,
  checkNumber,
  checkOnce,
  checkTarget,
  checkText,
  checkVariable,
  type Environment,
  entriesOf,
  readCidr,
  readIp,
  refusal,
  show,
} from './checks.ts'
import { document, field, item, type Lines, list, mapping, optional, scalar } from './yaml-writer.ts'

export interface SeedRoute {
  /** A network like `10.0.0.0/8`, or `default`. */
  readonly to: string
  /** The gateway's address; without it the network is on the link itself. */
  readonly via?: string
  readonly metric?: number
  /** The gateway is on the link, although no prefix of the NIC covers it. */
  readonly onLink?: boolean
}

export interface SeedNic {
  /** The configuration's name for it; the guest finds it by its MAC. */
  readonly name: string
  readonly mac: string
  /** Each like `10.0.0.2/24`; the prefix defaults to /32 or /128. */
  readonly addresses: readonly string[]
  readonly gateway4?: string
  readonly gateway6?: string
  readonly routes?: readonly SeedRoute[]
  readonly nameservers?: readonly string[]
  readonly search?: readonly string[]
  readonly mtu?: number
  /** Default false; always written, as hosts do. */
  readonly dhcp4?: boolean
  /** Its new name. */
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

export interface SeedData {
  readonly instanceId?: string
  readonly hostname?: string
  readonly nics?: readonly SeedNic[]
  readonly mounts?: readonly SeedMount[]
  /** SSH keys for root: each a line of authorized_keys(5); surrounding white space is removed. */
  readonly authorizedKeys?: readonly string[]
  readonly environment?: Environment
  /** Its arguments are always written, even an empty list, to replace those of weaker sources. */
  readonly entrypoint?: { readonly init: string; readonly args: readonly string[] }
}

/** Text by file name, in UTF-8. */
export type EncodedSeed = Readonly<Record<'meta-data' | 'network-config' | 'user-data' | 'zosrc', string>>

/** @throws RangeError for what a seed's files can't carry */
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
    // RFC 791: every link carries 68 bytes. 65535 is the most that a virtio NIC can have.
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
    throw refusal(what, `${show(to)} and its gateway ${show(via ?? '')} are of different families`)
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
    throw refusal(what, `${show(source)} has no mount point, so the guest would skip it`)
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
    // Our PID 1 takes any name, but older guests run this file in a shell, so special characters are quoted.
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

/** As dev_valid_name in the kernel's net/core/dev.c, without what netplan would take for a pattern. */
function checkInterface(what: string, name: string): string {
  if (!/^(?!\.\.?$)[\w.@+-]{1,15}$/.test(name)) throw refusal(what, `${show(name)} is not an interface name`)
  return name
}

function checkMac(what: string, value: string): string {
  const mac = parseMac(value)
  if (mac === undefined) throw refusal(what, `${show(value)} is not a MAC like 52:54:00:12:34:56`)
  return mac
}

/** A single line, since each line would be a key. */
function checkKey(what: string, value: string): string {
  const key = trim(checkText(what, value))
  if (key === '') throw refusal(what, 'is empty')
  if (key.startsWith('#')) throw refusal(what, 'is a comment, not a key')
  if (key.includes('\n')) throw refusal(what, 'has several lines; each key needs an item of its own')
  return key
}
