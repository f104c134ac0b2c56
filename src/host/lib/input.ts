/** Reads files that the user names, with the same limits as PID 1. */

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import { UsageError } from './usage.ts'

/** The errno name (`ENOENT`) of a Node error, or its text. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)

export type InputKind = 'directory' | 'file'

/** What a path leads to; devices count as files, since an image may be on one. @throws UsageError if it leads nowhere */
export function kindOf(path: string, option: string): InputKind {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    throw new UsageError(`${option} ${JSON.stringify(path)}: cannot be read (${errorCode(error)})`)
  }
}

/** A whole file as a byte string, for `@FILE` of an option. `-` is the standard input. */
export function readNamed(path: string, option: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'latin1')
  } catch (error) {
    throw new UsageError(`${option} @${path}: cannot be read (${errorCode(error)})`)
  }
}

/**
 * A regular file's text as a byte string.
 * @param flags for open(2), besides O_RDONLY and O_NONBLOCK (opening a FIFO must not block)
 * @returns `missing`; or `unusable` if it is not a regular file, larger than 1 MB or can't be read
 */
export function readBounded(
  path: string,
  flags = 0,
): { readonly text: string } | { readonly failed: 'missing' | 'unusable'; readonly why: string } {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  } catch (error) {
    const code = errorCode(error)
    return { failed: code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unusable', why: code }
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) return { failed: 'unusable', why: 'not a regular file' }
    if (stat.size > MAX_FILE_SIZE) return { failed: 'unusable', why: 'larger than 1 MB' }
    return { text: readFileSync(fd, 'latin1') }
  } catch (error) {
    return { failed: 'unusable', why: errorCode(error) }
  } finally {
    closeSync(fd)
  }
}

/** Bytes of an open file; fewer if it ends before. */
export function readAt(fd: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  return bytes.slice(0, readSync(fd, bytes, 0, length, offset))
}
