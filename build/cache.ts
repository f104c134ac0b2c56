/**
 * What is slow to make and depends only on its inputs: kept outside the tree, so that a fresh clone builds fast.
 *
 * An entry is a folder named after the hash of everything that went into it. It is made in a folder beside and
 * renamed when complete, so an entry that is there is whole, and two builds at once do the work twice at worst.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

const ABANDONED_AFTER_MS = 24 * 3600 * 1000

/** The cache folder; delete it at any time. */
export function cacheRoot(): string {
  const base = process.env['XDG_CACHE_HOME']
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'zmachine-init')
}

/** SHA-256 in hexadecimal of parts, told apart by their lengths. */
export function digest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    hash.update(`${bytes.length}:`).update(bytes)
  }
  return hash.digest('hex')
}

/** Whether there is an entry `name` made of `inputs`. */
export const isCached = (name: string, inputs: readonly (string | Uint8Array)[]): boolean =>
  existsSync(entryPath(name, inputs))

const entryPath = (name: string, inputs: readonly (string | Uint8Array)[]): string =>
  join(cacheRoot(), `${name}-${digest(inputs).slice(0, 16)}`)

/**
 * The folder of the entry `name` made of `inputs`; where there is none, `make` fills a new folder first.
 * `inputs` must hold everything that the content depends on.
 */
export async function cached(
  name: string,
  inputs: readonly (string | Uint8Array)[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const entry = entryPath(name, inputs)
  if (existsSync(entry)) return entry
  await mkdir(cacheRoot(), { recursive: true })
  await sweep()
  const folder = await mkdtemp(`${entry}.new-`)
  try {
    await make(folder)
    await rename(folder, entry)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    // Another build was first; its entry is as good as ours.
    if (isTaken(error) && existsSync(entry)) return entry
    throw error
  }
  return entry
}

function isTaken(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

/** Removes what a killed build left behind. */
async function sweep(): Promise<void> {
  for (const name of await readdir(cacheRoot())) {
    if (!name.includes('.new-')) continue
    const path = join(cacheRoot(), name)
    const found = await stat(path).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS)
      await rm(path, { recursive: true, force: true })
  }
}
