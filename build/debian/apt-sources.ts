/** Rewrites an apt sources file, deb822 or one-line (sources.list(5)), for another suite or another type. Pure. */

export interface Want {
  /** A short name, for files. */
  readonly name: string
  readonly type: 'deb' | 'deb-src'
  /** A suite to read from the main archive, instead of all of the machine's own. */
  readonly suite?: string
  /** A release whose suites are read instead: `trixie` and `trixie-security` for `bookworm` and `bookworm-security`. */
  readonly release?: string
}

/**
 * The sources of `text` that name the machine's own suite, or its updates, as `want` needs them. Undefined where
 * the file holds none: a third party's archive has neither QuickJS nor the kernel.
 */
export function retarget(
  text: string,
  format: 'deb822' | 'one-line',
  codename: string,
  want: Want,
): string | undefined {
  const entries = format === 'deb822' ? stanzas(text, codename, want) : lines(text, codename, want)
  if (entries.length === 0) return undefined
  return `${entries.join('\n')}\n`
}

function isOwn(suite: string, codename: string, want: Want): boolean {
  // Another suite is asked of the main archive only: security and updates archives carry it under other names.
  return want.suite ? suite === codename : suite === codename || suite.startsWith(`${codename}-`)
}

function wantedSuite(own: string, codename: string, { suite, release = codename }: Want): string {
  return suite ?? release + own.slice(codename.length)
}

function stanzas(text: string, codename: string, want: Want): string[] {
  return text
    .replace(/^#.*\n?/gm, '')
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const suites = words(stanza, 'Suites').filter((suite) => isOwn(suite, codename, want))
      const off = /^Enabled:\s*no\b/im.test(stanza)
      if (off || !words(stanza, 'Types').includes('deb') || !words(stanza, 'Components').includes('main'))
        return []
      if (suites.length === 0) return []
      const wanted = suites.map((suite) => wantedSuite(suite, codename, want))
      const changed = { Types: want.type, Suites: wanted.join(' '), Components: 'main' }
      return [`${withFields(stanza.trim(), changed)}\n`]
    })
}

function words(stanza: string, field: string): string[] {
  return new RegExp(`^${field}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? []
}

function withFields(stanza: string, fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields).reduce(
    (text, [field, value]) =>
      text.replace(new RegExp(`^${field}:.*(?:\\n[ \\t].*)*`, 'im'), `${field}: ${value}`),
    stanza,
  )
}

const LINE = /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/

function lines(text: string, codename: string, want: Want): string[] {
  return text.split('\n').flatMap((line) => {
    const [, options = '', uri, suite = '', components = ''] = LINE.exec(line.replace(/#.*/, '').trim()) ?? []
    if (!isOwn(suite, codename, want) || !components.split(/\s+/).includes('main')) return []
    return [`${want.type} ${options}${uri} ${wantedSuite(suite, codename, want)} main`]
  })
}
