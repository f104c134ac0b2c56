/** Orders mounts by where the root's symlinks lead: the plan knows only the targets as written. */

import { followSymlinks } from '../../lib/paths.ts'
import type { BootStep, MountStep } from '../../plan/step.ts'
import { readlink } from '../../sys/linux.ts'

/**
 * Parents before children, even if a symlink in the image leads below another mount: what was mounted there first would be
 * covered, and its data written elsewhere. Other steps keep their places.
 */
export function orderMounts(steps: readonly BootStep[]): readonly BootStep[] {
  const mounts = steps.filter((step): step is MountStep => step.kind === 'mount')
  if (mounts.length < 2) return steps
  const sorted = mounts
    .map((step) => ({ step, depth: depthOf(followSymlinks(step.target, readlink) ?? step.target) }))
    .sort((a, b) => a.depth - b.depth)
  let next = 0
  return steps.map((step) => (step.kind === 'mount' ? (sorted[next++]?.step ?? step) : step))
}

const depthOf = (path: string): number => path.split('/').length
