/**
 * `npm run bench -- calls`: compares the system calls of the lean build with those of the C program, up to the entrypoint's
 * execve, as strace(1) sees them inside the machine. Where they differ, the C program is no fair comparison any more.
 */

import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cpio, type Entry } from '../../build/cpio.ts'
import { compress, join as joinImages } from '../../build/initramfs.ts'
import { librariesOf } from '../../build/libraries.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { guestProgram } from '../qemu/lib/files.ts'
import {
  type Bench,
  bootOnce,
  type Container,
  type Contender,
  plainContainer,
  seededContainer,
} from './container.ts'
import { floor, LEAN } from './rivals.ts'

export interface Difference {
  readonly container: string
  readonly ours: readonly string[]
  readonly floor: readonly string[]
}

/** The calls that only ours makes, for its heap. */
const HEAP = ['mmap', 'madvise']

/** The calls of both, in both containers. */
export async function compareCalls(bench: Bench): Promise<Difference[]> {
  const found: Difference[] = []
  for (const [seeded, container] of [
    [false, await plainContainer(bench.folder)],
    [true, await seededContainer(bench.folder)],
  ] as const) {
    const ours = await traceCalls(bench, LEAN, container)
    const theirs = await traceCalls(bench, await floor(bench.folder, seeded), container)
    found.push({
      container: container.name,
      ours: ours.filter((call) => !HEAP.includes(call)),
      floor: theirs,
    })
  }
  return found
}

/** Describes the first difference of the two lists; '' if they are the same. */
export function describeDifference({ container, ours, floor }: Difference): string {
  const at = ours.findIndex((call, index) => call !== floor[index])
  if (at < 0 && ours.length === floor.length) return ''
  const place = at < 0 ? ours.length : at
  const near = (calls: readonly string[]): string => calls.slice(place, place + 3).join('; ') || 'the end'
  return `${container}: call ${place + 1} of ${ours.length}: ours ${near(ours)}, the C program’s ${near(floor)}`
}

/** Boots an init that has itself traced and then becomes the contender (traced.c). */
async function traceCalls(bench: Bench, contender: Contender, container: Container): Promise<string[]> {
  const strace = needProgram('strace', 'strace')
  const program = async (path: string, file: string): Promise<Entry> => ({
    path,
    type: 'file',
    mode: 0o755,
    data: await readFile(file),
  })
  const libraries = await librariesOf([strace])
  const over = cpio([
    await program('traced', await guestProgram(new URL('traced.c', import.meta.url))),
    { path: 'strace.d', type: 'directory', mode: 0o755 },
    { path: 'lib64', type: 'directory', mode: 0o755 },
    await program('strace.d/strace', strace),
    // The second serial line.
    { path: 'strace.d/out', type: 'character', mode: 0o600, major: 4, minor: 65 },
    ...(await Promise.all(
      libraries.map((file) =>
        program(file.startsWith('/lib64/') ? file.slice(1) : `strace.d/${basename(file)}`, file),
      ),
    )),
  ])
  const image = join(bench.folder, 'traced.img')
  await writeFile(image, joinImages(await readFile(contender.initramfs), compress(over)))
  const out = join(bench.folder, 'strace')
  const traced = { ...contender, initramfs: image, cmdline: 'rdinit=/traced' }
  await bootOnce(bench, traced, container, ['-serial', `file:${out}`])
  return readCalls(await readFile(out, 'latin1'))
}

/**
 * Not compared. A helper process waits in ppoll, and when it gets there is up to the scheduler. A C library asks the kernel
 * for the time only if it can't read the clock by itself, which varies on a busy computer.
 */
const LEFT_OUT: readonly string[] = ['ppoll', 'clock_gettime']

/**
 * The calls between PID 1's execve and the entrypoint's: the name, the arguments that are text, and the errno.
 */
export function readCalls(trace: string): string[] {
  const lines = trace.split(/\r*\n/)
  const begin = lines.findIndex((line) => line.includes('execve("/init"'))
  const end = lines.findIndex((line, at) => at > begin && line.includes(' execve('))
  return lines.slice(begin + 1, end + 1).flatMap((line) => {
    const [, name = '', rest = ''] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? []
    if (name === '' || LEFT_OUT.includes(name)) return []
    const texts =
      name === 'openat' || name === 'open' || name === 'mount' ? (rest.match(/"[^"]*"/g) ?? []) : []
    const failed = /= -1 (E\w+)/.exec(rest)?.[1]
    return [[plainName(name), ...texts, ...(failed === undefined ? [] : [failed])].join(' ')]
  })
}

/** A C library may use the older of two equivalent calls. */
const plainName = (name: string): string => ({ open: 'openat', readlink: 'readlinkat' })[name] ?? name
