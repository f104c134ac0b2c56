/** Reading small files whole, making directories, and writing files of /etc so that nobody sees half of one. */

import { bytesFrom } from '../../lib/bytes.ts'
import { S_IFDIR, S_IFMT, S_IFREG } from '../../lib/file-mode.ts'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import { MS_BIND } from '../../lib/mount-flags.ts'
import { type Content, contentOf } from '../../plan/step.ts'
import { EEXIST, EINTR, EINVAL, ELOOP, ENOENT, EROFS, must, SysError } from '../../sys/errno.ts'
import {
  AT_EMPTY_PATH,
  DT_DIR,
  MNT_DETACH,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from '../../sys/flags.ts'
import {
  close,
  currentRuntime,
  fsync,
  mkdir,
  mount,
  open,
  read,
  readDirectory,
  readlink,
  rename,
  stat,
  text,
  umount,
  unlink,
  write,
} from '../../sys/linux.ts'
import type { Memory } from '../../sys/port.ts'

/**
 * A file's text, or undefined where it can't be read or is larger than 1 MB. Opened non-blocking, so that a FIFO in an
 * image can't hold PID 1 up: it reads as '' or not at all.
 */
export function readText(path: string): string | undefined {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
  if (fd < 0) return undefined
  const content = readAll(fd)
  close(fd)
  return typeof content === 'number' ? undefined : content
}

/** Everything from the descriptor's place on, or a negative errno. Files of /proc and /sys tell no size, so none is asked for. */
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

/** The names in a directory, or undefined where it can't be read. */
export function listNames(path: string): string[] | undefined {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if (fd < 0) return undefined
  const entries = readDirectory(fd)
  close(fd)
  return typeof entries === 'number' ? undefined : entries.map(({ name }) => name)
}

/** The names of the directories in a directory; none where it can't be read. */
export function listDirectories(path: string): string[] {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
  if (fd < 0) return []
  const entries = readDirectory(fd)
  close(fd)
  if (typeof entries === 'number') return []
  return entries.filter(({ type }) => type === DT_DIR).map(({ name }) => name)
}

/** Writes a value to a file of /proc or /sys: one write, as these want it. Returns a negative errno on failure. */
export function writeValue(path: string, value: string): number {
  const fd = open(path, O_WRONLY | O_CLOEXEC)
  if (fd < 0) return fd
  const result = writeAll(fd, value)
  close(fd)
  return result
}

function writeAll(fd: number, content: string): number {
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
 * Makes a directory and its parents, following symlinks as the kernel does; one that dangles has its target made.
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
    // In /proc nothing can be made, and it says ENOENT too.
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

/** Where files for a read-only root stand. */
const SHADOW = '/run/zmachine'

/**
 * Gives a file this text: beside it first and then renamed over it, so that there is always a whole one, and a symlink
 * is replaced and never followed. A file that has the text already is left alone. On a read-only root the text is
 * bind-mounted over the file from /run.
 * @param content where it is made from the present text, a file that can't be read, or is larger than 1 MB, is left alone
 * and throws
 * @param directoryMode of its directory, where that has to be made
 * @returns what was done
 */
export function updateFile(
  path: string,
  content: Content,
  mode = 0o644,
  directoryMode = 0o755,
): 'written' | 'unchanged' | 'bound' {
  const present = readRegular(path, mode)
  const keeps = typeof content !== 'string' && present.error !== -ENOENT
  if (keeps && present.error < 0) throw new SysError(`read ${path}`, present.error, 'it is left as it is')
  const wanted = contentOf(content, present.text)
  if (present.isAsWanted && present.text === wanted) return 'unchanged'
  const directory = path.slice(0, path.lastIndexOf('/'))
  const result = replace(path, `${path}.zmachine`, wanted, mode, keeps)
  if (result >= 0) return 'written'
  if (result === -ENOENT) {
    must(makeDirectories(directory, directoryMode), () => `mkdir ${directory}`)
    must(replace(path, `${path}.zmachine`, wanted, mode), () => `write ${path}`)
    return 'written'
  }
  if (result !== -EROFS) throw new SysError(`write ${path}`, result)
  const shadow = `${SHADOW}/${path.slice(path.lastIndexOf('/') + 1)}`
  must(makeDirectories(SHADOW), () => `mkdir ${SHADOW}`)
  must(replace(shadow, `${shadow}.zmachine`, wanted, mode), () => `write ${shadow}`)
  // What was bound before is a deleted file by now, and nothing can be mounted on one.
  umount(path, MNT_DETACH)
  must(mount(shadow, path, '', MS_BIND), () => `bind-mount ${shadow} on ${path}`)
  return 'bound'
}

interface Present {
  readonly text: string | undefined
  /** root's own regular file of the mode asked for. */
  readonly isAsWanted: boolean
  /** Why there is no text, as a negative errno; 0 where there is one, or what is there is no regular file. */
  readonly error: number
}

/** What is there, in few calls: over virtiofs each is a journey. */
function readRegular(path: string, mode: number): Present {
  const fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
  // A symlink is read, and then replaced.
  if (fd === -ELOOP) return { text: readText(path), isAsWanted: false, error: 0 }
  if (fd < 0) return { text: undefined, isAsWanted: false, error: fd }
  const content = readAll(fd)
  const found = stat('', AT_EMPTY_PATH, fd)
  close(fd)
  if (typeof found === 'number' || (found.mode & S_IFMT) !== S_IFREG) {
    return { text: undefined, isAsWanted: false, error: 0 }
  }
  if (typeof content === 'number') return { text: undefined, isAsWanted: false, error: content }
  return { text: content, isAsWanted: found.mode === (S_IFREG | mode) && found.uid === 0, error: 0 }
}

function replace(path: string, beside: string, content: string, mode: number, keeps = false): number {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
  let fd = open(beside, flags, mode)
  if (fd === -EEXIST) {
    // Left by a boot that was cut off.
    unlink(beside)
    fd = open(beside, flags, mode)
  }
  if (fd < 0) return fd
  const written = writeAll(fd, content)
  // Hosts kill machines without a warning: where somebody's own lines are kept, the new file must not come to its name
  // before its content has come to the disk.
  if (keeps && written >= 0) fsync(fd)
  close(fd)
  const result = written < 0 ? written : rename(beside, path)
  if (result < 0) unlink(beside)
  return result
}

export function isRegularFile(path: string): boolean {
  const found = stat(path)
  return typeof found !== 'number' && (found.mode & S_IFMT) === S_IFREG
}
