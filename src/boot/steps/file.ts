/** Writes a file in /etc atomically: nobody ever sees half of it. */

import { S_IFMT, S_IFREG } from '../../lib/file-mode.ts'
import { MS_BIND } from '../../lib/mount-flags.ts'
import { type Content, contentOf } from '../../plan/step.ts'
import { EEXIST, ELOOP, ENOENT, EROFS, must, SysError } from '../../sys/errno.ts'
import {
  AT_EMPTY_PATH,
  MNT_DETACH,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from '../../sys/flags.ts'
import { close, fsync, mount, open, rename, stat, umount, unlink } from '../../sys/linux.ts'
import { makeDirectories, readAll, readText, writeAll } from '../io/files.ts'

/** Holds what is bind-mounted over files of a read-only root. */
const SHADOW = '/run/zmachine'

/**
 * Writes a file's text. A new file is written next to the old one and renamed over it, so there is a complete one at all
 * times, and a symlink is replaced, never followed. A file that already has the text is left alone. On a read-only root, a file in /run
 * is bind-mounted over it.
 * @param content if it depends on the present text, a file that can't be read, or is larger than 1 MB, is left alone, and
 * this throws
 * @param directoryMode for its directory, if that has to be made
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
  if (keeps && present.error < 0) throw new SysError(`read ${path}`, present.error, 'it is left unchanged')
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
  // An earlier bind mount is of a deleted file by now, on which nothing can be mounted.
  umount(path, MNT_DETACH)
  must(mount(shadow, path, '', MS_BIND), () => `bind-mount ${shadow} on ${path}`)
  return 'bound'
}

interface Present {
  readonly text: string | undefined
  /** A regular file of root's with the right mode. */
  readonly isAsWanted: boolean
  /** Why there is no text, as a negative errno; 0 if there is one, or it is not a regular file. */
  readonly error: number
}

/** Reads what is there, in few calls: over virtiofs each is a round trip to the host. */
function readRegular(path: string, mode: number): Present {
  const fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
  // A symlink: its target is read, the link is replaced.
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
    // Left by an interrupted boot.
    unlink(beside)
    fd = open(beside, flags, mode)
  }
  if (fd < 0) return fd
  const written = writeAll(fd, content)
  // Hosts kill machines without warning. If the file keeps somebody's own lines, its content must be on the disk before
  // it is renamed.
  if (keeps && written >= 0) fsync(fd)
  close(fd)
  const result = written < 0 ? written : rename(beside, path)
  if (result < 0) unlink(beside)
  return result
}
