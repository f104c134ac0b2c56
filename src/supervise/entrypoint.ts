/** Finds the entrypoint, and whether it is an init. */

import type { Mode } from '../config/machine.ts'
import type { Bytes } from '../lib/bytes.ts'
import { type Found, findEntrypoint, type Missing } from '../lib/entrypoint.ts'
import { isInit, mountsCgroups } from '../lib/inits.ts'
import { followSymlinks } from '../lib/paths.ts'
import { quote } from '../lib/text.ts'
import { describeErrno, EACCES } from '../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../sys/flags.ts'
import { close, open, pread, readlink, stat, text } from '../sys/linux.ts'
import { unmountCgroups } from './cgroup.ts'

export const resolveEntrypoint = (init: string, cwd: string, path: string): Found | Missing =>
  findEntrypoint(init, cwd, path, { mode: modeOf, missing })

function modeOf(path: string): number {
  const found = stat(path)
  return typeof found === 'number' ? found : found.mode
}

function missing(path: string, errno: number): Missing {
  const target = readlink(path)
  const link =
    typeof target === 'string'
      ? `; it is a symlink to ${quote(target)}, which does not exist in the root`
      : ''
  const message = `entrypoint ${quote(path)}: ${describeErrno(errno)}${link}`
  return { code: errno === -EACCES ? 126 : 127, message }
}

/**
 * Whether to hand over PID 1. `auto`: only to an unmistakable init, since an application that exits as PID 1 makes the
 * kernel panic.
 * @param args the entrypoint's, without its own name
 */
export function wantsPid1(mode: Mode, path: string, args: readonly string[]): boolean {
  if (mode !== 'auto') return mode === 'exec'
  return isInit(
    path,
    () => finalTarget(path),
    args,
    () => {
      const head = readHead(path)
      return text(head, 0, head.length)
    },
  )
}

/** Leaves /sys/fs/cgroup to an init that mounts it itself: it would find its mount point busy. */
export function releaseCgroups(path: string): void {
  if (mountsCgroups(path, finalTarget(path))) unmountCgroups()
}

/** Only the file's name matters, so a path that is not itself a symlink is not walked. */
const finalTarget = (path: string): string =>
  typeof readlink(path) === 'string' ? (followSymlinks(path, readlink) ?? path) : path

/** A file's beginning: enough for an ELF header with its segments, or a `#!` line. */
export function readHead(path: string): Bytes {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (fd < 0) return new Uint8Array(0)
  const bytes = new Uint8Array(4096)
  const count = pread(fd, bytes, 0)
  close(fd)
  return bytes.slice(0, Math.max(0, count))
}
