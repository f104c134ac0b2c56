/** The values of `zmachine run`'s options: text to data. Whatever is wrong in one is a UsageError that names it. Pure. */

import { type Family, familyOf, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { readSize } from '../lib/size.ts'
import { didYouMean, UsageError } from '../lib/usage.ts'
import type { DiskRequest } from '../machine/disk-files.ts'
import type { Forward } from '../machine/options.ts'

export interface Volume {
  readonly directory: string
  readonly target: string
  readonly readOnly: boolean
}

export type NetworkRequest =
  | { readonly kind: 'user'; readonly outbound: boolean }
  | { readonly kind: 'none' }
  | { readonly kind: 'tap'; readonly interface: string }

const HINT = 'zmachine run --help'

export const fail = (message: string, hint = HINT): never => {
  throw new UsageError(message, hint)
}

/** An object with the property, or without it if there is no value. */
export function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}

/** @param others what the hint lists behind the known ones */
export function oneOf<T extends string>(text: string, option: string, known: readonly T[], others = ''): T {
  return (
    known.find((each) => each === text) ??
    fail(
      `${option} ${JSON.stringify(text)} is not supported${didYouMean(text, known)}`,
      `one of ${known.join(', ')}${others}`,
    )
  )
}

/** A variable with its value, or with `undefined` where only its name is given. */
export type Variable = readonly [name: string, value: string | undefined]

/** `NAME=VALUE`, or `NAME`. As docker refuses names with white space, whose value would seem to be set. */
export function readVariable(text: string, where = '--env'): Variable {
  const at = text.indexOf('=')
  const name = at < 0 ? text : text.slice(0, at)
  const quoted = `${where} ${JSON.stringify(text)}`
  if (name === '') return fail(`${quoted}: the name of the variable is missing`, '--env NAME=VALUE')
  if (/\s/.test(name))
    return fail(`${quoted}: a variable's name can't contain white space`, '--env NAME=VALUE')
  return [name, at < 0 ? undefined : text.slice(at + 1)]
}

/** The lines of an --env-file; white space before a name is left out, as docker does. */
export const readVariables = (text: string, file: string): readonly Variable[] =>
  text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line, at) => ({ line: line.trimStart(), where: `--env-file ${file}:${at + 1}:` }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, where }) => readVariable(line, where))

/** Below this our kernel has no room to unpack its initramfs and run anything. */
const LEAST_MEMORY = 48

export function readMemory(text: string): number {
  const bytes = readSize(text) ?? fail(`--memory ${JSON.stringify(text)} is not a size`, '--memory 512M')
  const megabytes = Math.floor(bytes / 2 ** 20)
  if (megabytes >= LEAST_MEMORY) return megabytes
  return fail(`--memory ${text} is less than ${LEAST_MEMORY} MB, the least that boots`, '--memory 256M')
}

export function readCount(text: string, option: string, most: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= most
    ? count
    : fail(`${option} ${JSON.stringify(text)} is not a whole number from 1 to ${most}`)
}

export function readSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  // setTimeout's own limit is 2^31 ms.
  if (seconds > 0 && seconds < 2_000_000) return seconds
  return fail(`--timeout ${JSON.stringify(text)} is not a number of seconds greater than 0`, '--timeout 60')
}

const isRoot = (target: string): boolean => /^\/+$/.test(target)

/** A directory whose name has a colon can't be shared, as with docker's `-v`. */
export function readVolume(text: string): Volume {
  const [directory = '', target = '', mode = 'rw', ...more] = text.split(':')
  if (isRoot(target)) fail(`--volume ${JSON.stringify(text)}: / is ROOT itself`, '--volume ./data:/data')
  const isRight = directory !== '' && target.startsWith('/') && ['ro', 'rw'].includes(mode)
  if (isRight && more.length === 0) return { directory, target, readOnly: mode === 'ro' }
  return fail(
    `--volume ${JSON.stringify(text)}: not DIR:/target or DIR:/target:ro`,
    '--volume ./data:/data; DIR is a directory of this computer',
  )
}

export function readDisk(text: string): DiskRequest {
  const [first = '', ...rest] = text.split(':')
  const size = first === 'new' ? rest.shift() : undefined
  const [target, type = 'auto', options = 'defaults', ...more] = rest
  const usage = '--disk FILE[:/target[:type[:options]]], --disk new:SIZE:/target[:type]'
  const wrong = (why: string): never => fail(`--disk ${JSON.stringify(text)}: ${why}`, usage)
  if (first === '') return wrong('the file is missing')
  if (more.length > 0) return wrong('too many colons')
  if (target !== undefined && !target.startsWith('/'))
    return wrong(`the target ${target} is not an absolute path`)
  if (target !== undefined && isRoot(target)) return wrong('/ is ROOT itself')
  const mount = { type: type || 'auto', options: options || 'defaults', ...given('target', target) }
  if (first !== 'new') return { source: { file: first }, ...mount }
  const bytes = readSize(size ?? '') ?? wrong('new: needs a size, as in new:10G:/data')
  // Whole sectors, as disks have them.
  return { source: { bytes: Math.ceil(bytes / 512) * 512 }, ...mount }
}

export function readNetwork(text: string): NetworkRequest {
  const tap = /^tap=([^/\s,]{1,15})$/.exec(text)?.[1]
  if (tap !== undefined) return { kind: 'tap', interface: tap }
  const kind = oneOf(text, '--network', ['user', 'isolated', 'none'], ', tap=IFACE')
  return kind === 'none' ? { kind } : { kind: 'user', outbound: kind === 'user' }
}

const PUBLISH_USAGE = '--publish [ADDRESS:][PORT:]CONTAINER_PORT[/tcp|/udp], as 8080:80 or 80'

/** As docker's, but on 127.0.0.1: `8080:80`, `0.0.0.0:8080:80/udp`, and `80` or `127.0.0.1::80` for a free port. */
export function readForward(text: string): Forward {
  const [, address, host = '', guest, protocol = 'tcp'] =
    /^(?:(\d+(?:\.\d+){3}):(?=\d*:))?(?:(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ?? []
  const wrong = (why: string): never => fail(`--publish ${JSON.stringify(text)}: ${why}`, PUBLISH_USAGE)
  if (guest === undefined) {
    const isIpv6 = /^\[|:.*:.*:/.test(text)
    const isRange = /\d-\d/.test(text)
    return wrong(isIpv6 ? 'only IPv4 addresses' : isRange ? 'one port each, no ranges' : 'not a port')
  }
  if (address !== undefined && textFamily(address) !== 4) return wrong(`${address} is not an address`)
  if (host === '' && address === undefined && text.startsWith(':')) return wrong('not a port')
  const port = (digits: string): number => {
    const number = Number(digits)
    return number >= 1 && number <= 65535 ? number : wrong(`ports are from 1 to 65535, not ${digits}`)
  }
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostPort: host === '' ? 0 : port(host),
    guestPort: port(guest),
    ...given('hostAddress', address),
  }
}

/** Refuses a port of this computer that is published twice, which QEMU would call in use. */
export function checkForwards(forwards: readonly Forward[]): readonly Forward[] {
  const everywhere = '0.0.0.0'
  forwards.forEach((forward, at) => {
    const { protocol, hostPort, hostAddress = '127.0.0.1' } = forward
    const again = forwards.slice(at + 1).some((other) => {
      const { hostAddress: address = '127.0.0.1' } = other
      const overlap = address === hostAddress || [address, hostAddress].includes(everywhere)
      return hostPort !== 0 && other.hostPort === hostPort && other.protocol === protocol && overlap
    })
    if (again)
      fail(`--publish: port ${hostPort}/${protocol} of this computer is published twice`, PUBLISH_USAGE)
  })
  return forwards
}

export function readAddress(text: string): string {
  if (parseCidr(text) !== undefined && text.includes('/')) return text
  return fail(
    `--ip ${JSON.stringify(text)} is not an address with a prefix length`,
    '--ip 10.1.2.3/24, --ip fd00::3/64',
  )
}

export function readIp(text: string, option: string): string {
  const ip = parseIp(text)
  return ip === undefined ? fail(`${option} ${JSON.stringify(text)} is not an IP address`) : formatIp(ip)
}

export const isIpv4 = (text: string): boolean => !text.includes(':')

export const textFamily = (text: string): Family | undefined => {
  const ip = parseIp(text)
  return ip === undefined ? undefined : familyOf(ip)
}
