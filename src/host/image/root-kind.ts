/**
 * Decides what a root is, by the rules of a zos host: a disk image to boot, a kernel of its own, or a container. The
 * rules are `getFlistInfo` and `prepContainer` of threefoldtech/zosbase, pkg/primitives/vm/utils.go.
 */

import { accessSync, constants, lstatSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import { shown, toByteText } from '../lib/byte-text.ts'
import { errorCode } from '../lib/input.ts'
import { UsageError } from '../lib/usage.ts'
import { adoptionOf, INITRD, KERNEL, type Version } from './adoption.ts'
import { resolveInRoot } from './root-reader.ts'

/** One of the files that decide. */
export interface DecidingFile {
  /** From the root. */
  readonly path: string
  /** Its path on this computer; undefined if a zos host would not find it. */
  readonly place: string | undefined
  /** In words: `a file of 12 bytes`, `a link to vmlinuz-6.1`, `absent`. */
  readonly state: string
}

interface Decided {
  /** Sentences; the first says what decided. */
  readonly why: readonly string[]
  readonly files: readonly DecidingFile[]
}

export type RootKind = Decided &
  (
    | { readonly kind: 'vm' /** A path on this computer, like the others. */; readonly image: string }
    | {
        readonly kind: 'kernel'
        readonly kernel: string
        readonly initrd?: string
        /** If both files are ours, as `zmachine adopt` puts them there. */
        readonly adoption?: Version
      }
    | { readonly kind: 'container' }
  )

const IMAGE = '/image.raw'

/**
 * Which of the three a root is. Like the host, it checks all files, even those that do not matter then.
 *
 * The host follows symlinks with os.Stat from its own `/`, so it misses what an absolute one means inside the root; here
 * such a file is found, and its state says so. The host means to refuse a relative link that leads out (`points to
 * invalid location`), but os.Stat has followed it before; here it is refused.
 * @throws UsageError if the host refuses the root: a directory or a device instead of a file, a loop of links, a path
 * through something that is not a directory, a link that leads out; also if this user may not read a file
 */
export function rootKind(root: string): RootKind {
  const image = judge(root, IMAGE)
  const kernel = judge(root, KERNEL)
  const initrd = judge(root, INITRD)
  const files = [image, kernel, initrd]
  const adoption = image.place === undefined && kernel.place !== undefined ? adoptionOf(root) : undefined
  const decided = { files, why: reasons(image, kernel, initrd, adoption) }
  if (image.place !== undefined) return { kind: 'vm', image: image.place, ...decided }
  if (kernel.place === undefined) return { kind: 'container', ...decided }
  return {
    kind: 'kernel',
    kernel: kernel.place,
    ...(initrd.place !== undefined && { initrd: initrd.place }),
    ...(adoption !== undefined && { adoption }),
    ...decided,
  }
}

/** Whether our PID 1 starts it: the host's, or one that the root carries. */
export const hasOurInit = (kind: RootKind): boolean =>
  kind.kind === 'container' || (kind.kind === 'kernel' && kind.adoption !== undefined)

function reasons(
  image: DecidingFile,
  kernel: DecidingFile,
  initrd: DecidingFile,
  adoption: Version | undefined,
): string[] {
  const there = ({ place }: DecidingFile): boolean => place !== undefined
  const unused = (file: DecidingFile, because: string): string[] =>
    there(file) ? [`${file.path} is there and not used: ${because}`] : []
  if (there(image)) {
    return [
      `${IMAGE} is there: a zos host copies it to the machine's first disk and boots that`,
      ...unused(kernel, `${IMAGE} decides`),
      ...unused(initrd, `${IMAGE} decides`),
    ]
  }
  if (!there(kernel)) {
    return [
      `neither ${IMAGE} nor ${KERNEL} is there: a zos host boots it as a container, with its own kernel and PID 1`,
      ...unused(initrd, `it counts only beside ${KERNEL}`),
    ]
  }
  return [
    `${KERNEL} is there, and ${IMAGE} is not: a zos host boots this kernel with the root as a virtiofs share`,
    there(initrd)
      ? `${INITRD} is there: the kernel starts from it`
      : `${INITRD} is not there: the kernel has to mount the share by itself`,
    adoption !== undefined
      ? `both are ours: PID 1 starts the entrypoint, as on a host that has them itself`
      : `what the kernel starts is its own affair: a zos host gives it init= only where the deployment has an entrypoint`,
  ]
}

function judge(root: string, path: string): DecidingFile {
  const folder = resolveInRoot(root, dirname(path))
  if (folder === undefined) return { path, place: undefined, state: 'absent' }
  const target = linkTarget(path, join(folder, basename(path)))
  const place = resolveInRoot(root, path)
  if (place === undefined) return { path, place, state: missing(path, join(folder, basename(path)), target) }
  const size = sizeOf(path, place)
  const bytes = `a file of ${size} bytes`
  if (target === undefined) return { path, place, state: bytes }
  const link = `a link to ${shown(toByteText(target))}, ${bytes}`
  const warning = target.startsWith('/')
    ? '; the link is absolute, and a zos host would look for it among its own files: make it relative'
    : ''
  return { path, place, state: link + warning }
}

/** Why a zos host would not find it. @throws UsageError if it would refuse the root */
function missing(path: string, place: string, target: string | undefined): string {
  if (target === undefined) {
    const code = codeOf(place)
    if (code === 'ENOENT') return 'absent'
    throw refused(path, `${code === 'ENOTDIR' ? 'a part of its path is not a directory' : 'it'} (${code})`)
  }
  if (codeOf(place) === 'ELOOP') throw refused(path, 'its symlinks go round (ELOOP)')
  return `absent: a link to ${shown(toByteText(target))}, which is not in the root`
}

/** The error of looking a path up; ENOENT also if it is found, since only the root's own files count. */
function codeOf(place: string): string {
  try {
    statSync(place)
    return 'ENOENT'
  } catch (error) {
    return errorCode(error)
  }
}

/** The target of a symlink; undefined if it is none. */
function linkTarget(path: string, place: string): string | undefined {
  let target: string
  try {
    target = readlinkSync(place)
  } catch {
    return undefined
  }
  const end = posix.normalize(posix.join(dirname(path).slice(1), target))
  if (!target.startsWith('/') && (end === '..' || end.startsWith('..'))) {
    throw refused(path, `it is a link to ${JSON.stringify(target)}, which leads out of the root`)
  }
  return target
}

function sizeOf(path: string, place: string): number {
  const stat = lstatSync(place)
  if (stat.isDirectory()) throw refused(path, 'it is a directory')
  if (!stat.isFile()) throw refused(path, 'it is not a regular file')
  try {
    accessSync(place, constants.R_OK)
  } catch (error) {
    // A zos host runs as root and can read it.
    throw new UsageError(
      `${path} of the root cannot be read (${errorCode(error)})`,
      'chmod +r it, or be root',
    )
  }
  return stat.size
}

const refused = (path: string, why: string): UsageError =>
  new UsageError(
    `${path} of the root: ${why}; a zos host refuses such a root`,
    'put a regular file there, or nothing',
  )
