/** The order of mounts, by where the symlinks of the root lead: the plan knows only how their targets are written. */

import type { MountStep, Step } from '../../plan/step.ts'
import { readlink } from '../../sys/linux.ts'

/** As many as the kernel follows (MAXSYMLINKS). */
const MOST_LINKS = 40

/**
 * Parents before children also where a symlink in the image leads below what is mounted: what would be mounted
 * there first would be covered, and its data written elsewhere. All else keeps its place.
 */
export function orderMounts(steps: readonly Step[]): readonly Step[] {
  const mounts = steps.filter((step): step is MountStep => step.kind === 'mount')
  if (mounts.length < 2) return steps
  const sorted = mounts
    .map((step) => ({ step, depth: depthOf(followLinks(step.target)) }))
    .sort((a, b) => a.depth - b.depth)
  let next = 0
  return steps.map((step) => (step.kind === 'mount' ? (sorted[next++]?.step ?? step) : step))
}

const depthOf = (path: string): number => path.split('/').length

/** Where a path leads; a part that does not exist yet stands for itself. */
function followLinks(path: string): string {
  let done = ''
  let rest = path.split('/')
  let links = 0
  for (;;) {
    const [name, ...after] = rest
    if (name === undefined) return done
    rest = after
    if (name === '' || name === '.') continue
    if (name === '..') {
      done = done.slice(0, Math.max(0, done.lastIndexOf('/')))
      continue
    }
    const target = links < MOST_LINKS ? readlink(`${done}/${name}`) : 0
    if (typeof target === 'number') {
      done += `/${name}`
      continue
    }
    links++
    if (target.startsWith('/')) done = ''
    rest = [...target.split('/'), ...rest]
  }
}
