/** Turns a seed's files into layers of the configuration (docs/protocol.md, "The seed"). */

import type { Problem } from '../lib/problem.ts'
import type { Parsed } from './keys.ts'
import type { Layer } from './machine.ts'
import { parseMetaData } from './meta-data.ts'
import { parseNetplan } from './netplan.ts'
import { parseUserData } from './user-data.ts'
import { takeSettings } from './variables.ts'
import { parseZosrc } from './zosrc.ts'

/** The text of each file that exists, as byte strings. */
export interface SeedFiles {
  readonly metaData?: string
  readonly networkConfig?: string
  readonly userData?: string
  readonly zosrc?: string
}

export interface Seed {
  /** One for each file, weakest first: user-data may override the hostname of meta-data. */
  readonly layers: readonly Layer[]
  readonly problems: readonly Problem[]
}

/** Each file's name on the disk, and its parser. */
const FILES: readonly (readonly [
  key: keyof SeedFiles,
  name: string,
  parse: (text: string, source: string) => Parsed,
])[] = [
  ['metaData', 'meta-data', parseMetaData],
  ['networkConfig', 'network-config', parseNetplan],
  ['userData', 'user-data', parseUserData],
  ['zosrc', 'zosrc', parseZosrc],
]

/** The names for code that reads the disk. */
export const SEED_FILE_NAMES: readonly (readonly [key: keyof SeedFiles, name: string])[] = FILES.map(
  ([key, name]) => [key, name],
)

/**
 * Parses the files that exist; a missing file is not a problem.
 * @param label the seed's name for the problems: with `seed`, a file's source is `seed/user-data`
 */
export function parseSeed(files: SeedFiles, label: string): Seed {
  const layers: Layer[] = []
  const problems: Problem[] = []
  for (const [key, name, parse] of FILES) {
    const text = files[key]
    if (text === undefined) continue
    const parsed = takeSettings(parse(text, `${label}/${name}`))
    layers.push(parsed.layer)
    for (const problem of parsed.problems) problems.push(problem)
  }
  return { layers, problems }
}
