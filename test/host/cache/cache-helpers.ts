/** A cache of the tests' own, with roots in it. */

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stampOf } from '../../../src/host/cache/archive-state.ts'
import { directoryOf, openCache, useRoot } from '../../../src/host/cache/cache.ts'
import { sha256 } from '../../../src/host/lib/digest.ts'

/** Makes an archive, and the root that was unpacked from it and last used so many seconds ago. */
export async function addRoot(
  folder: string,
  { name, ago, bytes = 4096 }: { readonly name: string; readonly ago: number; readonly bytes?: number },
): Promise<{ readonly name: string; readonly archive: string; readonly directory: string }> {
  const archive = join(folder, `${name}.tar`)
  writeFileSync(archive, name)
  const root = `${name}-${(await sha256(archive)).slice(0, 16)}`
  openCache()
  mkdirSync(directoryOf(root))
  writeFileSync(join(directoryOf(root), 'file'), Buffer.alloc(bytes, 1))
  useRoot(root, { archive, stamp: stampOf(archive) ?? '' }).release()
  const time = Date.now() / 1000 - ago
  utimesSync(join(directoryOf(root), '../../records', `${root}.json`), time, time)
  return { name: root, archive, directory: directoryOf(root) }
}
