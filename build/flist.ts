/** dist/flist: the directory that a zos host boots containers with, and what anybody can check it by. */
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasPvhEntry } from '../src/host/image/vmlinux.ts'
import { BuildError } from './command.ts'
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
  readonly files: Readonly<Record<'kernel' | 'initramfs-linux.img', FileDescription>> & {
    /** Where the build was given one. */
    readonly 'hypervisor-fw'?: FileDescription
  }
}

export interface FileDescription {
  readonly bytes: number
  readonly sha256: string
}

/**
 * Writes kernel, initramfs-linux.img and manifest.json. They hold no time and no path: built twice, they are the same.
 * @param firmwareFile what a zos host boots disk images by; becomes hypervisor-fw
 */
export async function buildFlist(
  firmwareFile?: string,
): Promise<{ manifest: FlistManifest; built: BuiltKernel }> {
  const firmware = firmwareFile === undefined ? undefined : await readFirmware(firmwareFile)
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
    files: {
      kernel: describe(kernel),
      'initramfs-linux.img': describe(initramfs),
      ...(firmware !== undefined && { 'hypervisor-fw': describe(firmware) }),
    },
  }
  await writeWhole(PRODUCTS.flist.kernel, kernel)
  await writeWhole(PRODUCTS.flist.initramfs, initramfs)
  const firmwarePlace = join(dirname(PRODUCTS.flist.kernel), 'hypervisor-fw')
  // The manifest describes what is there, so one of an earlier build goes.
  if (firmware === undefined) await rm(firmwarePlace, { force: true })
  else await writeWhole(firmwarePlace, firmware)
  await writeWhole(PRODUCTS.flist.manifest, `${JSON.stringify(manifest, undefined, 2)}\n`)
  return { manifest, built }
}

/** cloud-hypervisor starts firmware as it starts a kernel: an ELF with a PVH entry. */
export async function readFirmware(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new BuildError(`--firmware ${path}: ${error instanceof Error ? error.message : String(error)}`)
  })
  if (hasPvhEntry(bytes)) return bytes
  throw new BuildError(
    `--firmware ${path}: not an ELF with a PVH entry, which cloud-hypervisor starts`,
    'zos hosts use hypervisor-fw of rust-hypervisor-firmware 0.4.2 (docs/zos.md)',
  )
}

/** How large a file is, and its checksum. */
export function describe(bytes: Uint8Array): FileDescription {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
