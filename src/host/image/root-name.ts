/** Names derived from a root's own: its folder in the cache and its hostname. Pure. */

import { basename, resolve } from 'node:path'

const ARCHIVE_ENDING = /\.(?:tar(?:\.(?:gz|zst|xz))?|t[gx]z|tzst)$/i

/** The last part of a path without an archive's ending; `nginx-1.25` has none. */
const rootName = (path: string): string => basename(resolve(path)).replace(ARCHIVE_ENDING, '')

/** The start of an unpacked archive's folder name. */
export const folderName = (path: string): string =>
  rootName(path)
    .replace(/[^\w.-]/g, '_')
    .replace(/^\./, '_')
    .slice(0, 64)

/** A hostname: a root's name as far as a hostname may have its characters. */
export const hostnameOf = (path: string): string =>
  rootName(path)
    .replace(/[^\w-]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '') || 'zmachine'
