/** Lays the layers of configuration over one another, and keeps which source decided each value. */

import { ipKey, network } from '../lib/ip.ts'
import type {
  Layer,
  MachineConfig,
  MountConfig,
  NicConfig,
  RootConfig,
  RouteConfig,
  Settings,
} from './machine.ts'

export const DEFAULT_ROOT: RootConfig = {
  source: 'vroot',
  type: undefined,
  options: '',
  readOnly: false,
  delay: 30,
}

export const DEFAULT_SETTINGS: Settings = {
  mode: 'auto',
  onExit: 'reboot',
  grace: 10,
  user: undefined,
  cwd: '/',
  strict: false,
  log: 'info',
  timeline: false,
  logFile: undefined,
  shell: false,
  inspect: undefined,
}

/** PATH as docker has it, and nearly as systemd and sshd have it; TERM as the kernel gives it to init. HOME comes with the user. */
const DEFAULT_ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ['TERM', 'linux'],
]

/** The configuration as far as the layers so far make it. */
interface Merged {
  root: RootConfig
  settings: Settings
  hostname: string | undefined
  init: string
  args: readonly string[]
  servers: MachineConfig['dns']['servers']
  search: readonly string[]
  routes: readonly RouteConfig[]
  /** By name. */
  readonly nics: Map<string, NicConfig>
  /** By target. */
  readonly mounts: Map<string, MountConfig>
  readonly environment: Map<string, string>
  readonly authorizedKeys: Set<string>
  readonly origins: Map<string, string>
}

/**
 * Merges the layers, the weakest first. Of a single value the last source's wins; NICs are replaced by name, mounts by
 * target, variables by key, each in the place of the first; routes and SSH keys add up.
 * @param explain whether `origins` is wanted in full; PID 1 has no use for it
 */
export function merge(layers: readonly Layer[], explain = true): MachineConfig {
  const into: Merged = {
    root: DEFAULT_ROOT,
    settings: DEFAULT_SETTINGS,
    hostname: undefined,
    init: '/sbin/init',
    args: [],
    servers: [],
    search: [],
    routes: [],
    nics: new Map(),
    mounts: new Map(),
    environment: new Map(),
    authorizedKeys: new Set(),
    origins: new Map(),
  }
  for (const [key, value] of DEFAULT_ENVIRONMENT) into.environment.set(key, value)
  for (const layer of layers) {
    addGroups(into, layer, explain)
    addValues(into, layer)
    addNamed(into, layer, explain)
    addRoutes(into, layer.routes)
  }
  const { root, settings, hostname, init, args, servers, search, routes, environment, origins } = into
  return {
    root,
    hostname,
    nics: [...into.nics.values()],
    routes,
    dns: { servers, search },
    mounts: [...into.mounts.values()],
    environment,
    init,
    args,
    settings,
    authorizedKeys: [...into.authorizedKeys.values()],
    origins,
  }
}

/** The root and the settings: each field on its own. */
function addGroups(into: Merged, { root, settings, source }: Layer, explain: boolean): void {
  if (root !== undefined) {
    into.root = { ...into.root, ...root }
    if (explain) for (const key of Object.keys(root)) into.origins.set(`root.${key}`, source)
  }
  if (settings !== undefined) {
    into.settings = { ...into.settings, ...settings }
    if (explain) for (const key of Object.keys(settings)) into.origins.set(`settings.${key}`, source)
  }
}

/** What there is one of. */
function addValues(into: Merged, layer: Layer): void {
  const { hostname, init, args, nameServers, searchDomains, source } = layer
  const { origins } = into
  if (hostname !== undefined) {
    into.hostname = hostname
    origins.set('hostname', source)
  }
  if (init !== undefined) {
    // Arguments belong to the entrypoint that they were written for, as docker's --entrypoint drops CMD. Those that
    // came without one (a /.zosrc beside init= on the command line) are for whichever it is.
    const from = origins.get('args')
    if (from !== undefined && from === origins.get('init')) {
      into.args = []
      origins.delete('args')
    }
    into.init = init
    origins.set('init', source)
  }
  if (args !== undefined) {
    into.args = args
    origins.set('args', source)
  }
  if (nameServers !== undefined) {
    into.servers = nameServers
    origins.set('dns', source)
  }
  if (searchDomains !== undefined) {
    into.search = searchDomains
    origins.set('search', source)
  }
}

/** What there may be many of, each under a name. */
function addNamed(into: Merged, layer: Layer, explain: boolean): void {
  const { origins, environment } = into
  const { source } = layer
  for (const nic of layer.nics ?? []) {
    into.nics.set(nic.name, nic)
    if (explain) origins.set(`nic.${nic.name}`, source)
  }
  for (const mount of layer.mounts ?? []) {
    // One without a usable target is refused by the plan, and must not hide another.
    into.mounts.set(mount.target === '' ? mount.source : mount.target, mount)
    if (explain) origins.set(`mount.${mount.target}`, source)
  }
  layer.environment?.forEach((value, key) => {
    environment.set(key, value)
    if (explain) origins.set(`env.${key}`, source)
  })
  for (const key of layer.authorizedKeys ?? []) into.authorizedKeys.add(key)
}

/** A stronger source's routes replace a weaker one's to the same destination. */
function addRoutes(into: Merged, routes: readonly RouteConfig[] | undefined): void {
  if (routes === undefined || routes.length === 0) return
  const stronger = into.routes.length === 0 ? undefined : new Set(routes.map(routeKey))
  into.routes = [...into.routes.filter((route) => stronger?.has(routeKey(route)) !== true), ...routes]
}

/** What the kernel identifies a route by: family, destination and metric. */
export function routeKey({
  family,
  destination,
  metric,
}: Pick<RouteConfig, 'family' | 'destination' | 'metric'>): string {
  if (destination === undefined) return `${family} default ${metric}`
  const { address, prefix } = network(destination)
  return `${family} ${ipKey(address)}/${prefix} ${metric}`
}
