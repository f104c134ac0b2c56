/** Mounts a share: a virtiofs or 9p tag. */

import { quote, trim } from '../../lib/text.ts'
import { EINVAL, ENODEV, ENOENT, SysError } from '../../sys/errno.ts'
import { listNames, readText } from '../io/files.ts'
import type { Modules } from '../io/modules.ts'
import { waitFor } from '../io/wait.ts'
import { hint, listing, loadFileSystem, type Mountable, type Mounted, tryMount } from './mount-attempt.ts'

/** Waits for the tag. Without a type, virtiofs is tried first: hosts use it. */
export function mountShare(what: Mountable, deadline: number, modules: Modules): Mounted {
  const { source, target, type } = what
  const types = type === 'auto' ? ['virtiofs', '9p'] : [type]
  for (const candidate of types) loadFileSystem(modules, candidate)
  let last = -ENOENT
  const mounted = waitFor(
    () => {
      const attempt = tryTypes(what, types)
      if (typeof attempt === 'number') last = attempt
      return typeof attempt === 'number' ? undefined : attempt
    },
    deadline,
    () => `the share ${quote(source)}`,
  )
  if (mounted !== undefined) return mounted
  throw new SysError(
    `mount ${quote(source)} on ${target}, tried as ${types.join(' and ')}`,
    last,
    `no share has this tag${listTags()}`,
  )
}

/**
 * Tries each type once.
 * @returns a negative errno if there is no such tag, which may still appear
 * @throws SysError if one has the tag and refuses, or the kernel has none of the types: waiting would not help
 */
function tryTypes(what: Mountable, types: readonly string[]): Mounted | number {
  const { source, target, data } = what
  let absent = 0
  let refusal: SysError | undefined
  let unknown: SysError | undefined
  for (const type of types) {
    const attempt = tryMount({ ...what, type })
    if (typeof attempt !== 'number') return attempt
    const call = `mount ${quote(source)} on ${target} as ${type}`
    if (attempt === -EINVAL && data !== '' && shareTags()?.includes(source) === true)
      throw new SysError(call, attempt, `unknown option in ${quote(data)}`)
    if (isAbsent(type, attempt)) absent = attempt
    else if (attempt === -ENODEV) unknown ??= new SysError(call, attempt, hint(attempt, type))
    else refusal ??= new SysError(call, attempt, hint(attempt, type))
  }
  if (refusal !== undefined) throw refusal
  if (unknown !== undefined && absent === 0) throw unknown
  return absent
}

/** Whether this is the answer for a tag that no device has (virtio_fs_get_tree, p9_virtio_create). */
const isAbsent = (type: string, result: number): boolean =>
  result === -ENOENT || (result === -EINVAL && type === 'virtiofs')

/** The tags of all virtiofs devices; undefined before Linux 6.9, which doesn't list them. */
function shareTags(): string[] | undefined {
  return listNames('/sys/fs/virtiofs')?.flatMap((name) => {
    const tag = readText(`/sys/fs/virtiofs/${name}/tag`)
    return tag === undefined ? [] : [trim(tag)]
  })
}

/** For the end of a message. */
function listTags(): string {
  const tags = shareTags()
  return tags === undefined ? '' : `; ${listing('tags', tags.map(quote))}`
}
