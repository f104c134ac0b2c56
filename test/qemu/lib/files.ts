/** Makes trees of files, disk images and the probe for boots. */

import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../../build/cache.ts'
import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'

/** What is at a path below a root: text, a symbolic link, a copy of a file of the host, a directory. */
export type Entry =
  | string
  | Uint8Array
  | { readonly link: string }
  | { readonly copy: string; readonly mode?: number }
  | { readonly text: string; readonly mode: number }
  | { readonly directory: true }

export type Tree = Readonly<Record<string, Entry>>

/** Writes a tree into a new folder. */
export function writeTree(folder: string, tree: Tree): void {
  mkdirSync(folder, { recursive: true })
  for (const [path, entry] of Object.entries(tree)) {
    const place = join(folder, path)
    mkdirSync(dirname(place), { recursive: true })
    if (typeof entry === 'string' || entry instanceof Uint8Array) {
      writeFileSync(place, entry)
    } else if ('link' in entry) {
      symlinkSync(entry.link, place)
    } else if ('copy' in entry) {
      copyFileSync(entry.copy, place)
      chmodSync(place, entry.mode ?? 0o755)
    } else if ('text' in entry) {
      writeFileSync(place, entry.text, { mode: entry.mode })
    } else {
      mkdirSync(place, { recursive: true })
    }
  }
}

export interface ImageOptions {
  readonly label?: string
  readonly uuid?: string
  /** Default 16. */
  readonly megabytes?: number
}

/** Makes an ext4 image with a tree in it. */
export async function makeExt4(file: string, tree: Tree, options: ImageOptions = {}): Promise<string> {
  const contents = `${file}.tree`
  writeTree(contents, tree)
  writeFileSync(file, '')
  truncateSync(file, (options.megabytes ?? 16) << 20)
  const label = options.label === undefined ? [] : ['-L', options.label]
  const uuid = options.uuid === undefined ? [] : ['-U', options.uuid]
  await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-F', ...label, ...uuid, '-d', contents, file])
  rmSync(contents, { recursive: true })
  return file
}

/** Reads a file in an ext4 image without mounting it; empty if there is none. */
export const readExt4 = async (file: string, path: string): Promise<string> =>
  (await run(needProgram('debugfs', 'e2fsprogs'), ['-R', `cat ${path}`, file])).toString()

/** The kernel's own headers, after those of musl, which has none. */
const KERNEL_HEADERS = ['-idirafter', '/usr/include', '-idirafter', '/usr/include/x86_64-linux-gnu']

/**
 * Compiles a static program for the guest, once for each version of its source.
 * @param source of a file beside the caller
 * @param more further options for the compiler
 */
export async function guestProgram(source: URL, more: readonly string[] = []): Promise<string> {
  const file = fileURLToPath(source)
  const name = basename(file, '.c')
  const compiler = needProgram('musl-gcc', 'musl-tools')
  const options = ['-static', '-Os', '-Wall', '-Wextra', '-Werror', '-std=gnu17', ...KERNEL_HEADERS, ...more]
  const made = await cached(`guest-${name}`, [await readFile(file), options.join(' ')], async (fresh) => {
    await run(compiler, [...options, '-o', join(fresh, name), file])
  })
  return join(made, name)
}

/**
 * The probe. Its address differs from every PID 1's, so that an instruction's address tells the two apart (bench/count.c).
 * @param more further options for the compiler: `-DMARKED` for one that tells its first instruction
 */
export const probeProgram = (more: readonly string[] = []): Promise<string> =>
  guestProgram(new URL('../guest/probe.c', import.meta.url), ['-Wl,-Ttext-segment=0x20000000', ...more])
