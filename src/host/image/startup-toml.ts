/**
 * `/.startup.toml` of a root, read by PID 1's own reader, for what a zos host makes of it: it puts the variables into the seed and
 * loses the entrypoint (zosbase, pkg/primitives/vm/vm.go), which PID 1 then reads itself.
 */

import { parseStartup } from '../../config/startup-toml.ts'
import type { Problem } from '../../lib/problem.ts'

export const STARTUP_PATH = '/.startup.toml'

/** Byte strings. */
export interface Startup {
  readonly namesEntrypoint: boolean
  /** A deployment's own variables go before these. */
  readonly environment: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
  /** It is not TOML, so a zos host would not deploy the root. */
  readonly refused: boolean
}

/**
 * @param text the file, at most 1 MB
 * @param isDirectory whether the root has this directory
 */
export function readStartup(text: string, isDirectory: (path: string) => boolean): Startup {
  const { layer, problems } = parseStartup(text, isDirectory)
  return {
    namesEntrypoint: layer.init !== undefined,
    environment: layer.environment ?? new Map(),
    problems,
    // Only mistakes of syntax have a place.
    refused: problems.some(({ line }) => line !== undefined),
  }
}
