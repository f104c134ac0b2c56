/** The initramfs: PID 1 and the folders that it needs before anything is mounted. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import { cpio, type Entry } from './cpio.ts'
import { PRODUCTS } from './paths.ts'

/** What every image with the lean build begins with, compressed. */
export const baseImage = async (): Promise<Uint8Array> => image(await readFile(PRODUCTS.init))

/** PID 1 with `more` beside it, compressed. */
export function image(init: Uint8Array, more: readonly Entry[] = [], level?: number): Uint8Array {
  const directory = (path: string): Entry => ({ path, type: 'directory', mode: 0o755 })
  const archive = cpio([
    { path: 'init', type: 'file', mode: 0o755, data: init },
    directory('dev'),
    // The kernel opens it as PID 1's standard streams before devtmpfs is mounted.
    { path: 'dev/console', type: 'character', mode: 0o600, major: 5, minor: 1 },
    directory('proc'),
    directory('sys'),
    // Where the container's root is mounted before it becomes the root.
    directory('root'),
    ...more,
  ])
  return compress(archive, level)
}

/**
 * zstd at its highest level. Of an image with a binary of 338,512 bytes; the time is that between the kernel's
 * `Unpacking initramfs` and `Freeing initrd memory`, median of five, Linux 6.12 in QEMU without KVM, and that of
 * the same decoder on the processor itself:
 *
 * |                             | bytes   | in QEMU | native  |
 * |-----------------------------|---------|---------|---------|
 * | lz4 -9                      | 207,713 |   12 ms |         |
 * | gzip -9                     | 185,237 |   15 ms |  1.5 ms |
 * | zstd -19 (22 is the same)   | 172,507 |   30 ms |  0.4 ms |
 * | xz, CRC32                   | 164,356 |   69 ms |         |
 * | xz, CRC32, x86 filter       | 157,392 |   78 ms |  9.3 ms |
 *
 * xz takes longer than PID 1 itself. Every kernel since 5.9 unpacks zstd unless somebody took it out: Debian's, the
 * one that cloud-hypervisor documents, and zos's (5.12) do.
 */
export function compress(archive: Uint8Array, level = 22): Uint8Array {
  return zstdCompressSync(archive, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    // Known beforehand, the kernel's decoder allocates a window of this size and not of the highest level's 128 MB.
    pledgedSrcSize: archive.length,
  })
}

/** Images one after the other; the kernel unpacks each over the one before. Each must start at a multiple of four. */
export function join(...images: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(images.flatMap((image) => [image, Buffer.alloc(-image.length & 3)]))
}

/** Writes beside and renames: a boot that starts meanwhile reads the old image or the new one. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const beside = `${path}.${process.pid}`
  await writeFile(beside, bytes)
  await rename(beside, path)
}
