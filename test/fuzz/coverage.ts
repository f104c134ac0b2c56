/**
 * Which characters of the source have run, by V8's own block coverage (Profiler.takePreciseCoverage of its inspector).
 * Characters and not blocks are counted, since V8 joins neighbouring blocks that ran alike, each time in another way.
 *
 * A function without branches is told only once; that it ran shows in who calls it. What is to be watched must be imported
 * after the start: V8 counts blocks only in code that it compiles from then on.
 */

import { type Profiler, Session } from 'node:inspector'

/** What ran since the last look. */
export type Stretches = readonly Stretch[]

interface Stretch {
  readonly url: string
  readonly from: number
  readonly to: number
}

/** 1 for each character of a file that has run. */
type Characters = Uint8Array

/** In characters. */
const LARGEST_SOURCE = 1 << 17

export interface Coverage {
  /** What ran since the last look at it. */
  take(): Stretches
  /** Whether there is anything in it that did not run before. */
  isNew(stretches: Stretches): boolean
  /** Remembers what ran. @returns what of it is new */
  add(stretches: Stretches): Stretches
  /** How many characters have run. */
  readonly size: number
  /** Forgets all that ran. */
  clear(): void
}

/** @param watches which scripts count, by their URL */
export function startCoverage(watches: (url: string) => boolean): Coverage {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  const seen = new Map<string, Characters>()
  const charactersOf = (url: string): Characters => {
    const known = seen.get(url) ?? new Uint8Array(LARGEST_SOURCE)
    seen.set(url, known)
    return known
  }
  const fresh = (stretches: Stretches): Stretches =>
    stretches.filter(({ url, from, to }) => charactersOf(url).subarray(from, to).includes(0))
  return {
    take: () =>
      takeAll(session)
        .filter(({ url }) => watches(url))
        .flatMap(({ url, functions }) => functions.flatMap(({ ranges }) => stretchesOf(url, ranges))),
    isNew: (stretches) => fresh(stretches).length > 0,
    add(stretches) {
      const added = fresh(stretches)
      for (const { url, from, to } of added) charactersOf(url).fill(1, from, to)
      return added
    },
    get size() {
      return [...seen.values()].reduce((sum, known) => sum + known.reduce((count, ran) => count + ran, 0), 0)
    },
    clear: () => seen.clear(),
  }
}

/** Whether everything of `wanted` is in `stretches`. */
export const coversAll = (stretches: Stretches, wanted: Stretches): boolean =>
  wanted.every(({ url, from, to }) => {
    let at = from
    const own = stretches.filter((each) => each.url === url).sort((a, b) => a.from - b.from)
    for (const each of own) if (each.from <= at) at = Math.max(at, each.to)
    return at >= to
  })

/** The inspector answers before `post` is over. */
function takeAll(session: Session): readonly Profiler.ScriptCoverage[] {
  let found: readonly Profiler.ScriptCoverage[] = []
  session.post('Profiler.takePreciseCoverage', (error, { result }) => {
    if (error !== null) throw error
    found = result
  })
  return found
}

/** A function's ranges lie in one another, the outer ones first: the innermost says whether a character ran. */
function stretchesOf(url: string, ranges: readonly Profiler.CoverageRange[]): Stretch[] {
  const edges = [...new Set(ranges.flatMap(({ startOffset, endOffset }) => [startOffset, endOffset]))]
  edges.sort((a, b) => a - b)
  return edges.slice(1).flatMap((to, index) => {
    const from = edges[index] ?? to
    const inner = ranges.findLast(({ startOffset, endOffset }) => startOffset <= from && to <= endOffset)
    return inner !== undefined && inner.count > 0 ? [{ url, from, to }] : []
  })
}
