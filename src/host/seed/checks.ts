/** What neither encoder can carry, and how they say so. Variables and arguments may be secret: their values are never shown. */

import { type Cidr, type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { hostnameProblem } from '../../lib/names.ts'
import { normalizeTarget } from '../../lib/paths.ts'

export type Environment = Readonly<Record<string, string>> | ReadonlyMap<string, string>

export const refusal = (what: string, why: string): RangeError => new RangeError(`${what}: ${why}`)

/** A text for an error, shortened. */
export const show = (value: string): string =>
  JSON.stringify(value.length > 120 ? `${value.slice(0, 117)}...` : value)

/** The text, if UTF-8 and C strings can hold it. */
export function checkText(what: string, value: string): string {
  if (value.includes('\0')) throw refusal(what, 'contains a NUL, which ends a text for the kernel')
  if (!value.isWellFormed()) throw refusal(what, 'contains half a surrogate pair, which UTF-8 cannot encode')
  return value
}

/** Refuses a second value of the same name, as the guest would keep only the last. */
export function checkOnce(what: string, value: string, known: Set<string>): void {
  if (known.has(value)) throw refusal(what, `${show(value)} is given twice`)
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

/** A variable's name, as execve(2) can pass it: more than a shell allows. */
export function checkVariable(what: string, name: string): void {
  if (name === '') throw refusal(what, 'a variable needs a name')
  if (name.includes('=')) throw refusal(what, 'the name of a variable cannot contain =')
  checkText(what, name)
}

/** A mount point as the guest will use it. */
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
