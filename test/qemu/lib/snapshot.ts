/** Takes a snapshot of a directory tree on the host, for tests to compare. */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** By path: type, mode, owner, and a file's bytes or a link's target. Times are left out. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const place = join(folder, entry)
    const { mode, uid, gid } = lstatSync(place)
    found[entry] = `${mode.toString(8)} ${uid}:${gid} ${content(place)}`
  }
  return found
}

function content(place: string): string {
  const entry = lstatSync(place)
  if (entry.isSymbolicLink()) return readlinkSync(place)
  return entry.isFile() ? readFileSync(place, 'latin1') : ''
}
