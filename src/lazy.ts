/**
 * Modules that are loaded when they are needed, and what they export. `build/lean/lean.ts` and `runtime/node/lazy.ts`
 * have the same list.
 */

import { currentRuntime } from './sys/linux.ts'

export interface LazyModules {
  /** Where a NIC asks for its address. */
  readonly dhcp: typeof import('./boot/steps/leases.ts')
  /** Where the root has /etc/environment. */
  readonly environment: typeof import('./config/environment.ts')
  /** Where a disk is larger than its file system. */
  readonly grow: typeof import('./boot/steps/grow.ts')
  /** Where the root has an /etc/ssh. */
  readonly hostKeys: typeof import('./boot/steps/host-keys.ts')
  /** Where the root has a /.startup.toml. */
  readonly startup: typeof import('./config/startup-toml.ts')
  /** Where a disk is labelled as a seed: YAML and what is made of it. */
  readonly seed: typeof import('./boot/steps/seed.ts')
  /** Where somebody else than root is to run the entrypoint. */
  readonly users: typeof import('./config/users.ts')
  /** Where the root has a /.zosrc, or the seed a zosrc. */
  readonly zosrc: typeof import('./config/zosrc.ts')
  /** From the entrypoint's start on: the loop, the way down. */
  readonly supervise: typeof import('./supervise/lazy.ts')
}

const loaded: Partial<Record<keyof LazyModules, unknown>> = {}

/** Adds what this build has loaded from the beginning. */
export function preload(modules: Partial<LazyModules>): void {
  Object.assign(loaded, modules)
}

/** The module's exports; it is loaded at the first call and keeps its state. */
export function load<K extends keyof LazyModules>(name: K): LazyModules[K] {
  loaded[name] ??= currentRuntime().load(name)
  return loaded[name] as LazyModules[K]
}
