/** Unmounts everything, or makes it read-only, without hanging on a server or a disk that has died. */

import { followLines, harmless, warn } from '../../boot/io/console.ts'
import { readText } from '../../boot/io/files.ts'
import { DISK_PATIENCE, watch } from '../../boot/io/watchdog.ts'
import { MS_RDONLY, MS_REMOUNT } from '../../lib/mount-flags.ts'
import { quote } from '../../lib/text.ts'
import { MNT_DETACH } from '../../sys/flags.ts'
import { mount, SYS_mount, SYS_statfs, SYS_swapoff, SYS_sync, SYS_umount2 } from '../../sys/linux.ts'
import type { Argument } from '../../sys/port.ts'
import { callWithin } from './helper.ts'
import { isBelow, isServed, type Mount, parseMounts, parseSwaps } from './mounts.ts'

/** How long a server on the host may take to answer, in milliseconds. */
const ANSWER_PATIENCE = 5000

/** How long a call may take that a dead server might hold up, in milliseconds. */
const SYNC_PATIENCE = 20_000

/**
 * Unmounts the last mount first, and makes read-only what is busy, which writes it out as well. A file server that has died
 * is left alone: it would never answer, and has nothing of ours to write.
 * @param writeRecord called before the root becomes read-only
 */
export function unmountAll(writeRecord: () => void): void {
  if (!answers('/')) {
    // Not even /proc can be reached through it, nor a log file.
    followLines(undefined)
    warn('the root does not answer: its server on the host has died')
    callWithin(SYNC_PATIENCE, SYS_sync)
    return
  }
  const dead = findDead()
  watch('swap', DISK_PATIENCE)
  for (const file of parseSwaps(readText('/proc/swaps') ?? '')) callWithin(patience(dead), SYS_swapoff, file)
  // What keeps a device busy (a loop device over a file, say) may be gone only after the first round.
  while (unmountRound(dead));
  watch('/', DISK_PATIENCE)
  writeRecord()
  makeReadOnly(dead)
  callWithin(patience(dead), SYS_sync)
  detachBelow(dead)
}

/** Whether a file system's server answers: statfs(2) is never answered from memory (fs/fuse/inode.c). */
export const answers = (path: string): boolean =>
  callWithin(ANSWER_PATIENCE, SYS_statfs, path, new Uint8Array(120)) !== undefined

/** Writing to disks takes its time, but next to a dead server any call may be one that never comes back. */
const patience = (dead: readonly string[]): number => (dead.length > 0 ? SYNC_PATIENCE : DISK_PATIENCE)

/** The mount points whose servers do not answer any more. */
function findDead(): string[] {
  const dead: string[] = []
  for (const { target } of readMounts().filter(isServed)) {
    if (isBelow(target, dead) || answers(target)) continue
    warn(`${quote(target)} does not answer: its server on the host has died`)
    dead.push(target)
  }
  return dead
}

/** What can be asked for something, the last mount first. */
const reachable = (dead: readonly string[]): string[] =>
  readMounts().flatMap(({ target }) => (dead.includes(target) || isBelow(target, dead) ? [] : [target]))

/**
 * Makes a call about a mount.
 * @param dead gets the mount point where the call does not come back
 */
function ask(
  target: string,
  dead: string[],
  number: number,
  ...args: readonly Argument[]
): number | undefined {
  watch(harmless(target), DISK_PATIENCE)
  const result = callWithin(patience(dead), number, ...args)
  if (result === undefined) {
    warn(`${quote(target)} does not answer: left as it is`)
    dead.push(target)
  }
  return result
}

/** @returns whether a mount has gone, so that others may not be busy any more */
function unmountRound(dead: string[]): boolean {
  let gone = false
  for (const target of reachable(dead)) {
    if (target !== '/' && (ask(target, dead, SYS_umount2, target, 0) ?? -1) >= 0) gone = true
  }
  return gone
}

function makeReadOnly(dead: string[]): void {
  for (const target of reachable(dead)) {
    const result = ask(target, dead, SYS_mount, '', target, '', MS_REMOUNT | MS_RDONLY, 0)
    if (target === '/' || result === undefined) continue
    warn(`${quote(target)} is busy: ${result < 0 ? 'left as it is' : 'made read-only, not unmounted'}`)
  }
}

/**
 * No path leads to what is mounted below a dead server, but with the dead mount it is detached, and what nobody holds is
 * written out and closed before the kernel asks the dead server to say goodbye. The last thing done: it may not come back.
 */
function detachBelow(dead: readonly string[]): void {
  const below = readMounts().filter(({ target }) => isBelow(target, dead))
  for (const { target } of below)
    warn(`${quote(target)} is below a mount that does not answer: detached with it`)
  for (const target of dead) {
    if (below.some((each) => isBelow(each.target, [target])) && !isBelow(target, dead))
      callWithin(SYNC_PATIENCE, SYS_umount2, target, MNT_DETACH)
  }
}

/** Where file systems with data are mounted, the last one first. */
function readMounts(): Mount[] {
  // The container may have unmounted or covered it.
  const mounts = readText('/proc/self/mounts')
  if (mounts !== undefined) return parseMounts(mounts)
  mount('proc', '/proc', 'proc', 0)
  return parseMounts(readText('/proc/self/mounts') ?? '')
}
