/** Parts of the program that are loaded when they are needed, and what they export. `build/lean.ts` has the same list. */

import { currentRuntime } from './sys/linux.ts'

interface Parts {
  /** Where a disk is labelled as a seed: YAML and what is made of it. */
  readonly seed: typeof import('./run/seed.ts')
  /** From the entrypoint's start on: the loop, the way down. */
  readonly supervise: typeof import('./supervise/part.ts')
}

export function load<K extends keyof Parts>(part: K): Parts[K] {
  return currentRuntime().load(part) as Parts[K]
}
