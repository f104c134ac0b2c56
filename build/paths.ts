/** Where things are. Products go to `dist/`; everything that can be made again from nothing goes to the cache. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** The products of `npm run build`. */
export const PRODUCTS = {
  init: join(ROOT, 'dist/lean/init'),
  initramfs: join(ROOT, 'dist/initramfs-linux.img'),
  debianCloud: {
    kernel: join(ROOT, 'dist/debian-cloud/kernel'),
    initramfs: join(ROOT, 'dist/debian-cloud/initramfs-linux.img'),
    manifest: join(ROOT, 'dist/debian-cloud/manifest.json'),
  },
} as const

export type Products = typeof PRODUCTS
