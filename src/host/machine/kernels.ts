/** Which kernel a container is booted with: this package's, or the one that its image brings. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { extractVmlinux, hasPvhEntry, LARGEST_KERNEL } from '../image/vmlinux.ts'
import { UsageError } from '../lib/usage.ts'

export interface Kernel {
  readonly kernel: string
  readonly initramfs?: string
}

/** PID 1 as QuickJS's bytecode, or as an executable of Node (docs/builds.md). */
export type Build = 'lean' | 'node'

/** This package's own, where the build or the package's tarball put it: beside the command, or in the source's dist/. */
export function packagedKernel(build: Build = 'lean'): Required<Kernel> {
  const here = dirname(fileURLToPath(import.meta.url))
  const folders = [join(here, 'flist'), join(here, '../../../dist/flist')]
  const folder = folders.find((each) => existsSync(join(each, 'kernel')))
  if (folder === undefined) {
    throw new UsageError(
      `this package's kernel is not at ${folders[0]}`,
      'npm run build makes it; --kernel and --initramfs choose others',
    )
  }
  const kernel = join(folder, 'kernel')
  if (build === 'lean') return { kernel, initramfs: join(folder, 'initramfs-linux.img') }
  const initramfs = join(folder, '../node/initramfs.img')
  if (existsSync(initramfs)) return { kernel, initramfs }
  throw new UsageError(
    `--pid1 node: ${initramfs} does not exist`,
    'npm run build:node makes it, in a clone of the source: the package does not contain it for its size',
  )
}

/**
 * The image's own kernel as a zos host hands it to cloud-hypervisor: unpacked to the ELF inside. One without a PVH
 * entry is left as it is, which QEMU can start all the same, and cloud-hypervisor can't.
 */
export function ownKernel(
  { kernel, initrd }: { readonly kernel: string; readonly initrd?: string },
  folder: string,
  warn: (text: string) => void,
): Kernel {
  const { size } = statSync(kernel)
  if (size > LARGEST_KERNEL) throw new UsageError(`/boot/vmlinuz: ${size} bytes is too large for a kernel`)
  const elf = extractVmlinux(readFileSync(kernel), '/boot/vmlinuz')
  const initramfs = initrd === undefined ? {} : { initramfs: initrd }
  if (!hasPvhEntry(elf)) {
    warn('/boot/vmlinuz has no PVH entry (CONFIG_PVH): QEMU boots it as it is, a zos host would not')
    return { kernel, ...initramfs }
  }
  const file = join(folder, 'vmlinux')
  writeFileSync(file, elf)
  return { kernel: file, ...initramfs }
}
