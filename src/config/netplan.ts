/**
 * `network-config` of a seed: netplan's version 2 (https://netplan.readthedocs.io/en/stable/netplan-yaml/), as far
 * as the contract has it. Ethernet only; what is not understood is told and left out.
 */

import { type Cidr, type Ip, isIpv6, parseCidr, parseIp, parseMac } from '../lib/ip.ts'
import { quote } from '../lib/text.ts'
import type { Parsed } from './keys.ts'
import type { NicConfig, RouteConfig } from './machine.ts'
import { parseYaml } from './yaml.ts'
import type { Place, YamlNode } from './yaml-reader.ts'
import {
  asBoolean,
  asNumber,
  asText,
  type Complaining,
  type Field,
  isNull,
  items,
  readFields,
  show,
} from './yaml-values.ts'

interface Collected extends Complaining {
  readonly nics: NicConfig[]
  readonly routes: RouteConfig[]
  /** By their text, each once. */
  readonly nameServers: Map<string, Ip>
  readonly searchDomains: Set<string>
}

/** One entry of `ethernets`, while it is read. */
interface Nic extends Complaining {
  readonly all: Collected
  /** Where it stands in the file, for the problems: `ethernets.eth0`. */
  readonly what: string
  /** The kernel's name, where `match` gives that instead of a MAC. */
  matchName?: string
  mac?: string
  setName?: string
  mtu?: number
  dhcp4?: boolean
  /** By their text, each once. */
  readonly addresses: Map<string, Cidr>
  /** Their NIC's name is not known before all is read. */
  readonly routes: Omit<RouteConfig, 'nic'>[]
}

interface Route extends Complaining {
  readonly what: string
  to?: YamlNode
  via?: YamlNode
  metric?: number
  onLink: boolean
  /** Something says that it is no plain route of the main table. */
  isSpecial: boolean
}

/** @param source the file's name, for the problems */
export function parseNetplan(text: string, source: string): Parsed {
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = { nics: [], routes: [], nameServers: new Map(), searchDomains: new Set(), complain }
  const wrapped = root.kind === 'mapping' ? root.entries.get('network') : undefined
  readTop(into, wrapped?.value ?? root)
  if (wrapped !== undefined && root.kind === 'mapping' && root.entries.size > 1)
    complain(root, 'keys beside `network` are ignored')
  const { nics, routes, nameServers, searchDomains } = into
  return {
    layer: {
      source,
      nics,
      routes,
      ...(nameServers.size > 0 && { nameServers: [...nameServers.values()] }),
      ...(searchDomains.size > 0 && { searchDomains: [...searchDomains] }),
    },
    problems,
  }
}

const TOP: Readonly<Record<string, Field<Collected>>> = {
  version: () => undefined,
  ethernets: (into, node) => {
    if (node.kind !== 'mapping') readFields(into, node, 'ethernets', {})
    else for (const [name, { value, ...at }] of node.entries) readNic(into, name, value, at)
  },
}

function readTop(into: Collected, node: YamlNode): void {
  const version = node.kind === 'mapping' ? node.entries.get('version')?.value : undefined
  if (version !== undefined && asText(version) !== '2') {
    into.complain(
      version,
      `version ${show(version)} is not understood, only 2 (netplan); no NIC is configured`,
    )
    return
  }
  // `config: disabled` is cloud-init's word for: leave the network alone.
  const config = node.kind === 'mapping' ? node.entries.get('config')?.value : undefined
  const isDisabled = config !== undefined && asText(config) === 'disabled'
  readFields(into, node, '', TOP, isDisabled ? ['renderer', 'config'] : ['renderer'])
}

/** A key whose value changes nothing where it is the given one, and is not supported where it is another one. */
const only =
  (wanted: boolean, why: string): Field<Nic> =>
  (nic, node, at) => {
    if (asBoolean(node) !== wanted) nic.complain(at, `${nic.what}: ${why}; ignored`)
  }

const NIC: Readonly<Record<string, Field<Nic>>> = {
  match: (nic, node) => readFields(nic, node, `${nic.what}.match`, MATCH),
  'set-name': (nic, node) => {
    const name = asText(node)
    if (name !== undefined && isInterfaceName(name)) nic.setName = name
    else nic.complain(node, `${nic.what}.set-name: ${show(node)} is not an interface name; ignored`)
  },
  mtu: (nic, node) => {
    const mtu = asNumber(node)
    // RFC 791: every link carries 68 bytes. A virtio NIC's own limit is 65535.
    if (mtu !== undefined && mtu >= 68 && mtu <= 65535) nic.mtu = mtu
    else nic.complain(node, `${nic.what}.mtu: ${show(node)} is not a number from 68 to 65535; ignored`)
  },
  dhcp4: (nic, node) => {
    const dhcp4 = asBoolean(node)
    if (dhcp4 === undefined) nic.complain(node, `${nic.what}.dhcp4: ${show(node)} is not a boolean; ignored`)
    else nic.dhcp4 = dhcp4
  },
  dhcp6: only(false, 'DHCPv6 is not supported'),
  'accept-ra': only(false, 'router advertisements are not accepted'),
  addresses: (nic, node) => {
    for (const item of items(node, `${nic.what}.addresses`, nic)) readAddress(nic, item)
  },
  gateway4: (nic, node) => readGateway(nic, node, 4),
  gateway6: (nic, node) => readGateway(nic, node, 6),
  routes: (nic, node) => {
    for (const item of items(node, `${nic.what}.routes`, nic)) readRoute(nic, item)
  },
  nameservers: (nic, node) => readFields(nic, node, `${nic.what}.nameservers`, NAME_SERVERS),
}

/** Nothing of what these say is lost: a NIC that is missing is never waited for in vain, link-local is the kernel's. */
const QUIET_NIC: readonly string[] = [
  'renderer',
  'optional',
  'optional-addresses',
  'critical',
  'link-local',
  'dhcp-identifier',
  'wakeonlan',
  'ipv6-privacy',
  'ignore-carrier',
]

const MATCH: Readonly<Record<string, Field<Nic>>> = {
  macaddress: (nic, node) => {
    const mac = parseMac(asText(node) ?? '')
    if (mac === undefined)
      nic.complain(node, `${nic.what}.match.macaddress: ${show(node)} is no MAC; ignored`)
    else nic.mac = mac
  },
  name: (nic, node) => {
    const name = asText(node)
    if (name !== undefined && isInterfaceName(name)) nic.matchName = name
    else nic.complain(node, `${nic.what}.match.name: ${show(node)}: only a whole name is supported; ignored`)
  },
}

const NAME_SERVERS: Readonly<Record<string, Field<Nic>>> = {
  addresses: (nic, node) => {
    const { nameServers } = nic.all
    for (const item of items(node, `${nic.what}.nameservers.addresses`, nic)) {
      const text = asText(item) ?? ''
      const ip = parseIp(text)
      if (ip === undefined)
        nic.complain(item, `${nic.what}: ${show(item)} is not a name server's IP; skipped`)
      else nameServers.set(text, ip)
    }
  },
  search: (nic, node) => {
    for (const item of items(node, `${nic.what}.nameservers.search`, nic)) {
      const domain = asText(item)
      if (domain === undefined || !isDomain(domain))
        nic.complain(item, `${nic.what}: ${show(item)} is not a search domain; skipped`)
      else nic.all.searchDomains.add(domain)
    }
  },
}

function readNic(into: Collected, id: string, node: YamlNode, at: Place): void {
  const nic: Nic = {
    all: into,
    what: `ethernets.${id}`,
    addresses: new Map(),
    routes: [],
    complain: into.complain,
  }
  readFields(nic, node, nic.what, NIC, QUIET_NIC)
  const { matchName, mac, setName, mtu, dhcp4, addresses } = nic
  const name = mac === undefined ? (matchName ?? id) : id
  if (mac === undefined && !isInterfaceName(name)) {
    into.complain(at, `${nic.what}: neither a MAC nor an interface's name to find it by; skipped`)
    return
  }
  into.nics.push({
    name,
    ...(mac !== undefined && { mac }),
    ...(setName !== undefined && { setName }),
    ...(mtu !== undefined && { mtu }),
    ...(dhcp4 !== undefined && { dhcp4 }),
    addresses: [...addresses.values()],
  })
  for (const route of nic.routes) into.routes.push({ ...route, nic: name })
}

function readAddress(nic: Nic, node: YamlNode): void {
  if (node.kind === 'mapping') {
    // `- 10.0.0.2/24: {lifetime: 0}`: an address with options.
    for (const [text, { value, ...at }] of node.entries) {
      addAddress(nic, text, at)
      if (!isNull(value)) nic.complain(value, `${nic.what}.addresses: options of an address are ignored`)
    }
  } else {
    addAddress(nic, asText(node) ?? '', node)
  }
}

function addAddress(nic: Nic, text: string, at: Place): void {
  const cidr = parseCidr(text)
  if (cidr === undefined) {
    nic.complain(at, `${nic.what}.addresses: ${quote(text)} is not an address like 10.0.0.2/24; skipped`)
  } else {
    nic.addresses.set(text, cidr)
  }
}

const familyOf = (ip: Ip): 4 | 6 => (isIpv6(ip) ? 6 : 4)

function readGateway(nic: Nic, node: YamlNode, family: 4 | 6): void {
  const gateway = parseIp(asText(node) ?? '')
  if (gateway === undefined || familyOf(gateway) !== family) {
    nic.complain(node, `${nic.what}.gateway${family}: ${show(node)} is not an IPv${family} address; ignored`)
    return
  }
  nic.routes.push({ destination: undefined, family, gateway, metric: undefined, onLink: false })
}

const ROUTE: Readonly<Record<string, Field<Route>>> = {
  to: (route, node) => {
    route.to = node
  },
  via: (route, node) => {
    route.via = node
  },
  metric: (route, node) => {
    const metric = asNumber(node)
    if (metric !== undefined && metric <= 0xffff_ffff) route.metric = metric
    else route.complain(node, `${route.what}: the metric ${show(node)} is not a number; ignored`)
  },
  'on-link': (route, node) => {
    const onLink = asBoolean(node)
    if (onLink === undefined)
      route.complain(node, `${route.what}: on-link ${show(node)} is not a boolean; ignored`)
    else route.onLink = onLink
  },
  type: (route, node, at) => special(route, at, 'type', asText(node) !== 'unicast'),
  table: (route, node, at) => special(route, at, 'table', asNumber(node) !== 254),
}

/** Ignoring these would send packets where they must not go. */
function special(route: Route, at: Place, key: string, isSpecial: boolean): void {
  if (!isSpecial) return
  route.isSpecial = true
  route.complain(at, `${route.what}: \`${key}\` is not supported; the route is skipped`)
}

function readRoute(nic: Nic, node: YamlNode): void {
  const what = `${nic.what}.routes`
  const route: Route = { what, onLink: false, isSpecial: false, complain: nic.complain }
  readFields(route, node, what, ROUTE)
  if (route.isSpecial || node.kind !== 'mapping') return
  const { metric, onLink } = route
  const to = route.to === undefined ? undefined : asText(route.to)
  const destination = to === undefined || to === 'default' ? undefined : parseCidr(to)
  if (to === undefined || (to !== 'default' && destination === undefined)) {
    const shown = route.to === undefined ? 'nothing' : show(route.to)
    nic.complain(route.to ?? node, `${what}: ${shown} is not a network like 10.0.0.0/8; the route is skipped`)
    return
  }
  const via = route.via === undefined ? undefined : asText(route.via)
  // What Go prints for an address that isn't there: the host means a route through the link itself.
  const isOnNic = via === undefined || via === '<nil>'
  const gateway = isOnNic ? undefined : parseIp(via)
  if (!isOnNic && gateway === undefined) {
    nic.complain(route.via ?? node, `${what}: ${quote(via)} is not a gateway's IP; the route is skipped`)
    return
  }
  const either = destination?.address ?? gateway ?? [...nic.addresses.values()][0]?.address
  const family = either === undefined ? 4 : familyOf(either)
  if (gateway !== undefined && familyOf(gateway) !== family) {
    nic.complain(
      route.via ?? node,
      `${what}: the gateway is not IPv${family} as its network is; the route is skipped`,
    )
    return
  }
  const isDefault = destination === undefined || destination.prefix === 0
  nic.routes.push({ destination: isDefault ? undefined : destination, family, gateway, metric, onLink })
}

/** What the kernel takes as an interface's name (dev_valid_name), less what only a pattern or a mistake has. */
function isInterfaceName(name: string): boolean {
  if (name === '' || name.length > 15 || name === '.' || name === '..') return false
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '/:*?[]'.includes(name.charAt(at))) return false
  }
  return true
}

/** One word of resolv.conf, which a white space or a comment would break up. */
function isDomain(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '#;'.includes(name.charAt(at))) return false
  }
  return name !== ''
}
