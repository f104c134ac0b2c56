/** Keeps the cache below its limit after a run. */

import type { Report } from '../lib/output.ts'
import { formatSize, readSize } from '../lib/size.ts'
import { UsageError } from '../lib/usage.ts'
import { cachedRoots, removeRoot } from './cache.ts'
import { rootsToRemove } from './prune.ts'

const VARIABLE = 'ZMACHINE_CACHE_LIMIT'
const DEFAULT_LIMIT = '10G'

export interface CacheLimit {
  readonly bytes: number
  /** As it was written. */
  readonly text: string
}

/** undefined: there is none. */
export function cacheLimit(environment: NodeJS.ProcessEnv = process.env): CacheLimit | undefined {
  const text = environment[VARIABLE] || DEFAULT_LIMIT
  if (text === '0') return undefined
  const bytes = readSize(text)
  if (bytes !== undefined) return { bytes, text }
  throw new UsageError(
    `${VARIABLE}=${JSON.stringify(text)} is not a size`,
    `${VARIABLE}=20G, or 0 for no limit`,
  )
}

/** Removes the longest unused roots until the cache is below its limit. The one used last always stays. */
export function limitCache(report: Report, limit = cacheLimit()): void {
  if (limit === undefined) return
  const roots = cachedRoots()
  const last = roots.at(-1)
  for (const { name, bytes } of rootsToRemove(roots, { mayGo: (root) => root !== last, keep: limit.bytes })) {
    if (!removeRoot(name)) continue
    report(
      `removed ${name} (${formatSize(bytes)}), the longest unused, from the cache: its limit is ${limit.text}`,
    )
  }
}
