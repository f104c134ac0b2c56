/** Which kernel the tests boot. */

import { PRODUCTS } from '../../build/paths.ts'

export interface Kernel {
  readonly kernel: string
  readonly initramfs: string
}

/** Ours; or another one, to try it: ZMACHINE_KERNEL and ZMACHINE_INITRAMFS. */
export function testKernel(): Kernel {
  const { ZMACHINE_KERNEL: kernel, ZMACHINE_INITRAMFS: initramfs } = process.env
  return { kernel: kernel ?? PRODUCTS.flist.kernel, initramfs: initramfs ?? PRODUCTS.flist.initramfs }
}

/** Debian's cloud kernel, whose drivers are modules that PID 1 has to load. It has no 9p. */
export const modularKernel = (): Kernel => PRODUCTS.debianCloud
