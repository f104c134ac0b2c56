/** What PID 1 would do with a command line, a seed and a root: the same layers, and the same plan in the same stages. Pure. */

import * as environment from '../../config/environment.ts'
import type { Parsed } from '../../config/keys.ts'
import { configure, parseCommandLine, parseRootFiles } from '../../config/layers.ts'
import type { Layer, MachineConfig, RouteConfig } from '../../config/machine.ts'
import { parseSeed } from '../../config/seed.ts'
import * as startup from '../../config/startup-toml.ts'
import { type Identity, resolveUser } from '../../config/users.ts'
import * as zosrc from '../../config/zosrc.ts'
import type { Problem } from '../../lib/problem.ts'
import { EARLY_MOUNTS, plan, planEntry, planRoot } from '../../plan/plan.ts'
import { describe, type PlannedRoute, type Step } from '../../plan/step.ts'
import type { SeedInput } from '../seed/seed-reader.ts'

export const DEFAULT_SOURCE = 'default'

export interface PlanInput {
  /** A byte string, as /proc/cmdline has it. */
  readonly cmdline: string
  /** undefined: the machine has no seed. */
  readonly seed: SeedInput | undefined
  /** A file of the root, or undefined where there is none; without it nothing is known of the root. */
  readonly readRoot: ((path: string) => string | undefined) | undefined
  /** Whether the root has this directory; without it, it has all of them. */
  readonly isDirectory?: (path: string) => boolean
}

/** Something and the source that it came from. */
export interface From<T> {
  readonly value: T
  readonly from: string
}

export interface PlanResult {
  readonly config: MachineConfig
  /** The source of a value, by its key in `MachineConfig.origins`. */
  readonly originOf: (key: string) => string
  readonly routes: readonly From<PlannedRoute>[]
  readonly authorizedKeys: readonly From<string>[]
  /** With HOME, where it is known. */
  readonly environment: readonly From<readonly [key: string, value: string]>[]
  /** Who runs the entrypoint; undefined where that needs the root's passwd. */
  readonly identity: Identity | undefined
  /** In the order in which PID 1 runs them. */
  readonly steps: readonly { readonly step: Step; readonly description: string }[]
  readonly problems: readonly Problem[]
  /** Why PID 1 would not boot this; empty where it would. */
  readonly refusals: readonly Problem[]
}

export function planOf({ cmdline, seed, readRoot, isDirectory = () => true }: PlanInput): PlanResult {
  const problems: Problem[] = []
  const told = ({ layer, problems: found }: Parsed): Layer => {
    problems.push(...found)
    return layer
  }
  const commandLine = told(parseCommandLine(cmdline))
  const host = [commandLine]
  if (seed !== undefined) {
    const parsed = parseSeed(seed.files, 'seed')
    problems.push(...seed.problems, ...parsed.problems)
    host.push(...parsed.layers)
  }
  const parsers = { environment, startup, zosrc }
  const root = parseRootFiles(readRoot ?? (() => undefined), (part) => parsers[part], isDirectory).map(told)
  const layers = [...root, ...host]
  const config = configure(root, host, true)
  const planned = plan(config)
  const originOf = (key: string): string => config.origins.get(key) ?? DEFAULT_SOURCE
  const identity = identityOf(config, readRoot)
  return {
    config,
    originOf,
    routes: routesOf(planned.steps).map((value) => ({ value, from: routeOrigin(value, layers) })),
    authorizedKeys: config.authorizedKeys.map((value) => ({
      value,
      from: layers.find((layer) => layer.authorizedKeys?.includes(value))?.source ?? DEFAULT_SOURCE,
    })),
    environment: environmentOf(config, originOf, identity),
    identity: typeof identity === 'string' ? undefined : identity,
    steps: [
      ...EARLY_MOUNTS,
      ...planRoot(commandLine),
      ...planEntry(configure([], host, false)),
      ...planned.steps,
      planned.start,
    ].map((step) => ({ step, description: describe(step) })),
    problems: [...problems, ...planned.problems.map((message) => ({ source: 'plan', message }))],
    refusals: [
      ...planned.refusals.map((message) => ({ source: 'plan', message })),
      ...(typeof identity === 'string'
        ? [{ source: originOf('settings.user'), message: `zmachine.user: ${identity}` }]
        : []),
    ],
  }
}

/** A text is why there is nobody to run it as; undefined: the root's passwd would have to be asked. */
function identityOf({ settings }: MachineConfig, read: PlanInput['readRoot']): Identity | string | undefined {
  // root's home is the same everywhere, whatever passwd says.
  if (settings.user === undefined) return resolveUser('root', '', '')
  if (read === undefined) return undefined
  return resolveUser(settings.user, read('/etc/passwd') ?? '', read('/etc/group') ?? '')
}

function environmentOf(
  config: MachineConfig,
  originOf: (key: string) => string,
  identity: Identity | string | undefined,
): From<readonly [string, string]>[] {
  const given = Array.from(config.environment, (value) => ({ value, from: originOf(`env.${value[0]}`) }))
  if (config.environment.has('HOME') || identity === undefined || typeof identity === 'string') return given
  return [{ value: ['HOME', identity.home], from: DEFAULT_SOURCE }, ...given]
}

const routesOf = (steps: readonly Step[]): readonly PlannedRoute[] =>
  steps.flatMap((step) => (step.kind === 'network' ? step.routes : []))

/** The layer whose route this is. The plan passes on the very objects that a parser made, so they tell routes apart. */
function routeOrigin(planned: PlannedRoute, layers: readonly Layer[]): string {
  const isIts = ({ destination, gateway, family, metric, nic }: RouteConfig): boolean =>
    destination === planned.destination &&
    gateway === planned.gateway &&
    family === planned.family &&
    metric === planned.metric &&
    (nic === undefined || nic === planned.nic)
  return layers.find(({ routes }) => routes?.some(isIts))?.source ?? DEFAULT_SOURCE
}
