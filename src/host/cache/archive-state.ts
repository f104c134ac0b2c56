/** Whether the archive that a root was unpacked from is still there: only then will a run find the root again. */

import { statSync } from 'node:fs'
import { sha256 } from '../lib/digest.ts'
import type { CachedRoot } from './cache.ts'

/** `unknown`: no record of it was kept. */
export type ArchiveState = 'there' | 'changed' | 'gone' | 'unknown'

/** What tells a file from a later one of the same name, most of the time: its size and its mtime. */
export function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.size} ${stat.mtimeMs}`
}

/** The digest decides if the stamp is another one, since a copy or touch(1) makes no other archive. */
export async function archiveState({ name, archive, stamp }: CachedRoot): Promise<ArchiveState> {
  if (archive === undefined) return 'unknown'
  const now = stampOf(archive)
  if (now === undefined) return 'gone'
  if (now === stamp) return 'there'
  const digest = await sha256(archive).catch(() => '')
  return name.endsWith(shortDigest(digest)) ? 'there' : 'changed'
}

/** As far as it is part of a root's name. */
export const shortDigest = (digest: string): string => `-${digest.slice(0, 16)}`
