/** dist/flist: the directory that a zos host boots containers with, and what anybody can check it by. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { baseImage, writeWhole } from './initramfs.ts'
import { type BuiltKernel, buildKernel } from './kernel/kernel.ts'
import { PRODUCTS, ROOT } from './paths.ts'

export interface FlistManifest {
  /** Of this project. */
  readonly version: string
  readonly kernel: {
    /** As in uname(2). */
    readonly release: string
    /** Debian's source package. */
    readonly package: string
    readonly version: string
    readonly compiler: string
  }
  readonly files: Readonly<Record<'kernel' | 'initramfs-linux.img', FileDescription>>
}

export interface FileDescription {
  readonly bytes: number
  readonly sha256: string
}

/** Writes kernel, initramfs-linux.img and manifest.json. They hold no time and no path: built twice, they are the same. */
export async function buildFlist(): Promise<{ manifest: FlistManifest; built: BuiltKernel }> {
  const built = await buildKernel()
  const kernel = await readFile(built.elf)
  const initramfs = await baseImage()
  const { version } = JSON.parse(await readFile(`${ROOT}/package.json`, 'utf8')) as { version: string }
  const manifest: FlistManifest = {
    version,
    kernel: {
      release: built.release,
      package: built.package,
      version: built.version,
      compiler: built.compiler,
    },
    files: { kernel: describe(kernel), 'initramfs-linux.img': describe(initramfs) },
  }
  await writeWhole(PRODUCTS.flist.kernel, kernel)
  await writeWhole(PRODUCTS.flist.initramfs, initramfs)
  await writeWhole(PRODUCTS.flist.manifest, `${JSON.stringify(manifest, undefined, 2)}\n`)
  return { manifest, built }
}

/** How large a file is, and its checksum. */
export function describe(bytes: Uint8Array): FileDescription {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
