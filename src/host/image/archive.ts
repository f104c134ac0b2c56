/** Unpacks an archive of a root (`.tar`, `.tar.gz`, `.tar.zst`, `.tar.xz`), told by its content, with GNU tar. */

import { type ChildProcess, spawnSync } from 'node:child_process'
import { chmodSync, closeSync, createReadStream, openSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MORE_ROOM } from '../cache/cache.ts'
import { endOf } from '../lib/child.ts'
import { spawnGuarded } from '../lib/guard.ts'
import { errorCode, readAt } from '../lib/input.ts'
import { readline } from '../lib/lazy.ts'
import type { Report } from '../lib/output.ts'
import { findProgram, needProgram } from '../lib/programs.ts'
import { UsageError } from '../lib/usage.ts'
import { mistakenFile } from './mistaken-path.ts'
import { refuseMistakenRoot } from './mistaken-root.ts'
import { digHoles } from './sparse.ts'

export interface Compression {
  /** How the file starts. */
  readonly magic: readonly number[]
  /** For tar. */
  readonly option: string
  readonly program: string
  readonly debianPackage: string
}

/** RFC 1952, RFC 8878, the .xz file format 1.2.1. */
const COMPRESSIONS: readonly Compression[] = [
  { magic: [0x1f, 0x8b], option: '--gzip', program: 'gzip', debianPackage: 'gzip' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], option: '--zstd', program: 'zstd', debianPackage: 'zstd' },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], option: '--xz', program: 'xz', debianPackage: 'xz-utils' },
]

/**
 * How an archive is compressed, by its content; undefined for a plain one. Only tar looks into compressed files.
 * @throws UsageError if it is no archive, or its program is not installed
 */
export function compressionOf(path: string): Compression | undefined {
  const refused = (why: string, hint?: string): UsageError =>
    new UsageError(`the root ${JSON.stringify(path)}${why}`, hint)
  // Opening a FIFO would wait for a writer.
  if (!statSync(path).isFile()) throw refused(' is neither a directory nor a regular file')
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    throw refused(`: cannot be read (${errorCode(error)})`)
  }
  try {
    const head = readAt(fd, 0, 512)
    const compression = COMPRESSIONS.find(({ magic }) => magic.every((byte, index) => head[index] === byte))
    if (compression === undefined) {
      if (isTarHeader(head)) return undefined
      const kinds = '(.tar, .tar.gz, .tar.zst, .tar.xz)'
      throw (
        mistakenFile(fd, path) ??
        refused(
          ` is neither a directory nor an archive ${kinds}`,
          'a Docker image as an archive: docker export "$(docker create IMAGE)" > root.tar',
        )
      )
    }
    const { program, debianPackage } = compression
    if (findProgram(program) !== undefined) return compression
    throw refused(
      ` is compressed with ${program}, which is not installed`,
      `apt-get install ${debianPackage}`,
    )
  } finally {
    closeSync(fd)
  }
}

/** tar(5): all variants have a sum over the header, with its own field counted as blanks. */
function isTarHeader(head: Uint8Array): boolean {
  if (head.length < 512) return false
  const field = Buffer.from(head.subarray(148, 156)).toString('latin1').replace(/[ \0]/g, '')
  const sum = head.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  return /^[0-7]+$/.test(field) && Number.parseInt(field, 8) === sum
}

/**
 * Safe against `..`, absolute names and links that lead out: GNU tar refuses `..`, strips a leading `/`, also from the
 * target of a hard link, and creates symlinks that could lead out last ("Security" in its manual; the tests try each).
 * The folder is new, so nothing in it can be a trap.
 */
export async function unpackArchive(
  path: string,
  compression: Compression | undefined,
  folder: string,
  report: Report,
): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (!isRoot) report("not root: the archive's owners are lost, and every file is yours")
  // All users of the container need the root; an entry for it in the archive overrides this.
  chmodSync(folder, 0o755)
  const args = [
    ...['--extract', '--file=-', `--directory=${folder}`, '--same-permissions', '--numeric-owner'],
    // A directory without write permission may come before its files.
    ...['--delay-directory-restore', '--acls', '--xattrs'],
    ...(isRoot ? ['--same-owner', '--xattrs-include=*'] : ['--no-same-owner']),
    ...['--warning=no-timestamp', '--warning=no-unknown-keyword', '--warning=no-xattr-write'],
    ...(compression === undefined ? [] : [compression.option]),
  ]
  // Without the user's own options for tar, and with messages in English.
  const tar = ['-u', 'TAR_OPTIONS', 'LC_ALL=C', gnuTar(), ...args]
  const child = spawnGuarded(needProgram('env', 'coreutils'), tar, ['pipe', 'ignore', 'pipe'])
  const said = listen(child)
  const [end, unread] = await Promise.all([endOf(child), feed(path, child, report)])
  if (unread !== undefined)
    throw new UsageError(`the root ${JSON.stringify(path)}: cannot be read (${unread})`)
  if (end.code !== 0 && (said.words.length > 0 || said.devices === 0)) throw damaged(path, said.words)
  if (said.devices > 0) {
    report(`${said.devices} device nodes left out, since they need root; PID 1 mounts its own /dev`)
  }
  chmodSync(folder, statSync(folder).mode | 0o700)
  refuseMistakenRoot(folder, path)
  digHoles(folder)
}

/** BusyBox and bsdtar have other options, and other rules for what is safe. */
function gnuTar(): string {
  const tar = findProgram('tar')
  if (tar !== undefined && spawnSync(tar, ['--version']).stdout.includes('GNU tar')) return tar
  throw new UsageError('GNU tar, which unpacks archives, is not installed', 'apt-get install tar')
}

interface Said {
  /** How many it could not create. */
  readonly devices: number
  /** The first lines of its other complaints. */
  readonly words: readonly string[]
}

const NO_DEVICE = /: Cannot mknod: Operation not permitted$/
/** Lines that are no failures themselves. */
const NO_WORDS = /^tar: (?:Removing leading |Exiting with failure status due to previous errors)/

function listen(child: ChildProcess): Said {
  const said = { devices: 0, words: [] as string[] }
  if (child.stderr === null) return said
  readline()
    .createInterface({ input: child.stderr })
    .on('line', (whole) => {
      const line = whole.replace(/^\S*\/tar: /, 'tar: ')
      if (NO_DEVICE.test(line)) said.devices++
      else if (!NO_WORDS.test(line) && said.words.length < 10) said.words.push(line)
    })
  return said
}

/** Feeds the archive to a child and reports progress. @returns the error's name if it can't be read */
async function feed(path: string, child: ChildProcess, report: Report): Promise<string | undefined> {
  const { size } = statSync(path)
  let done = 0
  let told = Date.now()
  const tell = (): void => {
    const now = Date.now()
    if (now - told < 250) return
    told = now
    report(`unpacking ${basename(path)}: ${Math.floor((100 * done) / size)} %`)
  }
  if (child.stdin === null) return undefined
  const source = createReadStream(path, { highWaterMark: 1 << 18 })
  let unread: string | undefined
  source.on('error', (error) => {
    unread = errorCode(error)
  })
  const counted = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      done += chunk.length
      tell()
      yield chunk
    }
  }
  // tar may end before its input does, because of an error or of padding: its exit code tells which.
  await pipeline(source, counted, child.stdin).catch(() => {})
  return unread
}

/** A write that finds room for a part of it has no errno, so that GNU tar says `Wrote only 3584 of 10240 bytes`. */
const FULL = /: Wrote only \d+ of \d+ bytes$|No space left on device$|Disk quota exceeded$/

function damaged(path: string, words: readonly string[]): UsageError {
  const said = words.length === 0 ? 'tar failed without a message' : words.join('\n  ')
  const isFull = words.some((line) => FULL.test(line))
  return new UsageError(
    `the archive ${JSON.stringify(path)} cannot be unpacked\n  ${said}`,
    isFull
      ? MORE_ROOM
      : `get the archive again if it is incomplete; to see what is in it: tar -tvf ${JSON.stringify(path)}`,
  )
}
