/** Parts of the program that are loaded when they are needed, and what they export. `build/lean.ts` has the same list. */

import { currentRuntime } from './sys/linux.ts'

interface Parts {
  /** Where the root has /etc/environment. */
  readonly environment: typeof import('./config/environment.ts')
  /** Where a disk is labelled as a seed: YAML and what is made of it. */
  readonly seed: typeof import('./run/seed.ts')
  /** Where somebody else than root is to run the entrypoint. */
  readonly users: typeof import('./config/users.ts')
  /** Where the root has a /.zosrc, or the seed a zosrc. */
  readonly zosrc: typeof import('./config/zosrc.ts')
  /** From the entrypoint's start on: the loop, the way down. */
  readonly supervise: typeof import('./supervise/part.ts')
}

export function load<K extends keyof Parts>(part: K): Parts[K] {
  return currentRuntime().load(part) as Parts[K]
}
