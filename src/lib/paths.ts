/** Paths as the kernel walks them. Pure: the caller looks at the files. */

/** As many symlinks as the kernel follows for one path (path_resolution(7)). */
export const MAX_SYMLINKS = 40

/**
 * Where a path leads, from `/`, when all its symlinks are followed: an absolute target starts again at `/`, and `..`
 * stops there. A component that does not exist stands for itself.
 * @param readlink a symlink's target; anything but a string where there is no symlink
 * @returns undefined where there are too many symlinks
 */
export function followSymlinks(
  path: string,
  readlink: (path: string) => string | number | undefined,
): string | undefined {
  let resolved = ''
  let links = 0
  // Reversed, so that the next component is the last element.
  const left = path.split('/').reverse()
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      resolved = resolved.slice(0, Math.max(0, resolved.lastIndexOf('/')))
      continue
    }
    const next = `${resolved}/${name}`
    const target = readlink(next)
    if (typeof target !== 'string') {
      resolved = next
      continue
    }
    if (++links > MAX_SYMLINKS) return undefined
    if (target.startsWith('/')) resolved = ''
    for (const part of target.split('/').reverse()) left.push(part)
  }
  return resolved === '' ? '/' : resolved
}

/**
 * A mount point as an absolute path without `.`, `..` and doubled slashes; `..` stops at the root, as it does for
 * the kernel. undefined: nothing is left of it, and a mount would hide the root.
 */
export function normalizeTarget(target: string): string | undefined {
  const kept: string[] = []
  for (const part of target.split('/')) {
    if (part === '..') kept.pop()
    else if (part !== '' && part !== '.') kept.push(part)
  }
  return kept.length === 0 ? undefined : `/${kept.join('/')}`
}
