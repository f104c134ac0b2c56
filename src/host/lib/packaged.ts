/** Finds the files that this package brings: the kernel and initramfs that hosts boot containers with. */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** Beside the command in the npm package, or in dist/ of the source. */
const PLACES = [join(here, 'flist'), join(here, '../../../dist/flist')] as const

/** Where the npm package has them, for messages. */
export const [PACKAGED_PLACE] = PLACES

/** The folder of `kernel`, `initramfs-linux.img` and `manifest.json`; undefined before they are built. */
export const packagedFolder = (): string | undefined =>
  PLACES.find((each) => existsSync(join(each, 'kernel')))
