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

/** The products of `npm run build`; `debianCloud` only for `npm test`, or asked for by its name. */
export const PRODUCTS = {
  init: join(ROOT, 'dist/lean/init'),
  /** What a zos host boots containers with. */
  flist: kernelFolder('flist'),
  /** The node build. */
  node: { init: join(ROOT, 'dist/node/init'), initramfs: join(ROOT, 'dist/node/initramfs.img') },
  /** A kernel with modules. */
  debianCloud: kernelFolder('debian-cloud'),
} as const

export type Products = typeof PRODUCTS
