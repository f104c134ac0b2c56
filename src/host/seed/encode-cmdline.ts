/**
 * Writes a kernel command line with the keys of older zos hosts and our own (docs/protocol.md): the counterpart of
 * `config/keys.ts`. A RangeError names what it can't carry. That is more than for a seed: there are no escapes, and
 * x86 limits the whole line to 2047 bytes.
 */

import { parseCmdline } from '../../config/cmdline.ts'
import { LOG_FILE } from '../../config/keys.ts'
import type { RootConfig, Settings } from '../../config/machine.ts'
import { type Family, familyOf, formatCidr, formatIp } from '../../lib/ip.ts'
import { toByteText } from '../lib/byte-text.ts'
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

export interface CmdlineNic {
  /** `eth0`, `eth1`, … */
  readonly name: string
  /** Each like `10.0.0.2/24`; without any, the link is only brought up. */
  readonly addresses: readonly string[]
}

export interface CmdlineRoute {
  /** A network like `10.0.0.0/8`, or `default`: for IPv4, unless `via` is an IPv6 address. `::/0` is IPv6's. */
  readonly to: string
  /** The address of a gateway, or the name of a NIC. */
  readonly via: string
}

export interface CmdlineDisk {
  /** `vda`, `vdb`, … */
  readonly name: string
  readonly target: string
}

export interface CmdlineShare {
  readonly tag: string
  readonly target: string
}

export interface CmdlineData {
  /** `root=`, `rootfstype=`, `rootflags=`, `ro` or `rw`, `rootdelay=`. */
  readonly root?: Partial<RootConfig>
  readonly init?: string
  /** What follows `--`. An empty list removes the arguments of `/.zosrc`; undefined keeps them. */
  readonly args?: readonly string[]
  readonly hostname?: string
  readonly nics?: readonly CmdlineNic[]
  readonly routes?: readonly CmdlineRoute[]
  readonly nameservers?: readonly string[]
  readonly disks?: readonly CmdlineDisk[]
  readonly shares?: readonly CmdlineShare[]
  readonly environment?: Environment
  readonly settings?: Partial<Settings>
}

/** COMMAND_LINE_SIZE in arch/x86/include/asm/setup.h, without the NUL; arm64 has the same. */
const LONGEST = 2047

/**
 * CONFIG_INIT_ENV_ARG_LIMIT in the kernel's init/main.c. Unknown keys without a dot go into init's environment beside
 * HOME and TERM; the kernel panics if there are more of them, or more arguments.
 */
const MOST_KEYS = 31
const MOST_ARGS = 32

/** `parseDecimal` takes 15 digits. */
const MOST_SECONDS = 999_999_999_999_999

/**
 * @returns the command line, to be passed as UTF-8. Put the kernel's own parameters (`console=`, `panic=`, …) before it:
 * what follows `--` belongs to the entrypoint
 * @throws RangeError for what a command line can't carry
 */
export function encodeCmdline(data: CmdlineData): string {
  const unknown = [...network(data), ...mounts(data)]
  const keys = new Set(unknown.map(({ key }) => key).filter((key) => !key.includes('.')))
  if (keys.size > MOST_KEYS)
    throw refusal(
      'the command line',
      `${keys.size} keys; the kernel panics if there are more than ${MOST_KEYS}`,
    )
  const tokens = [...root(data), ...unknown, ...variables(data), ...settings(data)]
  const line = [...tokens.map(writeToken), ...args(data)].join(' ')
  const length = Buffer.byteLength(line)
  if (length > LONGEST)
    throw refusal(
      'the command line',
      `${length} bytes; the kernel takes at most ${LONGEST}, and a seed holds more`,
    )
  return line
}

/**
 * `init=` as zos hosts write it for a kernel of the root's own: the entrypoint's text as it is, so that what follows its
 * first blank are tokens of their own.
 * @throws RangeError if the kernel would panic: it takes what it does not know for arguments and variables of init, and
 * takes only so many (unknown_bootoption in init/main.c)
 */
export function encodeRawInit(entrypoint: string): string {
  const line = `init=${entrypoint}`
  const { tokens, args } = parseCmdline(asKernel(line))
  const unknown = tokens.slice(1).filter(({ key }) => !key.includes('.'))
  const words = unknown.filter(({ value }) => value === undefined).length + args.length
  const variables = new Set(unknown.flatMap(({ key, value }) => (value === undefined ? [] : [key])))
  if (words > MOST_ARGS || variables.size > MOST_KEYS)
    throw refusal(
      'the entrypoint',
      `has ${words} words and ${variables.size} NAME=VALUE behind its program. A zos host puts them on the command line of a kernel of the root's own, which panics if there are more than ${MOST_ARGS} and ${MOST_KEYS}: put them into a script`,
    )
  return line
}

interface Key {
  /** Its name in `CmdlineData`, for errors. */
  readonly what: string
  readonly key: string
  /** undefined: a flag, without a value. */
  readonly value: string | undefined
}

const flag = (key: string): Key => ({ what: key, key, value: undefined })

/** A key, unless its value is undefined. */
function optional(what: string, key: string, value: string | undefined): readonly Key[] {
  return value === undefined ? [] : [{ what, key, value }]
}

function root({ root = {}, init }: CmdlineData): readonly Key[] {
  const { source, type, options, readOnly, delay } = root
  const seconds = delay === undefined ? undefined : checkNumber('root.delay', delay, 0, MOST_SECONDS)
  return [
    ...optional('root.source', 'root', notEmpty('root.source', source)),
    ...optional('root.type', 'rootfstype', notEmpty('root.type', type)),
    ...optional('root.options', 'rootflags', options),
    ...(readOnly === undefined ? [] : [flag(readOnly ? 'ro' : 'rw')]),
    ...optional('root.delay', 'rootdelay', seconds?.toString()),
    ...optional('init', 'init', notEmpty('init', init)),
  ]
}

function network({ hostname, nics = [], routes = [], nameservers = [] }: CmdlineData): readonly Key[] {
  const names = new Set<string>()
  const host = hostname === undefined ? undefined : checkHostname('hostname', hostname)
  const servers = nameservers.map((each, index) => formatIp(readIp(`nameservers[${index}]`, each)))
  return [
    ...optional('hostname', 'host', host),
    ...nics.map((nic, index) => nicKey(`nics[${index}]`, nic, names)),
    ...routeKeys(routes),
    ...optional('nameservers', 'net_dns', servers.length === 0 ? undefined : servers.join(';')),
  ]
}

function nicKey(what: string, { name, addresses }: CmdlineNic, names: Set<string>): Key {
  if (!name.startsWith('eth') || !isInterface(name))
    throw refusal(`${what}.name`, `${show(name)} is not a name like eth0`)
  checkOnce(`${what}.name`, name, names)
  const all = addresses.map((each, index) => formatCidr(readCidr(`${what}.addresses[${index}]`, each)))
  return { what, key: `net_${name}`, value: all.join(';') }
}

function routeKeys(routes: readonly CmdlineRoute[]): readonly Key[] {
  const families = { 4: [] as string[], 6: [] as string[] }
  routes.forEach((route, index) => {
    const { family, text } = readRoute(`routes[${index}]`, route)
    families[family].push(text)
  })
  return ([4, 6] as const)
    .filter((family) => families[family].length > 0)
    .map((family) => ({ what: 'routes', key: `net_r${family}`, value: families[family].join(';') }))
}

function readRoute(what: string, { to, via }: CmdlineRoute): { family: Family; text: string } {
  const destination = to === 'default' ? undefined : readCidr(`${what}.to`, to)
  const gateway = isInterface(via) ? undefined : readIp(`${what}.via`, via)
  const either = destination?.address ?? gateway
  const family = either === undefined ? 4 : familyOf(either)
  if (gateway !== undefined && familyOf(gateway) !== family)
    throw refusal(what, `${show(to)} and its gateway ${show(via)} are of different families`)
  const network = destination === undefined || destination.prefix === 0 ? 'default' : formatCidr(destination)
  return { family, text: `${network},${gateway === undefined ? via : formatIp(gateway)}` }
}

/** Names that need no quotes in a list of routes. */
const isInterface = (name: string): boolean => /^[A-Za-z][\w.@+-]{0,14}$/.test(name)

function mounts({ disks = [], shares = [] }: CmdlineData): readonly Key[] {
  const targets = new Set<string>()
  const diskKeys = disks.map(({ name, target }, index): Key => {
    const what = `disks[${index}]`
    // vdso= is one of the kernel's own parameters.
    if (!/^vd(?!so$)[a-z]{1,3}$/.test(name)) throw refusal(what, `${show(name)} is not a disk like vda`)
    return { what, key: name, value: checkTarget(`${what}.target`, target, targets) }
  })
  const shareKeys = shares.map(({ tag, target }, index): Key => {
    const what = `shares[${index}]`
    if (tag === '') throw refusal(`${what}.tag`, 'is empty')
    if (tag.includes('=')) throw refusal(`${what}.tag`, `${show(tag)} contains =, which ends a key`)
    return { what, key: `qsfs_${tag}`, value: checkTarget(`${what}.target`, target, targets) }
  })
  return [...diskKeys, ...shareKeys]
}

function variables({ environment = {} }: CmdlineData): readonly Key[] {
  return entriesOf(environment).map(([name, value]) => {
    const what = `environment[${show(name)}]`
    checkVariable(what, name)
    return { what, key: `zmachine.env.${name}`, value }
  })
}

function settings({ settings = {} }: CmdlineData): readonly Key[] {
  const { mode, onExit, grace, user, cwd, strict, log, logFile, timeline, shell, inspect } = settings
  if (cwd?.startsWith('/') === false) throw refusal('settings.cwd', `${show(cwd)} is not an absolute path`)
  const seconds = grace === undefined ? undefined : checkNumber('settings.grace', grace, 0, MOST_SECONDS)
  const port = inspect === undefined ? undefined : checkNumber('settings.inspect', inspect, 1, 65_535)
  const { least, most } = LOG_FILE
  const size = logFile === undefined ? undefined : checkNumber('settings.logFile', logFile, least, most)
  const setting = (name: string, value: string | undefined): readonly Key[] =>
    optional(`settings.${name}`, `zmachine.${name}`, value)
  const onOff = (name: string, value: boolean | undefined): readonly Key[] =>
    value === true ? [flag(`zmachine.${name}`)] : setting(name, value === false ? '0' : undefined)
  return [
    ...setting('mode', mode),
    ...setting('on_exit', onExit),
    ...setting('grace', seconds?.toString()),
    ...setting('user', notEmpty('settings.user', user)),
    ...setting('cwd', cwd),
    ...onOff('strict', strict),
    ...setting('log', log),
    ...setting('log_file', size?.toString()),
    ...onOff('timeline', timeline),
    ...onOff('shell', shell),
    ...setting('inspect', port?.toString()),
  ]
}

function args({ args }: CmdlineData): readonly string[] {
  if (args === undefined) return []
  if (args.length > MOST_ARGS)
    throw refusal('args', `${args.length} arguments; the kernel panics if there are more than ${MOST_ARGS}`)
  return ['--', ...args.map((each, index) => writeArgument(`args[${index}]`, each))]
}

function notEmpty(what: string, value: string | undefined): string | undefined {
  if (value === '') throw refusal(what, 'is empty')
  return value
}

/**
 * All ways to write a key and its value from which the kernel (next_arg in lib/cmdline.c) strips the quotes again: they
 * stand around the value or around all of it, and the last one may be missing. White space is kept after an odd number
 * of quotes, since each starts or ends a quotation.
 */
const TOKEN_WAYS: readonly ((key: string, value: string) => string)[] = [
  (key, value) => `${key}=${value}`,
  (key, value) => `${key}="${value}"`,
  (key, value) => `"${key}=${value}"`,
  (key, value) => `${key}="${value}`,
  (key, value) => `"${key}="${value}"`,
  (key, value) => `"${key}="${value}`,
]

function writeToken({ what, key, value }: Key): string {
  if (value === undefined) return key
  checkText(what, key)
  checkText(what, value)
  const found = TOKEN_WAYS.map((way) => way(key, value)).find((written) => readsAs(written, key, value))
  if (found === undefined) throw refusal(what, NO_WAY)
  return found
}

const NO_WAY =
  'combines double quotes with white space, which the kernel command line cannot express; a seed can hold it'

function writeArgument(what: string, value: string): string {
  checkText(what, value)
  // After `--`, too, the kernel takes a word with = for a key and its value.
  const equals = value.indexOf('=', 1)
  const ways = [value, `"${value}"`, `"${value}`]
  if (equals > 0) ways.push(...TOKEN_WAYS.map((way) => way(value.slice(0, equals), value.slice(equals + 1))))
  const found = ways.find((written) => readsAsArgument(written, value))
  if (found === undefined) throw refusal(what, NO_WAY)
  return found
}

/** Whether it is read as meant, and does not affect the next token. */
function readsAs(written: string, key: string, value: string): boolean {
  const { tokens, hasArguments } = parseCmdline(asKernel(`${written} next`))
  const [first, second] = tokens
  const isFirst = first?.key === asKernel(key) && first.value === asKernel(value)
  return isFirst && tokens.length === 2 && second?.key === 'next' && !hasArguments
}

function readsAsArgument(written: string, value: string): boolean {
  const { args } = parseCmdline(asKernel(`-- ${written} next`))
  return args.length === 2 && args[0] === asKernel(value) && args[1] === 'next'
}

/** The kernel takes 0xA0 for white space, even as the second byte of `à`: unquoted, it would end the token. */
const asKernel = (text: string): string => toByteText(text).replaceAll('\xa0', ' ')
