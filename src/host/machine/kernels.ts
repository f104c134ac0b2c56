/** Finds the kernel for a container: this package's, or the image's own. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extractVmlinux, hasPvhEntry, LARGEST_KERNEL } from '../image/vmlinux.ts'
import { PACKAGED_PLACE, packagedFolder } from '../lib/packaged.ts'
import { UsageError } from '../lib/usage.ts'

export interface Kernel {
  readonly kernel: string
  readonly initramfs?: string
}

/** The builds of PID 1: QuickJS bytecode, or an executable of Node (docs/builds.md). */
export type Build = 'lean' | 'node'

/** This package's kernel: beside the command in the npm package, or in dist/ of the source. */
export function packagedKernel(build: Build = 'lean'): Required<Kernel> {
  const folder = packagedFolder()
  if (folder === undefined) {
    throw new UsageError(
      `this package's kernel is not at ${PACKAGED_PLACE}`,
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
 * The image's own kernel as a zos host passes it to cloud-hypervisor: the ELF inside. A kernel without a PVH entry is
 * passed as it is: QEMU can boot it, cloud-hypervisor can't.
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
    warn('/boot/vmlinuz has no PVH entry (CONFIG_PVH): QEMU boots it, but a zos host would not')
    return { kernel, ...initramfs }
  }
  const file = join(folder, 'vmlinux')
  writeFileSync(file, elf)
  return { kernel: file, ...initramfs }
}
