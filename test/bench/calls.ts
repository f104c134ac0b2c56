/**
 * `npm run bench -- calls`: the system calls of the lean build and of the C program, up to the entrypoint's execve, as
 * strace(1) tells them inside the machine. Where they differ, the C program is no longer what ours is to be measured by.
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

/** What ours gets for its heap, beside what is the same. */
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

/** Where the two lists first go apart, in words; '' where they are the same. */
export function describeDifference({ container, ours, floor }: Difference): string {
  const at = ours.findIndex((call, index) => call !== floor[index])
  if (at < 0 && ours.length === floor.length) return ''
  const place = at < 0 ? ours.length : at
  const near = (calls: readonly string[]): string => calls.slice(place, place + 3).join('; ') || 'the end'
  return `${container}: call ${place + 1} of ${ours.length}: ours ${near(ours)}, the C program’s ${near(floor)}`
}

/** Boots with an init that has itself traced, and then becomes the contender's (traced.c). */
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
 * Not compared. ppoll is where the child beside PID 1 waits: when it comes to that is the scheduler's matter. Of the time a C
 * library asks the kernel only where the clock can't be read without it, which on a busy computer may be so or not.
 */
const LEFT_OUT: readonly string[] = ['ppoll', 'clock_gettime']

/**
 * The calls between the execve of PID 1 and that of the entrypoint: the name, what of its arguments is a text, and the
 * errno.
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

/** A C library may take the elder of two calls that do the same. */
const plainName = (name: string): string => ({ open: 'openat', readlink: 'readlinkat' })[name] ?? name
