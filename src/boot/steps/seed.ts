/**
 * Reads the seed and unmounts it again before anything else is mounted. Loaded only if a disk is labelled as one (see
 * `lazy.ts`).
 */

import type { Layer } from '../../config/machine.ts'
import { parseSeed, SEED_FILE_NAMES, type SeedFiles } from '../../config/seed.ts'
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '../../lib/mount-flags.ts'
import { formatProblem } from '../../lib/problem.ts'
import { EINVAL, ENOENT, SysError } from '../../sys/errno.ts'
import { MNT_DETACH, O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../../sys/flags.ts'
import { close, mkdir, mount, open, umount } from '../../sys/linux.ts'
import type { Labelled } from '../io/device.ts'
import { readAll } from '../io/files.ts'
import type { Modules } from '../io/modules.ts'
import { loadFileSystem } from './mount-attempt.ts'

/** A directory of the initramfs, which only PID 1 sees. */
const PLACE = '/seed'

export interface Seed {
  /** The device; undefined if none holds a seed. */
  readonly device: string | undefined
  /** The weakest first. */
  readonly layers: readonly Layer[]
  /** In words; none of them is fatal. */
  readonly problems: readonly string[]
}

/**
 * Reads the first of these disks that has the files of a seed: a data disk may have the same label.
 * @param disks labelled as a seed, the most likely first
 */
export function readSeed(disks: readonly Labelled[], modules: Modules): Seed {
  const problems: string[] = []
  const others: string[] = []
  for (const { path, type } of disks) {
    const files = readFiles(path, type, modules, problems)
    if (files === undefined) continue
    if (SEED_FILE_NAMES.every(([key]) => files[key] === undefined)) {
      others.push(path)
      continue
    }
    const parsed = parseSeed(files, 'seed')
    for (const problem of parsed.problems) problems.push(formatProblem(problem))
    return { device: path, layers: parsed.layers, problems }
  }
  // Next to a seed, a data disk may well have the label. Without a seed, this may be it, damaged.
  for (const path of others)
    problems.push(
      `seed: ${path} is labelled cidata but has none of ${SEED_FILE_NAMES.map(([, name]) => name).join(', ')}; is the disk damaged?`,
    )
  return { device: undefined, layers: [], problems }
}

/** Empty if it is not a seed, or a damaged one; undefined if it can't be mounted, which is a problem. */
function readFiles(
  device: string,
  type: string,
  modules: Modules,
  problems: string[],
): SeedFiles | undefined {
  loadFileSystem(modules, type)
  mkdir(PLACE, 0o700)
  const result = mount(device, PLACE, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
  if (result < 0) {
    problems.push(new SysError(`seed: mount ${device} as ${type}`, result, 'its label says cidata').message)
    return undefined
  }
  const files: { -readonly [K in keyof SeedFiles]: string } = {}
  for (const [key, name] of SEED_FILE_NAMES) {
    const content = readFile(`${PLACE}/${name}`)
    if (typeof content === 'string') {
      files[key] = content
      // Beyond a disk's end, zeros are read.
      if (content.includes('\0'))
        problems.push(`seed: ${name} of ${device} contains a NUL byte; is the disk truncated?`)
    } else if (content !== -ENOENT)
      problems.push(
        new SysError(
          `seed: read ${name} of ${device}`,
          content,
          content === -EINVAL ? 'larger than 1 MB' : '',
        ).message,
      )
  }
  if (umount(PLACE) < 0) umount(PLACE, MNT_DETACH)
  return files
}

/** The text, or a negative errno; -EINVAL if it is larger than 1 MB. */
function readFile(path: string): string | number {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (fd < 0) return fd
  const content = readAll(fd)
  close(fd)
  return content
}
