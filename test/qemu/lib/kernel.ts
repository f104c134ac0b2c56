/** Which kernel the tests boot. */

import { PRODUCTS } from '../../../build/paths.ts'

export interface Kernel {
  readonly kernel: string
  readonly initramfs: string
}

/** Which build the boots are of: vitest.config.ts has a project for each. */
export const ofNodeBuild = process.env['ZMACHINE_RUNTIME'] === 'node'

/** Ours, or another one to try: ZMACHINE_KERNEL and ZMACHINE_INITRAMFS. */
export function testKernel(): Kernel {
  const { ZMACHINE_KERNEL: kernel, ZMACHINE_INITRAMFS: initramfs } = process.env
  const own = ofNodeBuild ? PRODUCTS.node.initramfs : PRODUCTS.flist.initramfs
  return { kernel: kernel ?? PRODUCTS.flist.kernel, initramfs: initramfs ?? own }
}

/** The least memory of a test's guest, in MB. */
export const LEAST_MEMORY = ofNodeBuild ? 512 : 256

/** Debian's cloud kernel, whose drivers are modules that PID 1 has to load. It has no 9p. */
export const modularKernel = (): Kernel => PRODUCTS.debianCloud
