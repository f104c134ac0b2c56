/** The files in which this machine's apt has its archives: sources.list(5). */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { retarget, type Want } from './apt-sources.ts'

export const ETC = '/etc/apt'

export interface Sources {
  /** As apt wants a file of this format to end. */
  readonly extension: 'list' | 'sources'
  readonly text: string
}

/** What each of them has of the machine's own release, in apt's order, for another suite or another type. */
export function ownSources(codename: string, want: Want): Sources[] {
  const folder = join(ETC, 'sources.list.d')
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  return [join(ETC, 'sources.list'), ...names.map((name) => join(folder, name))].flatMap((file) => {
    const [, extension] = /\.(list|sources)$/.exec(file) ?? []
    if ((extension !== 'list' && extension !== 'sources') || !existsSync(file)) return []
    const format = extension === 'sources' ? 'deb822' : 'one-line'
    const text = retarget(readFileSync(file, 'utf8'), format, codename, want)
    return text === undefined ? [] : [{ extension, text }]
  })
}
