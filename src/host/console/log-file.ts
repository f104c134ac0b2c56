/** The serial log in a file. A log that can't be written is a warning, and never ends the machine. */

import { closeSync, createWriteStream, ftruncateSync, openSync, writeSync } from 'node:fs'
import { errorCode } from '../lib/input.ts'

export interface LogFile {
  readonly file: string
  /** Keeps this many bytes of the beginning and of the end. Without it, everything is kept. */
  readonly keep?: number
}

export interface LogWriter {
  write(chunk: Uint8Array): void
  /** Resolves once everything is in the file. */
  end(): Promise<void>
}

/** Never throws: the first error is a warning, and then nothing more is written. */
export function openLog({ file, keep }: LogFile, warn: (text: string) => void): LogWriter {
  const failed = (error: unknown): void =>
    warn(`the log ${file} is incomplete: ${errorCode(error)}; the machine goes on without it`)
  return keep === undefined ? wholeLog(file, failed) : boundedLog(file, keep, failed)
}

function wholeLog(file: string, failed: (error: unknown) => void): LogWriter {
  const stream = createWriteStream(file)
  let usable = true
  stream.on('error', (error) => {
    if (usable) failed(error)
    usable = false
  })
  return {
    write: (chunk) => void (usable && stream.write(chunk)),
    end: () =>
      new Promise((resolve) => {
        stream.once('close', resolve)
        if (stream.closed) resolve()
        else stream.end()
      }),
  }
}

/**
 * The beginning is written as it comes. The end is kept in memory, and written behind the beginning whenever as much
 * again has come, so that the file is nearly complete even where this process is killed.
 */
function boundedLog(file: string, keep: number, failed: (error: unknown) => void): LogWriter {
  let begun = 0
  let omitted = 0
  let end: Uint8Array[] = []
  let endLength = 0
  let unwritten = 0
  let fd: number | undefined

  const attempt = (work: (fd: number) => void): void => {
    if (fd === undefined) return
    try {
      work(fd)
    } catch (error) {
      fd = undefined
      failed(error)
    }
  }
  const writeEnd = (): void =>
    attempt((fd) => {
      const all = Buffer.concat(end)
      const kept = all.subarray(Math.max(0, all.length - keep))
      omitted += all.length - kept.length
      const gap = omitted === 0 ? '' : `\n[... ${omitted} bytes are left out here ...]\n`
      const bytes = Buffer.concat([Buffer.from(gap), kept])
      writeAll(fd, bytes, begun)
      ftruncateSync(fd, begun + bytes.length)
      end = [kept]
      endLength = kept.length
      unwritten = 0
    })

  try {
    fd = openSync(file, 'w', 0o600)
  } catch (error) {
    failed(error)
  }
  return {
    write(chunk) {
      const first = chunk.subarray(0, keep - begun)
      if (first.length > 0) {
        attempt((fd) => writeAll(fd, first, begun))
        begun += first.length
      }
      const rest = chunk.subarray(first.length)
      if (rest.length === 0 || fd === undefined) return
      // Copied, since a view would hold the whole buffer that it was read into.
      end.push(Uint8Array.from(rest))
      endLength += rest.length
      unwritten += rest.length
      if (unwritten >= keep) writeEnd()
    },
    async end() {
      if (endLength > 0) writeEnd()
      attempt(closeSync)
      fd = undefined
    },
  }
}

/** write(2) may take less than it is given. */
function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at)
}
