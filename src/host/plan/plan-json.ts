/** A plan for programs: what `zmachine plan --json` prints. */

import type { MachineConfig } from '../../config/machine.ts'
import { parseMountOptions } from '../../config/mount-options.ts'
import { formatCidr, formatIp } from '../../lib/ip.ts'
import type { Problem } from '../../lib/problem.ts'
import { sortMounts } from '../../plan/plan.ts'
import { contentOf, type Step } from '../../plan/step.ts'
import { fromByteText } from '../lib/byte-text.ts'
import type { From, PlanInput, PlanResult } from './plan-result.ts'

/** A string if it is valid UTF-8, else its bytes in Base64, so that nothing is lost. */
export type Text = string | { readonly bytes: string }

/** A value and the source that decided it: `default`, `kernel command line`, `seed/user-data`, … */
export interface Sourced<T> {
  readonly value: T
  readonly from: string
}

export interface PlanRoute {
  /** A CIDR, or `default`. */
  readonly destination: string
  readonly family: 4 | 6
  readonly gateway: string | null
  /** The NIC's name in the configuration. */
  readonly nic: Text
  readonly metric: number | null
  readonly onLink: boolean
  /** Added beside an earlier route of the same destination and metric. */
  readonly append: boolean
  readonly from: string
}

export interface PlanMount {
  readonly source: Text
  /** Empty if it is not a valid mount point. */
  readonly target: Text
  readonly type: Text
  /** As given. */
  readonly options: Text
  /** Whether the machine boots even if this fails. */
  readonly nofail: boolean
  /** Not mounted at boot: there is no step of it. */
  readonly noauto: boolean
  readonly from: string
}

export interface PlanProblem {
  readonly source: string
  /** From 1; null if the source has no lines, or no line is to blame. */
  readonly line: number | null
  /** From 1, in bytes. */
  readonly column: number | null
  readonly message: Text
}

/** Any JSON value; the fields of a step depend on its kind (`src/plan/step.ts` has them). */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export interface PlanStep {
  /** A kind of `Step` in src/plan/step.ts: `pseudo`, `root`, `seed`, …, `start`. More may follow. */
  readonly kind: string
  readonly description: Text
  readonly [field: string]: Json
}

/** Version 1. Fields may be added; none changes its meaning without another number. */
export interface PlanDocument {
  readonly version: 1
  /** Whether PID 1 would start the entrypoint, as far as this is known without the machine. */
  readonly boots: boolean
  readonly root: {
    readonly source: Sourced<Text>
    /** null: probed. */
    readonly type: Sourced<Text | null>
    readonly options: Sourced<Text>
    readonly readOnly: Sourced<boolean>
    /** Seconds to wait for it. */
    readonly delay: Sourced<number>
  }
  readonly hostname: Sourced<Text | null>
  readonly nics: readonly {
    readonly name: Text
    /** null: found by its name. */
    readonly mac: string | null
    readonly setName: Text | null
    readonly mtu: number | null
    readonly dhcp4: boolean
    readonly addresses: readonly string[]
    readonly from: string
  }[]
  /** In the order in which they are added. */
  readonly routes: readonly PlanRoute[]
  readonly dns: { readonly servers: Sourced<readonly string[]>; readonly search: Sourced<readonly Text[]> }
  /** Parents before children, as they are mounted. */
  readonly mounts: readonly PlanMount[]
  /** Including HOME, unless it depends on an unknown passwd. */
  readonly environment: readonly { readonly name: Text; readonly value: Text; readonly from: string }[]
  readonly entrypoint: { readonly program: Sourced<Text>; readonly arguments: Sourced<readonly Text[]> }
  readonly settings: {
    readonly mode: Sourced<string>
    readonly onExit: Sourced<string>
    /** Seconds. */
    readonly grace: Sourced<number>
    /** null: root. */
    readonly user: Sourced<Text | null>
    readonly cwd: Sourced<Text>
    readonly strict: Sourced<boolean>
    readonly log: Sourced<string>
    /** Bytes before it is rotated; null: none. */
    readonly logFile: Sourced<number | null>
    readonly timeline: Sourced<boolean>
    readonly shell: Sourced<boolean>
    /** A TCP port; null: none. */
    readonly inspect: Sourced<number | null>
  }
  readonly authorizedKeys: readonly Sourced<Text>[]
  readonly steps: readonly PlanStep[]
  readonly problems: readonly PlanProblem[]
  readonly refusals: readonly PlanProblem[]
}

/** @param readRoot for the text of files that PID 1 adds to instead of replacing them */
export function planDocument(result: PlanResult, readRoot: PlanInput['readRoot']): PlanDocument {
  const { config } = result
  const { dns } = config
  const sourced = sourcedBy(result)
  return {
    version: 1,
    boots: result.refusals.length === 0,
    root: rootOf(result),
    hostname: sourced('hostname', textOrNull(config.hostname)),
    nics: nicsOf(result),
    routes: result.routes.map(routeOf),
    dns: {
      servers: sourced('dns', dns.servers.map(formatIp)),
      search: sourced('search', dns.search.map(textOf)),
    },
    mounts: sortMounts(config.mounts).map(mountOf),
    environment: result.environment.map(({ value: [name, value], from }) => ({
      name: textOf(name),
      value: textOf(value),
      from,
    })),
    entrypoint: {
      program: sourced('init', textOf(config.init)),
      arguments: sourced('args', config.args.map(textOf)),
    },
    settings: settingsOf(result),
    authorizedKeys: result.authorizedKeys.map(({ value, from }) => ({ value: textOf(value), from })),
    steps: result.steps.map(({ step, description }) => stepOf(step, description, readRoot)),
    problems: result.problems.map(problemOf),
    refusals: result.refusals.map(problemOf),
  }
}

const sourcedBy =
  ({ originOf }: PlanResult) =>
  <T>(key: string, value: T): Sourced<T> => ({ value, from: originOf(key) })

function rootOf(result: PlanResult): PlanDocument['root'] {
  const { root } = result.config
  const sourced = sourcedBy(result)
  return {
    source: sourced('root.source', textOf(root.source)),
    type: sourced('root.type', textOrNull(root.type)),
    options: sourced('root.options', textOf(root.options)),
    readOnly: sourced('root.readOnly', root.readOnly),
    delay: sourced('root.delay', root.delay),
  }
}

const nicsOf = ({ config, originOf }: PlanResult): PlanDocument['nics'] =>
  config.nics.map(({ name, mac, setName, mtu, dhcp4, addresses }) => ({
    name: textOf(name),
    mac: mac ?? null,
    setName: textOrNull(setName),
    mtu: mtu ?? null,
    dhcp4: dhcp4 === true,
    addresses: addresses.map(formatCidr),
    from: originOf(`nic.${name}`),
  }))

function mountOf({ source, target, type, options, from }: MachineConfig['mounts'][number]): PlanMount {
  const { nofail, noauto } = parseMountOptions(options)
  return {
    source: textOf(source),
    target: textOf(target),
    type: textOf(type),
    options: textOf(options),
    nofail,
    noauto,
    from,
  }
}

function settingsOf(result: PlanResult): PlanDocument['settings'] {
  const { settings } = result.config
  const sourced = sourcedBy(result)
  const setting = <K extends keyof typeof settings>(key: K): Sourced<(typeof settings)[K]> =>
    sourced(`settings.${key}`, settings[key])
  return {
    mode: setting('mode'),
    onExit: setting('onExit'),
    grace: setting('grace'),
    user: sourced('settings.user', textOrNull(settings.user)),
    cwd: sourced('settings.cwd', textOf(settings.cwd)),
    strict: setting('strict'),
    log: setting('log'),
    logFile: sourced('settings.logFile', settings.logFile ?? null),
    timeline: setting('timeline'),
    shell: setting('shell'),
    inspect: sourced('settings.inspect', settings.inspect ?? null),
  }
}

/** A byte string for JSON. */
export const textOf = (text: string): Text =>
  fromByteText(text) ?? { bytes: Buffer.from(text, 'latin1').toString('base64') }

const textOrNull = (text: string | undefined): Text | null => (text === undefined ? null : textOf(text))

const routeOf = ({ value, from }: From<PlanResult['routes'][number]['value']>): PlanRoute => ({
  destination: value.destination === undefined ? 'default' : formatCidr(value.destination),
  family: value.family,
  gateway: value.gateway === undefined ? null : formatIp(value.gateway),
  nic: textOf(value.nic),
  metric: value.metric ?? null,
  onLink: value.onLink,
  append: value.append,
  from,
})

const problemOf = ({ source, line, column, message }: Problem): PlanProblem => ({
  source,
  line: line ?? null,
  column: column ?? null,
  message: textOf(message),
})

function stepOf(step: Step, description: string, readRoot: PlanInput['readRoot']): PlanStep {
  const { kind, ...fields } = step
  const more: Record<string, Json> = {}
  for (const [key, value] of Object.entries(fields)) {
    const json = jsonOf(value)
    if (json !== undefined) more[key] = json
  }
  // What would be written.
  if (step.kind === 'file') more['content'] = textOf(contentOf(step.content, readRoot?.(step.path)))
  return { kind, description: textOf(description), ...more }
}

/** A field of any kind of step; undefined for a function. Addresses become text. */
function jsonOf(value: unknown): Json | undefined {
  if (typeof value === 'function') return undefined
  if (typeof value === 'string') return textOf(value)
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Uint8Array) return formatIp(new Uint8Array(value))
  if (Array.isArray(value)) return value.map((item) => jsonOf(item) ?? null)
  if (typeof value !== 'object' || value === null) return null
  if ('address' in value && 'prefix' in value && value.address instanceof Uint8Array) {
    return formatCidr({ address: new Uint8Array(value.address), prefix: Number(value.prefix) })
  }
  const fields: Record<string, Json> = {}
  for (const [key, field] of Object.entries(value)) {
    const json = jsonOf(field)
    if (json !== undefined) fields[key] = json
  }
  return fields
}
