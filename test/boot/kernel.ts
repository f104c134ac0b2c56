/** Which kernel the tests boot. */

import { existsSync, readFileSync } from 'node:fs'
import { PRODUCTS } from '../../build/paths.ts'

/** Debian's kernel; or another one, to try it: ZMACHINE_KERNEL and ZMACHINE_INITRAMFS. */
export function testKernel(): { readonly kernel: string; readonly initramfs: string } {
  const { ZMACHINE_KERNEL: kernel, ZMACHINE_INITRAMFS: initramfs } = process.env
  return {
    kernel: kernel ?? PRODUCTS.debianCloud.kernel,
    initramfs: initramfs ?? PRODUCTS.debianCloud.initramfs,
  }
}

/** A kernel that has 9p: Debian's cloud kernel has none, not even as a module, and the one for every machine has. */
export function kernelWith9p(): { readonly kernel: string; readonly initramfs: string } {
  const chosen = testKernel()
  return kernelRelease(chosen.kernel).includes('cloud') ? PRODUCTS.debianGeneric : chosen
}

/** The release that a bzImage names in its header (Documentation/x86/boot.rst, kernel_version). */
function kernelRelease(file: string): string {
  if (!existsSync(file)) return ''
  const image = readFileSync(file)
  const start = image.readUInt16LE(0x20e) + 0x200
  return image.toString('latin1', start, image.indexOf(0, start)).split(' ')[0] ?? ''
}
