/**
 * Reads a seed's `network-config`: netplan version 2 (https://netplan.readthedocs.io/en/stable/netplan-yaml/), as far as
 * docs/protocol.md has it. Ethernet only; anything else is a problem and left out.
 */

import { type Cidr, type Family, familyOf, type Ip, parseCidr, parseIp, parseMac } from '../lib/ip.ts'
import { isInterfaceName } from '../lib/names.ts'
import { brief, quote } from '../lib/text.ts'
import type { Parsed } from './keys.ts'
import type { NicConfig, RouteConfig } from './machine.ts'
import type { Place, YamlNode } from './yaml/reader.ts'
import {
  asBoolean,
  asNumber,
  asText,
  type Complaining,
  entryOf,
  isNull,
  placeOfKey,
  readFields,
  readItems,
  show,
} from './yaml/values.ts'
import { parseYaml } from './yaml/yaml.ts'

/** RT_TABLE_MAIN of rtnetlink(7). */
const MAIN_TABLE = 254

interface Collected extends Complaining {
  readonly nics: NicConfig[]
  readonly routes: RouteConfig[]
  /** By their text, without duplicates. */
  readonly nameServers: Map<string, Ip>
  readonly searchDomains: Set<string>
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** One entry of `ethernets` while it is being read. */
interface Nic extends Complaining {
  readonly all: Collected
  readonly config: Mutable<NicConfig>
  /** By their text, without duplicates. */
  readonly addresses: Map<string, Cidr>
  /** The kernel's name, if `match` has that and no MAC. */
  matchName?: string
  /** Its MAC is invalid. */
  unmatched?: boolean
  /** Their NIC's name is known only at the end. */
  readonly routes: Mutable<RouteConfig>[]
}

interface Route extends Complaining {
  to?: YamlNode
  via?: YamlNode
  metric?: number
  onLink: boolean
  /** It is not an ordinary route of the main table. */
  isSpecial: boolean
}

/** @param source the file's name, for the problems */
export function parseNetplan(text: string, source: string): Parsed {
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = {
    nics: [],
    routes: [],
    nameServers: new Map(),
    searchDomains: new Set(),
    complain,
  }
  const wrapped = entryOf(root, 'network')
  if (wrapped !== undefined) readFields(into, root, 0, 'the file', (_, key) => key === 'network')
  readNetwork(into, wrapped ?? root)
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

function readNetwork(into: Collected, node: YamlNode): void {
  const version = entryOf(node, 'version')
  if (version === undefined || asText(version) === '2') {
    readFields(into, node, 0, 'the network', readTop)
  } else {
    into.complain(
      placeOfKey(node, 'version'),
      `version ${show(version)} is not supported, only 2 (netplan); no NIC is configured`,
    )
  }
}

function readTop(into: Collected, key: string, value: YamlNode, at: Place): boolean {
  switch (key) {
    case 'ethernets':
      readFields(into, value, at, key, readNic)
      return true
    case 'config':
      // To cloud-init this means: leave the network alone.
      return asText(value) === 'disabled'
    case 'version':
    case 'renderer':
      return true
  }
  return false
}

function readNic(into: Collected, id: string, node: YamlNode, at: Place): boolean {
  const nic: Nic = {
    all: into,
    config: { name: id, addresses: [] },
    addresses: new Map(),
    routes: [],
    complain: (place, message) => into.complain(place, `${brief(id)}: ${message}`),
  }
  readFields(nic, node, at, 'the NIC', readNicField)
  const { config, routes } = nic
  config.addresses = [...nic.addresses.values()]
  if (nic.unmatched === true) return true
  if (config.mac === undefined) {
    config.name = nic.matchName ?? id
    if (!isInterfaceName(config.name)) {
      nic.complain(at, 'has neither a MAC nor an interface name to match; skipped')
      return true
    }
  }
  into.nics.push(config)
  for (const route of routes) {
    route.nic = config.name
    into.routes.push(route)
  }
  return true
}

function readNicField(nic: Nic, key: string, value: YamlNode, at: Place): boolean {
  switch (key) {
    case 'match':
      readFields(nic, value, at, key, readMatch)
      return true
    case 'addresses':
      readItems(nic, value, at, readAddress)
      return true
    case 'routes':
      readItems(nic, value, at, readRoute)
      return true
    case 'nameservers':
      readFields(nic, value, at, key, readNameServers)
      return true
    case 'gateway4':
      readGateway(nic, value, at, 4)
      return true
    case 'gateway6':
      readGateway(nic, value, at, 6)
      return true
    case 'dhcp4': {
      const dhcp4 = asBoolean(value)
      if (dhcp4 === undefined) nic.complain(at, `dhcp4: ${show(value)} is not a boolean; ignored`)
      else nic.config.dhcp4 = dhcp4
      return true
    }
    case 'mtu': {
      const mtu = asNumber(value)
      // RFC 791: every link carries 68 bytes. 65535 is the most that a virtio NIC can.
      if (mtu !== undefined && mtu >= 68 && mtu <= 65535) nic.config.mtu = mtu
      else nic.complain(at, `mtu: ${show(value)} is not a number from 68 to 65535; ignored`)
      return true
    }
    case 'set-name': {
      const name = asText(value)
      if (name !== undefined && isInterfaceName(name)) nic.config.setName = name
      else nic.complain(at, `set-name: ${show(value)} is not an interface name; ignored`)
      return true
    }
    // They are always off, so only asking for them is a problem.
    case 'dhcp6':
    case 'accept-ra':
      return asBoolean(value) === false
    // Irrelevant here: all NICs are waited for equally, the kernel makes link-local addresses, leases go by MAC.
    case 'optional':
    case 'optional-addresses':
    case 'critical':
    case 'renderer':
    case 'link-local':
    case 'dhcp-identifier':
    case 'ignore-carrier':
    case 'ipv6-privacy':
    case 'wakeonlan':
      return true
  }
  return false
}

function readMatch(nic: Nic, key: string, value: YamlNode, at: Place): boolean {
  const text = asText(value) ?? ''
  if (key === 'macaddress') {
    const mac = parseMac(text)
    // No fallback to the name: hosts attach NICs in any order, so another one may have it.
    if (mac === undefined) nic.complain(at, `${show(value)} is not a MAC; the NIC is skipped`)
    else nic.config.mac = mac
    nic.unmatched = mac === undefined
    return true
  }
  if (key !== 'name') return false
  if (isInterfaceName(text)) nic.matchName = text
  else nic.complain(at, `match by name: ${show(value)} is not a complete interface name; ignored`)
  return true
}

function readNameServers(nic: Nic, key: string, value: YamlNode, at: Place): boolean {
  if (key === 'addresses') readItems(nic, value, at, readNameServer)
  else if (key === 'search') readItems(nic, value, at, readSearchDomain)
  else return false
  return true
}

function readNameServer(nic: Nic, node: YamlNode, at: Place): void {
  const text = asText(node) ?? ''
  const ip = parseIp(text)
  if (ip === undefined) nic.complain(at, `${show(node)} is not a name server's IP address; skipped`)
  else nic.all.nameServers.set(text, ip)
}

function readSearchDomain(nic: Nic, node: YamlNode, at: Place): void {
  const domain = asText(node) ?? ''
  if (isDomain(domain)) nic.all.searchDomains.add(domain)
  else nic.complain(at, `${show(node)} is not a search domain; skipped`)
}

function readAddress(nic: Nic, node: YamlNode, at: Place): void {
  if (typeof node === 'string' || node.kind !== 'mapping') {
    addAddress(nic, asText(node) ?? '', at)
    return
  }
  // `- 10.0.0.2/24: {lifetime: 0}`: an address with options.
  readFields(nic, node, at, 'an address', (_, text, options, place) => {
    addAddress(nic, text, place)
    if (!isNull(options)) nic.complain(place, 'options of an address are not supported; ignored')
    return true
  })
}

function addAddress(nic: Nic, text: string, at: Place): void {
  const cidr = parseCidr(text)
  if (cidr === undefined) nic.complain(at, `${quote(text)} is not an address like 10.0.0.2/24; skipped`)
  else nic.addresses.set(text, cidr)
}

function readGateway(nic: Nic, node: YamlNode, at: Place, family: Family): void {
  const gateway = parseIp(asText(node) ?? '')
  if (gateway !== undefined && familyOf(gateway) === family) {
    addRoute(nic, undefined, family, gateway, undefined, false)
  } else if (!isNull(node)) {
    nic.complain(at, `gateway${family}: ${show(node)} is not an IPv${family} address; ignored`)
  }
}

function addRoute(
  nic: Nic,
  destination: Cidr | undefined,
  family: Family,
  gateway: Ip | undefined,
  metric: number | undefined,
  onLink: boolean,
): void {
  nic.routes.push({ destination, family, gateway, nic: undefined, metric, onLink })
}

function readRoute(nic: Nic, node: YamlNode, at: Place): void {
  const route: Route = { onLink: false, isSpecial: false, complain: nic.complain }
  readFields(route, node, at, 'a route', readRouteField)
  if (route.isSpecial || typeof node === 'string' || node.kind !== 'mapping') return
  const to = asText(route.to ?? '')
  const destination = to === undefined || to === 'default' ? undefined : parseCidr(to)
  if (to === undefined || (to !== 'default' && destination === undefined)) {
    nic.complain(at, `${show(route.to ?? '')} is not a network like 10.0.0.0/8; the route is skipped`)
    return
  }
  const via = asText(route.via ?? '')
  // Go prints a missing address as `<nil>`: the host means an on-link route.
  const gateway = via === undefined || via === '<nil>' ? undefined : parseIp(via)
  if (gateway === undefined && via !== undefined && via !== '<nil>') {
    nic.complain(at, `${quote(via)} is not a gateway's IP address; the route is skipped`)
    return
  }
  const either = destination?.address ?? gateway
  const family = either === undefined ? 4 : familyOf(either)
  if (gateway !== undefined && familyOf(gateway) !== family) {
    nic.complain(at, `network and gateway are not both IPv${family}; the route is skipped`)
    return
  }
  addRoute(
    nic,
    destination?.prefix === 0 ? undefined : destination,
    family,
    gateway,
    route.metric,
    route.onLink,
  )
}

function readRouteField(route: Route, key: string, value: YamlNode, at: Place): boolean {
  switch (key) {
    case 'to':
      route.to = value
      return true
    case 'via':
      route.via = value
      return true
    case 'metric': {
      const metric = asNumber(value)
      if (metric !== undefined && metric <= 0xffff_ffff) route.metric = metric
      else route.complain(at, `metric: ${show(value)} is not a number; ignored`)
      return true
    }
    case 'on-link': {
      const onLink = asBoolean(value)
      if (onLink === undefined) route.complain(at, `on-link: ${show(value)} is not a boolean; ignored`)
      else route.onLink = onLink
      return true
    }
    case 'type':
    case 'table':
      // Ignoring these would send packets where they must not go.
      if (asText(value) === 'unicast' || asNumber(value) === MAIN_TABLE) return true
      route.isSpecial = true
      route.complain(at, `${key} ${show(value)} is not supported; the route is skipped`)
      return true
  }
  return false
}

/** A single word in resolv.conf: white space or a comment would split it. */
function isDomain(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '#;'.includes(name.charAt(at))) return false
  }
  return name !== ''
}
