/** The files of a seed (protocol, section 3) as layers of the configuration. */

import type { Problem } from '../lib/problem.ts'
import type { Parsed } from './keys.ts'
import type { Layer } from './machine.ts'
import { parseMetaData } from './meta-data.ts'
import { parseNetplan } from './netplan.ts'
import { parseUserData } from './user-data.ts'
import { takeSettings } from './variables.ts'
import { parseZosrc } from './zosrc.ts'

/** The text of each file that there is, as byte strings. */
export interface SeedFiles {
  readonly metaData?: string
  readonly networkConfig?: string
  readonly userData?: string
  readonly zosrc?: string
}

export interface Seed {
  /** One a file, the weakest first: cloud-init's user-data may correct the hostname of meta-data. */
  readonly layers: readonly Layer[]
  readonly problems: readonly Problem[]
}

/** What each file is called on the disk, and who reads it. */
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

/** Names for whoever reads the disk. */
export const SEED_FILE_NAMES: readonly (readonly [key: keyof SeedFiles, name: string])[] = FILES.map(
  ([key, name]) => [key, name],
)

/**
 * Parses what there is; a file that is missing is no problem.
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
