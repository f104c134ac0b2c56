/** Where things are. Products go to `dist/`; everything that can be made again from nothing goes to the cache. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

export interface KernelProduct {
  readonly kernel: string
  readonly initramfs: string
  readonly manifest: string
}

function kernelFolder(name: string): KernelProduct {
  const file = (base: string): string => join(ROOT, 'dist', name, base)
  return { kernel: file('kernel'), initramfs: file('initramfs-linux.img'), manifest: file('manifest.json') }
}

/** The products of `npm run build`; `debianGeneric` only for `npm test`. */
export const PRODUCTS = {
  init: join(ROOT, 'dist/lean/init'),
  initramfs: join(ROOT, 'dist/initramfs-linux.img'),
  debianCloud: kernelFolder('debian-cloud'),
  /** Debian's kernel for every machine: what the cloud kernel leaves out (9p), for tests. */
  debianGeneric: kernelFolder('debian-generic'),
} as const

export type Products = typeof PRODUCTS
