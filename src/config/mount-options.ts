/** Translates mount options from fstab(5) and mount(8) for mount(2). */

import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from '../lib/mount-flags.ts'
import { trim } from '../lib/text.ts'

export interface MountOptions {
  /** MS_… */
  readonly flags: number
  /** What the file system itself understands, comma-separated. */
  readonly data: string
  /** The boot goes on if this mount fails. */
  readonly nofail: boolean
  /** Not to be mounted at boot. */
  readonly noauto: boolean
  /** The file system is grown to its disk. */
  readonly grow: boolean
}

/** Options of the virtual file system: each sets flags or, with a minus, clears one. */
const FLAGS: Readonly<Record<string, number>> = {
  ro: MS_RDONLY,
  rw: -MS_RDONLY,
  nosuid: MS_NOSUID,
  suid: -MS_NOSUID,
  nodev: MS_NODEV,
  dev: -MS_NODEV,
  noexec: MS_NOEXEC,
  exec: -MS_NOEXEC,
  sync: MS_SYNCHRONOUS,
  async: -MS_SYNCHRONOUS,
  mand: MS_MANDLOCK,
  nomand: -MS_MANDLOCK,
  dirsync: MS_DIRSYNC,
  nosymfollow: MS_NOSYMFOLLOW,
  noatime: MS_NOATIME,
  atime: -MS_NOATIME,
  nodiratime: MS_NODIRATIME,
  diratime: -MS_NODIRATIME,
  relatime: MS_RELATIME,
  norelatime: -MS_RELATIME,
  strictatime: MS_STRICTATIME,
  nostrictatime: -MS_STRICTATIME,
  lazytime: MS_LAZYTIME,
  nolazytime: -MS_LAZYTIME,
  // What these imply (mount(8)); who may mount does not matter here.
  user: MS_NOSUID | MS_NODEV | MS_NOEXEC,
  users: MS_NOSUID | MS_NODEV | MS_NOEXEC,
  owner: MS_NOSUID | MS_NODEV,
  group: MS_NOSUID | MS_NODEV,
}

/** Options for mount(8), systemd and fsck, which the kernel would reject. */
const USERSPACE: readonly string[] = ['defaults', 'auto', 'nouser', '_netdev', 'bootwait', 'nobootwait']

export function parseMountOptions(text: string): MountOptions {
  let flags = 0
  let nofail = false
  let noauto = false
  let grow = true
  const data: string[] = []
  for (const option of text.split(',')) {
    const name = trim(option)
    if (name === 'x-zmachine.nogrow') grow = false
    const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined
    if (
      name === '' ||
      USERSPACE.includes(name) ||
      name.startsWith('x-') ||
      name.startsWith('X-') ||
      name.startsWith('comment=')
    )
      continue
    if (name === 'nofail') nofail = true
    else if (name === 'noauto') noauto = true
    else if (flag === undefined) data.push(name)
    else flags = flag < 0 ? flags & ~-flag : flags | flag
  }
  return { flags, data: data.join(','), nofail, noauto, grow }
}
