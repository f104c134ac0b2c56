/** Reads the keys of the kernel command line (docs/protocol.md, "Kernel command line"). */

import { type Cidr, type Family, familyOf, type Ip, parseCidr, parseIp, sameIp } from '../lib/ip.ts'
import { hostnameProblem, isInterfaceName, isLetter } from '../lib/names.ts'
import { normalizeTarget } from '../lib/paths.ts'
import { type Problem, report } from '../lib/problem.ts'
import { brief, nearest, parseDecimal, quote, splitList, trim } from '../lib/text.ts'
import { parseCmdline, type Token } from './cmdline.ts'
import type { Layer, MountConfig, NicConfig, RootConfig, RouteConfig, Settings } from './machine.ts'

const SOURCE = 'kernel command line'

export interface Parsed {
  readonly layer: Layer
  readonly problems: readonly Problem[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export interface SettingsReader {
  readonly settings: Mutable<Partial<Settings>>
  /** Reports a problem with the current key. */
  complain(message: string): void
}

interface Collected extends SettingsReader {
  readonly root: Mutable<Partial<RootConfig>>
  readonly nics: NicConfig[]
  readonly routes: RouteConfig[]
  readonly nameServers: Ip[]
  readonly mounts: MountConfig[]
  readonly environment: Map<string, string>
  hostname?: string
  init?: string
}

/** Our own keys, without the `zmachine.` prefix. */
export const OWN_KEYS = [
  'mode',
  'on_exit',
  'grace',
  'user',
  'cwd',
  'strict',
  'log',
  'log_file',
  'timeline',
  'shell',
  'inspect',
]

/**
 * Parses the kernel command line into a layer. Keys that are not ours are ignored; an unknown `zmachine.*` is a problem
 * that names the nearest known key.
 */
export function parseKeys(text: string): Parsed {
  const { tokens, args, hasArguments } = parseCmdline(text)
  const problems: Problem[] = []
  let current: Token | undefined
  const into: Collected = {
    root: {},
    settings: {},
    nics: [],
    routes: [],
    nameServers: [],
    mounts: [],
    environment: new Map(),
    complain: (message) =>
      report(problems, {
        source: SOURCE,
        column: current?.column ?? 1,
        message: `${brief(current?.key ?? '')}: ${message}`,
      }),
  }
  for (const token of tokens) {
    current = token
    apply(into, token)
  }
  return {
    layer: {
      source: SOURCE,
      root: into.root,
      settings: into.settings,
      nics: into.nics,
      routes: into.routes,
      mounts: into.mounts,
      environment: into.environment,
      ...(into.nameServers.length > 0 && { nameServers: into.nameServers }),
      ...(into.hostname !== undefined && { hostname: into.hostname }),
      ...(into.init !== undefined && { init: into.init }),
      ...(hasArguments && { args }),
    },
    problems,
  }
}

/** A switch, not a table of functions: the engine would create each of them when the module is loaded. */
function apply(into: Collected, { key, value = '' }: Token): void {
  switch (key) {
    case 'root':
      into.root.source = value
      break
    case 'rootfstype':
      // The kernel takes a list; hosts write a single type.
      into.root.type = value === '' ? undefined : value
      break
    case 'rootflags':
      into.root.options = value
      break
    case 'ro':
    case 'rw':
      into.root.readOnly = key === 'ro'
      break
    case 'rootdelay':
      assign(into.root, 'delay', readSeconds(into, value))
      break
    case 'rootwait':
      // Without a number the kernel waits forever. Nobody watches a machine that does, so an hour has to be enough.
      into.root.delay = parseDecimal(value) ?? 3600
      break
    case 'init':
      if (value === '') into.complain('empty path; ignored')
      else into.init = value
      break
    case 'host': {
      const wrong = hostnameProblem(value)
      if (wrong === undefined) into.hostname = value
      else into.complain(`${quote(value)} ${wrong}; the hostname is not changed`)
      break
    }
    case 'net_r4':
      routes(into, value, 4)
      break
    case 'net_r6':
      routes(into, value, 6)
      break
    case 'net_dns':
      nameServers(into, value)
      break
    default:
      if (key.startsWith('net_eth')) nic(into, key.slice('net_'.length), value)
      else if (key.startsWith('zmachine.')) applyOwn(into, key.slice('zmachine.'.length), value)
      else if (key.startsWith('qsfs_')) mount(into, key.slice('qsfs_'.length), value, 'virtiofs')
      else if (isDisk(key)) mount(into, `/dev/${key}`, value, 'auto')
  }
}

function applyOwn(into: Collected, name: string, value: string): void {
  if (applySetting(into, name, value)) return
  if (name.startsWith('env.') && name.length > 'env.'.length) {
    into.environment.set(name.slice('env.'.length), value)
  } else {
    const known = nearest(name, [...OWN_KEYS, 'env.'])
    const meant = known === 'env.' ? 'env.KEY' : known
    into.complain(`unknown key${meant === undefined ? '' : `; did you mean zmachine.${meant}?`}`)
  }
}

/**
 * Applies a setting, given its name without `zmachine.`; an unusable value is a problem.
 * @returns whether there is such a setting
 */
export function applySetting(into: SettingsReader, name: string, value: string): boolean {
  const { settings } = into
  switch (name) {
    case 'mode':
      assign(settings, 'mode', choose(into, value, ['auto', 'supervise', 'exec']))
      break
    case 'on_exit':
      assign(settings, 'onExit', choose(into, value, ['reboot', 'poweroff', 'halt', 'restart']))
      break
    case 'log':
      assign(settings, 'log', choose(into, value, ['info', 'quiet', 'debug']))
      break
    case 'grace':
      assign(settings, 'grace', readSeconds(into, value))
      break
    case 'inspect':
      assign(settings, 'inspect', readPort(into, value))
      break
    case 'user':
      if (value !== '') settings.user = value
      break
    case 'cwd':
      if (value.startsWith('/')) settings.cwd = value
      else into.complain(`${quote(value)} is not an absolute path; ignored`)
      break
    case 'log_file':
      readLogFile(into, value)
      break
    case 'strict':
    case 'timeline':
    case 'shell':
      settings[name] = isOn(value)
      break
    default:
      return false
  }
  return true
}

/** Sets a field, or leaves it as it was if the value is not valid. */
function assign<T, K extends keyof T>(to: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) to[key] = value
}

/** The value, if it is one of these; otherwise undefined, and a problem. */
function choose<T extends string>(into: SettingsReader, value: string, values: readonly T[]): T | undefined {
  for (const candidate of values) if (candidate === value) return candidate
  into.complain(`${quote(value)} is not one of ${values.join(', ')}; ignored`)
  return undefined
}

function readSeconds(into: SettingsReader, value: string): number | undefined {
  const seconds = parseDecimal(value)
  if (seconds === undefined) into.complain(`${quote(value)} is not a number of seconds; ignored`)
  return seconds
}

/** A flag is on without a value, too. */
const isOn = (value: string): boolean =>
  value !== '0' && value !== 'no' && value !== 'false' && value !== 'off'

/** Smaller ones would be rotated all the time, larger ones fill a root. In bytes. */
export const LOG_FILE = { default: 1 << 20, least: 4096, most: 1 << 30 }

/** A flag, or a size: `65536`, `64k`, `1M`. */
function readLogFile(into: SettingsReader, value: string): void {
  const { settings } = into
  if (!isOn(value)) settings.logFile = undefined
  else if (value === '' || value === '1' || value === 'yes' || value === 'true' || value === 'on')
    settings.logFile = LOG_FILE.default
  else {
    const size = parseSize(value)
    if (size !== undefined && size >= LOG_FILE.least && size <= LOG_FILE.most) settings.logFile = size
    else into.complain(`${quote(value)} is not a size from 4k to 1g, like 1m; ignored`)
  }
}

/** Bytes, or kibibytes, mebibytes and gibibytes with `k`, `m` or `g` behind them, as docker's sizes. */
function parseSize(text: string): number | undefined {
  const at = 'kmg'.indexOf(text.slice(-1).toLowerCase())
  if (at < 0) return parseDecimal(text)
  const count = parseDecimal(text.slice(0, -1))
  return count === undefined ? undefined : count * (1 << (10 * (at + 1)))
}

function readPort(into: SettingsReader, value: string): number | undefined {
  const port = parseDecimal(value)
  if (port !== undefined && port > 0 && port < 0x10000) return port
  into.complain(`${quote(value)} is not a TCP port; ignored`)
  return undefined
}

function nameServers(into: Collected, value: string): void {
  for (const part of splitList(value, ';')) {
    const ip = parseIp(part)
    if (ip === undefined) into.complain(`${quote(part)} is not an IP address; skipped`)
    else into.nameServers.push(ip)
  }
}

/** `vda` to `vdz`, `vdaa`, …: the kernel's names for virtio disks; `vdso` is an unrelated parameter. */
function isDisk(key: string): boolean {
  if (key.length < 3 || key.length > 5 || !key.startsWith('vd') || key === 'vdso') return false
  for (let at = 2; at < key.length; at++) {
    const char = key.charAt(at)
    if (char < 'a' || char > 'z') return false
  }
  return true
}

function mount(into: Collected, source: string, target: string, type: string): void {
  if (source === '') {
    into.complain('no tag after qsfs_; skipped')
    return
  }
  const path = normalizeTarget(target)
  if (path === undefined)
    into.complain(`${quote(target)} is not a valid mount point: it must be a path below /`)
  // Without a valid target it is planned anyway, so that the plan refuses it: data on the wrong disk is lost data.
  into.mounts.push({ source, target: path ?? '', type, options: '', from: SOURCE })
}

function nic(into: Collected, name: string, value: string): void {
  const addresses: Cidr[] = []
  for (const part of splitList(value, ';')) {
    const cidr = parseCidr(part)
    if (cidr === undefined) into.complain(`${quote(part)} is not an address like 10.0.0.2/24; skipped`)
    else if (addresses.some((known) => known.prefix === cidr.prefix && sameIp(known.address, cidr.address)))
      continue
    else addresses.push(cidr)
  }
  if (!isNicName(name)) into.complain(`${quote(name)} is not an interface name; skipped`)
  else into.nics.push({ name, addresses })
}

function routes(into: Collected, value: string, family: Family): void {
  for (const part of splitList(value, ';')) {
    const [to = '', via = '', ...rest] = part.split(',').map(trim)
    if (to === '' || via === '' || rest.length > 0) {
      into.complain(`${quote(part)} is not DESTINATION,GATEWAY; skipped`)
      continue
    }
    const destination = to === 'default' ? undefined : parseCidr(to)
    if (to !== 'default' && (destination === undefined || familyOf(destination.address) !== family)) {
      into.complain(`${quote(to)} is not an IPv${family} network; the route is skipped`)
      continue
    }
    const gateway = parseIp(via)
    if (gateway !== undefined && familyOf(gateway) !== family) {
      into.complain(`${quote(via)} is not an IPv${family} gateway; the route is skipped`)
      continue
    }
    if (gateway === undefined && !isNicName(via)) {
      into.complain(`${quote(via)} is neither an IP address nor an interface; the route is skipped`)
      continue
    }
    into.routes.push({
      // 0.0.0.0/0 is the same as `default`, and must be recognized as such.
      destination: destination?.prefix === 0 ? undefined : destination,
      family,
      gateway,
      nic: gateway === undefined ? via : undefined,
      metric: undefined,
      onLink: false,
    })
  }
}

/** Stricter than an interface name: what begins with a digit is a mistyped address. */
function isNicName(text: string): boolean {
  return isLetter(text.charCodeAt(0)) && isInterfaceName(text)
}
