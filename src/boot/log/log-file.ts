/** The log file in the root: bounded, with one rotation. What can't be written is counted, and never holds anybody up. */

import { describeErrno, EINVAL, EIO } from '../../sys/errno.ts'
import {
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_TRUNC,
  O_WRONLY,
  SEEK_END,
} from '../../sys/flags.ts'
import { close, currentRuntime, ftruncate, lseek, open, rename, write } from '../../sys/linux.ts'
import { warn } from '../io/console.ts'
import { makeDirectories } from '../io/files.ts'
import { type Entries, entry } from './entries.ts'

const DIRECTORY = '/.zmachine/log'
export const LOG_FILE = `${DIRECTORY}/container.log`
const ROTATED = `${LOG_FILE}.1`

export interface LogFile {
  fd: number
  /** In bytes, as is `limit`. */
  size: number
  readonly limit: number
  /** Entries that could not be written, since the last that could. */
  lost: number
  /** All of them. */
  lostInAll: number
}

/** Appends to what earlier boots have left. @returns a negative errno where the root can't be written */
export function openLogFile(limit: number): LogFile | number {
  const made = makeDirectories(DIRECTORY, 0o700)
  if (made < 0) return made
  const fd = openForWriting(0)
  if (fd < 0) return fd
  return { fd, size: Math.max(0, lseek(fd, 0, SEEK_END)), limit, lost: 0, lostInAll: 0 }
}

const openForWriting = (more: number): number =>
  open(LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | more, 0o600)

/** @param time of now, as RFC 3339 has it */
export function writeEntries(file: LogFile, { text, count }: Entries, time: string): void {
  if (count === 0) return
  const gap = file.lost === 0 ? '' : entry(`zmachine: ${file.lost} lines are missing here\n`, 'stderr', time)
  const result = append(file, gap + text)
  if (result >= 0) {
    file.lost = 0
    return
  }
  const isFirst = file.lost === 0
  file.lost += count
  file.lostInAll += count
  // Last, since the warning comes back here as a line to write.
  if (isFirst)
    warn(
      `${LOG_FILE}: ${describeErrno(result)}; the container's output is lost to it, and goes on to the console`,
    )
}

/** @returns a negative errno where nothing of it was written */
function append(file: LogFile, text: string): number {
  if (file.size > 0 && file.size + text.length > file.limit) rotate(file)
  // A rotation may have failed, in a directory that the container can change too.
  if (file.fd < 0) file.fd = openForWriting(0)
  if (file.fd < 0) return file.fd
  const memory = new Uint8Array(text.length)
  currentRuntime().putText(memory, 0, text)
  const written = write(file.fd, memory)
  if (written === memory.length) {
    file.size += written
    return written
  }
  // Half an entry is worse than none.
  if (written > 0) ftruncate(file.fd, file.size)
  return written < 0 ? written : -EIO
}

function rotate(file: LogFile): void {
  // A container can write here, too: whatever it has put in the place of the files is left as it is.
  rename(LOG_FILE, ROTATED)
  close(file.fd)
  // If the file could not be renamed, its lines are dropped: it stays bounded.
  file.fd = openForWriting(O_TRUNC)
  file.size = 0
}

export function closeLogFile(file: LogFile): void {
  if (file.fd >= 0) close(file.fd)
  file.fd = -EINVAL
  if (file.lostInAll > 0) warn(`${LOG_FILE}: ${file.lostInAll} lines of the container's output are missing`)
}
