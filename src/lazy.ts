/**
 * Modules that are loaded when they are needed, with their exports. `build/lean/lean.ts` and `runtime/node/lazy.ts` have
 * the same list.
 */

import { currentRuntime } from './sys/linux.ts'

export interface LazyModules {
  /** If a NIC uses DHCP. */
  readonly dhcp: typeof import('./boot/steps/leases.ts')
  /** If the root has an /etc/environment. */
  readonly environment: typeof import('./config/environment.ts')
  /** If a disk is larger than its file system. */
  readonly grow: typeof import('./boot/steps/grow.ts')
  /** If the root has an /etc/ssh. */
  readonly hostKeys: typeof import('./boot/steps/host-keys.ts')
  /** If the container's output is kept in a file. */
  readonly log: typeof import('./boot/log/relay.ts')
  /** If the root has a /.startup.toml. */
  readonly startup: typeof import('./config/startup-toml.ts')
  /** If a disk is labelled as a seed: YAML, and what is read from it. */
  readonly seed: typeof import('./boot/steps/seed.ts')
  /** If another user than root runs the entrypoint. */
  readonly users: typeof import('./config/users.ts')
  /** If the root has a /.zosrc, or the seed a zosrc. */
  readonly zosrc: typeof import('./config/zosrc.ts')
  /** When the entrypoint runs, or can't: the loop, the shutdown. */
  readonly supervise: typeof import('./supervise/lazy.ts')
}

const loaded: Partial<Record<keyof LazyModules, unknown>> = {}

/** Adds modules that this build has from the beginning. */
export function preload(modules: Partial<LazyModules>): void {
  Object.assign(loaded, modules)
}

/** The module's exports; it is loaded at the first call and keeps its state. */
export function load<K extends keyof LazyModules>(name: K): LazyModules[K] {
  loaded[name] ??= currentRuntime().load(name)
  return loaded[name] as LazyModules[K]
}
