/** initramfs/kernel.config: its groups, and whether a configuration that the kernel made of it is what it asks for. Pure. */

/** The lines between one `## name: why` and the next. */
export interface Group {
  readonly name: string
  readonly why: string
  readonly settings: readonly Setting[]
}

export interface Setting {
  /** With its prefix: `CONFIG_SMP`. */
  readonly name: string
  /** As in a .config: `y`, a number, a quoted text; undefined for `is not set`. */
  readonly value: string | undefined
}

const HEADING = /^## ([\w-]+): (.+)$/
const ON = /^(CONFIG_\w+)=(.+)$/
const OFF = /^# (CONFIG_\w+) is not set$/

/**
 * The groups of the fragment, in order. Throws where a line is none of heading, setting, comment and blank, where a
 * setting stands before the first heading, or comes twice: the kernel's own tool would take the last one in silence.
 */
export function readGroups(fragment: string): Group[] {
  const groups: { name: string; why: string; settings: Setting[] }[] = []
  const seen = new Set<string>()
  for (const [index, line] of fragment.split('\n').entries()) {
    const fail = (what: string): never => {
      throw new Error(`kernel.config:${index + 1}: ${what}: ${line}`)
    }
    const [, name, why] = HEADING.exec(line) ?? []
    if (name !== undefined && why !== undefined) {
      groups.push({ name, why, settings: [] })
      continue
    }
    const setting = readSetting(line)
    if (setting === undefined) {
      if (line !== '' && !line.startsWith('#')) fail('neither a setting nor a comment')
      continue
    }
    if (seen.has(setting.name)) fail('set twice')
    seen.add(setting.name)
    const group = groups.at(-1) ?? fail('a setting before the first group')
    group.settings.push(setting)
  }
  return groups
}

function readSetting(line: string): Setting | undefined {
  const [, on, value] = ON.exec(line) ?? []
  if (on !== undefined) return { name: on, value }
  const [, off] = OFF.exec(line) ?? []
  return off === undefined ? undefined : { name: off, value: undefined }
}

/** Every setting of a whole .config by its name. What is not set is not in it. */
export function readConfig(config: string): ReadonlyMap<string, string> {
  const settings = config.split('\n').map(readSetting)
  return new Map(settings.flatMap((each) => (each?.value === undefined ? [] : [[each.name, each.value]])))
}

/** The settings that did not take effect, each with what stands instead: mostly something else that they need is missing. */
export function unmet(groups: readonly Group[], config: string): string[] {
  const actual = readConfig(config)
  return groups
    .flatMap(({ settings }) => settings)
    .filter(({ name, value }) => actual.get(name) !== value)
    .map(({ name, value = 'not set' }) => `${name}: wanted ${value}, is ${actual.get(name) ?? 'not set'}`)
}

/** A fragment of some groups: the others' settings are the kernel's own to choose, which begin with none (`allnoconfig`). */
export function fragmentOf(groups: readonly Group[]): string {
  return groups
    .flatMap(({ settings }) => settings)
    .map((setting) =>
      setting.value === undefined ? `# ${setting.name} is not set` : `${setting.name}=${setting.value}`,
    )
    .map((line) => `${line}\n`)
    .join('')
}
