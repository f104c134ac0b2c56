/** Parts of the program that are loaded when they are needed, and what they export. `build/lean.ts` has the same list. */

import { currentRuntime } from './sys/linux.ts'

interface Parts {
  /** From the entrypoint's start on: the loop, the way down. */
  readonly supervise: typeof import('./supervise/part.ts')
}

export function load<K extends keyof Parts>(part: K): Parts[K] {
  return currentRuntime().load(part) as Parts[K]
}
