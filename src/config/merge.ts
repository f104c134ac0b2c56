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
  shell: false,
  inspect: undefined,
}

/** Docker's PATH; systemd and sshd build much the same. TERM as the kernel hands it to init. HOME comes with the user. */
const DEFAULT_ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ['TERM', 'linux'],
]

/**
 * Lays the sources over one another, the weakest first. A value that is one thing is the last source's; NICs are
 * replaced by name, mounts by target, variables by key, keeping the place of the first; routes add up.
 * @param explain whether `origins` is wanted in full; PID 1 has no use for it
 */
export function merge(layers: readonly Layer[], explain = true): MachineConfig {
  const origins = new Map<string, string>()
  const nics = new Map<string, NicConfig>()
  const mounts = new Map<string, MountConfig>()
  const environment = new Map<string, string>()
  let root = DEFAULT_ROOT
  let settings = DEFAULT_SETTINGS
  let hostname: string | undefined
  let init = '/sbin/init'
  let args: readonly string[] = []
  let servers: MachineConfig['dns']['servers'] = []
  let search: readonly string[] = []
  let routes: readonly RouteConfig[] = []
  const authorizedKeys = new Set<string>()

  for (const [key, value] of DEFAULT_ENVIRONMENT) environment.set(key, value)
  for (const layer of layers) {
    const own = (key: string): unknown => origins.set(key, layer.source)
    if (layer.root !== undefined) {
      root = { ...root, ...layer.root }
      if (explain) for (const key of Object.keys(layer.root)) own(`root.${key}`)
    }
    if (layer.settings !== undefined) {
      settings = { ...settings, ...layer.settings }
      if (explain) for (const key of Object.keys(layer.settings)) own(`settings.${key}`)
    }
    if (layer.hostname !== undefined) {
      hostname = layer.hostname
      own('hostname')
    }
    if (layer.init !== undefined) {
      // Arguments belong to the entrypoint that they were written for, as docker's --entrypoint drops CMD. Those that
      // came without one (a /.zosrc beside init= on the command line) are for whichever it is.
      const from = origins.get('args')
      if (from !== undefined && from === origins.get('init')) {
        args = []
        origins.delete('args')
      }
      init = layer.init
      own('init')
    }
    if (layer.args !== undefined) {
      args = layer.args
      own('args')
    }
    if (layer.nameServers !== undefined) {
      servers = layer.nameServers
      own('dns')
    }
    if (layer.searchDomains !== undefined) {
      search = layer.searchDomains
      own('search')
    }
    for (const nic of layer.nics ?? []) {
      nics.set(nic.name, nic)
      if (explain) own(`nic.${nic.name}`)
    }
    for (const mount of layer.mounts ?? []) {
      // One without a usable target is refused by the plan, and must not hide another.
      mounts.set(mount.target === '' ? mount.source : mount.target, mount)
      if (explain) own(`mount.${mount.target}`)
    }
    layer.environment?.forEach((value, key) => {
      environment.set(key, value)
      if (explain) own(`env.${key}`)
    })
    if (layer.routes !== undefined && layer.routes.length > 0) {
      // A stronger source's routes stand instead of a weaker one's to the same destination, not beside them.
      const stronger = routes.length === 0 ? undefined : new Set(layer.routes.map(routeKey))
      routes = [...routes.filter((route) => stronger?.has(routeKey(route)) !== true), ...layer.routes]
    }
    for (const key of layer.authorizedKeys ?? []) authorizedKeys.add(key)
  }

  return {
    root,
    hostname,
    nics: [...nics.values()],
    routes,
    dns: { servers, search },
    mounts: [...mounts.values()],
    environment,
    init,
    args,
    settings,
    authorizedKeys: [...authorizedKeys.values()],
    origins,
  }
}

/** What the kernel tells routes apart by: family, destination and metric. */
export function routeKey({
  family,
  destination,
  metric,
}: Pick<RouteConfig, 'family' | 'destination' | 'metric'>): string {
  if (destination === undefined) return `${family} default ${metric}`
  const { address, prefix } = network(destination)
  return `${family} ${ipKey(address)}/${prefix} ${metric}`
}
