/** Reads and writes small files, lists and makes directories. */

import { bytesFrom } from '../../lib/bytes.ts'
import { S_IFDIR, S_IFMT, S_IFREG } from '../../lib/file-mode.ts'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import { EEXIST, EINTR, EINVAL, ELOOP, ENOENT, EROFS } from '../../sys/errno.ts'
import {
  DT_DIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from '../../sys/flags.ts'
import {
  close,
  currentRuntime,
  mkdir,
  open,
  read,
  readDirectory,
  readlink,
  stat,
  text,
  write,
} from '../../sys/linux.ts'
import type { Memory } from '../../sys/port.ts'

/**
 * A file's text, or undefined if it can't be read or is larger than 1 MB. Opened non-blocking, so that a FIFO in an image
 * can't block PID 1: it reads as '' or not at all.
 */
export function readText(path: string): string | undefined {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
  if (fd < 0) return undefined
  const content = readAll(fd)
  close(fd)
  return typeof content === 'number' ? undefined : content
}

/** Everything from the descriptor's offset on, or a negative errno. Files in /proc and /sys have no size. */
export function readAll(fd: number): string | number {
  let buffer: Memory = new Uint8Array(4096)
  let length = 0
  for (;;) {
    const count = read(fd, bytesFrom(buffer, length))
    if (count === -EINTR) continue
    if (count < 0) return count
    if (count === 0) return text(buffer, 0, length)
    length += count
    if (length > MAX_FILE_SIZE) return -EINVAL
    if (length === buffer.length) {
      const larger = new Uint8Array(buffer.length * 4)
      larger.set(buffer)
      buffer = larger
    }
  }
}

export function isDirectory(path: string): boolean {
  const found = stat(path)
  return typeof found !== 'number' && (found.mode & S_IFMT) === S_IFDIR
}

/** The names in a directory, or undefined if it can't be read. */
export function listNames(path: string): string[] | undefined {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if (fd < 0) return undefined
  const entries = readDirectory(fd)
  close(fd)
  return typeof entries === 'number' ? undefined : entries.map(({ name }) => name)
}

/** The names of the directories in a directory; empty if it can't be read. */
export function listDirectories(path: string): string[] {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
  if (fd < 0) return []
  const entries = readDirectory(fd)
  close(fd)
  if (typeof entries === 'number') return []
  return entries.filter(({ type }) => type === DT_DIR).map(({ name }) => name)
}

/** Writes a value to a file of /proc or /sys: in one write, as the kernel expects. Returns a negative errno on failure. */
export function writeValue(path: string, value: string): number {
  const fd = open(path, O_WRONLY | O_CLOEXEC)
  if (fd < 0) return fd
  const result = writeAll(fd, value)
  close(fd)
  return result
}

/** Writes all of a text. Returns a negative errno on failure. */
export function writeAll(fd: number, content: string): number {
  const memory = new Uint8Array(content.length)
  currentRuntime().putText(memory, 0, content)
  for (let at = 0; at < memory.length; ) {
    const count = write(fd, bytesFrom(memory, at))
    if (count < 0 && count !== -EINTR) return count
    if (count > 0) at += count
  }
  return 0
}

/**
 * Makes a directory and its parents, following symlinks as the kernel does; the target of a dangling one is made.
 * Returns a negative errno on failure.
 */
export function makeDirectories(path: string, mode = 0o755, depth = 0): number {
  const made = mkdir(path, mode)
  if (made >= 0) return 0
  if (depth > 40) return -ELOOP
  if (made === -ENOENT && path.lastIndexOf('/') > 0) {
    const parent = makeDirectories(path.slice(0, path.lastIndexOf('/')), 0o755, depth + 1)
    if (parent < 0) return parent
    const again = mkdir(path, mode)
    // /proc answers ENOENT too, and nothing can be made there.
    return again === -EEXIST ? makeDirectories(path, mode, depth + 1) : again
  }
  if (made !== -EEXIST && made !== -EROFS) return made
  const found = stat(path)
  if (typeof found !== 'number') return (found.mode & S_IFMT) === S_IFDIR ? 0 : made
  if (found === -ELOOP) return found
  const target = readlink(path)
  if (found !== -ENOENT || typeof target === 'number') return made
  const directory = path.slice(0, path.lastIndexOf('/'))
  return makeDirectories(target.startsWith('/') ? target : `${directory}/${target}`, mode, depth + 1)
}

export function isRegularFile(path: string): boolean {
  const found = stat(path)
  return typeof found !== 'number' && (found.mode & S_IFMT) === S_IFREG
}
