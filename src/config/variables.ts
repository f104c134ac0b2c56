/** Settings among a source's variables: people who deploy a container can set variables but not the kernel command line. */

import { report } from '../lib/problem.ts'
import { brief, nearest } from '../lib/text.ts'
import { applySetting, type Parsed, type SettingsReader } from './keys.ts'

const PREFIX = 'ZMACHINE_'

/** The variables, each with the key of the same meaning, without its `zmachine.`. */
export const SETTING_VARIABLES: ReadonlyMap<string, string> = new Map(
  ['mode', 'on_exit', 'grace', 'user', 'cwd', 'strict', 'log', 'log_file', 'timeline'].map((key) => [
    PREFIX + key.toUpperCase(),
    key,
  ]),
)

/**
 * `ZMACHINE_ON_EXIT=poweroff` becomes what `zmachine.on_exit=poweroff` is, and is no variable any more. Others that begin so are
 * passed on, with a problem if one of ours is probably meant.
 */
export function takeSettings({ layer, problems }: Parsed): Parsed {
  const { environment = new Map<string, string>() } = layer
  const ours: string[] = []
  environment.forEach((_, name) => {
    if (name.startsWith(PREFIX)) ours.push(name)
  })
  if (ours.length === 0) return { layer, problems }
  const rest = new Map<string, string>()
  environment.forEach((value, name) => {
    if (!SETTING_VARIABLES.has(name)) rest.set(name, value)
  })
  const found = [...problems]
  const settings: SettingsReader['settings'] = { ...layer.settings }
  for (const name of ours) {
    const complain = (message: string): void =>
      report(found, { source: layer.source, message: `${brief(name)}: ${message}` })
    const key = SETTING_VARIABLES.get(name)
    if (key !== undefined) applySetting({ settings, complain }, key, environment.get(name) ?? '')
    else suggest(name, complain)
  }
  return { layer: { ...layer, environment: rest, settings }, problems: found }
}

function suggest(name: string, complain: (message: string) => void): void {
  const meant = nearest(name, Array.from(SETTING_VARIABLES.keys()))
  if (meant !== undefined) complain(`not a setting, so the entrypoint gets it; did you mean ${meant}?`)
}
