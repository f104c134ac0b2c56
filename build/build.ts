/** `npm run build`: everything in dist/, in order. See --help. */
import { parseArgs } from 'node:util'
import { BuildError } from './command.ts'
import { ensurePackages } from './debian/system.ts'
import { buildFlist } from './flist.ts'
import { buildDebianKernel } from './kernel/debian-kernel.ts'
import { buildLean } from './lean/lean.ts'
import { buildEngine } from './lean/quickjs.ts'
import { buildLibrary } from './library.ts'
import { buildNodeInit, buildNodeInitramfs } from './node/node.ts'
import { PRODUCTS, type Products } from './paths.ts'
import { command, note, size, step } from './progress.ts'
import { buildZmachine } from './zmachine.ts'

const HELP = `npm run build [-- --only PRODUCT | --pid1 node]

Makes what a zos host boots, in dist/:

  zmachine      dist/zmachine.js   the command, for people: Node 20 or later
                dist/library.js    the same for programs, with its types
  lean          dist/lean/init     PID 1: one static binary
  flist         dist/flist/        kernel, initramfs-linux.img and a manifest: what a zos host boots containers with

and only where it is asked for by its name:

  node          dist/node/         PID 1 as one executable of Node, and its initramfs.img (docs/builds.md)
  debian-cloud  dist/debian-cloud/ Debian's cloud kernel, an initramfs with its modules, a manifest

The kernel is compiled the first time, which takes 5 to 15 minutes on two cores.

  --firmware FILE  put this hypervisor-fw into dist/flist: a zos host boots disk images by it (docs/zos.md)
  --only NAME      this product and what it is made of
  --pid1 node      the node build too; lean is made anyway
  --help           this text

What is slow is cached in $XDG_CACHE_HOME/zmachine-init (~/.cache/zmachine-init); delete it at any time.
Raw output of compilers and apt is in dist/log/.
`

const NAMES = ['zmachine', 'lean', 'flist', 'node', 'debian-cloud'] as const
type Name = (typeof NAMES)[number]

/**
 * Builds a product and what it is made of; without a name, all but the last two. Prints a line for each.
 * @param firmware a file that goes into dist/flist as well
 */
export async function buildAll(only?: Name, firmware?: string): Promise<Products> {
  if (only === 'node') {
    await ensurePackages(['build'])
    await buildNode()
    return PRODUCTS
  }
  if (only !== 'lean' && only !== 'debian-cloud') {
    await step('dist/zmachine.js', () => buildZmachine(), size)
    await step('dist/library.js', buildLibrary, size)
  }
  if (only === 'zmachine') return PRODUCTS
  await ensurePackages(['build'])
  await step('engine', buildEngine)
  await step('dist/lean/init', () => buildLean(), size)
  if (only === 'debian-cloud') await buildDebianCloud()
  if (only === 'lean' || only === 'debian-cloud') return PRODUCTS
  const { manifest, built } = await step(
    'dist/flist',
    () => buildFlist(firmware),
    ({ manifest: { files } }) => size(files.kernel.bytes + files['initramfs-linux.img'].bytes),
  )
  const bytes = manifest.files['initramfs-linux.img'].bytes
  note(`  kernel ${built.release} (${built.package} ${built.version}), initramfs ${size(bytes)}`)
  if (!built.pinned) note(`  the archive has another ${built.package} than initramfs/kernel.json names`)
  return PRODUCTS
}

/** PID 1 as an executable of Node: for who wants a debugger in it, and for the tests. */
export async function buildNode(): Promise<void> {
  await step('dist/node/init', buildNodeInit, size)
  await step('dist/node/initramfs.img', buildNodeInitramfs, size)
}

/** Debian's kernel with modules: a product that nobody needs but tests, and who wants to see how it is done. */
export async function buildDebianCloud(): Promise<void> {
  const { release, missing } = await step('dist/debian-cloud', buildDebianKernel, ({ files }) =>
    size(files.kernel.bytes + files['initramfs-linux.img'].bytes),
  )
  note(`  kernel ${release}${missing.length > 0 ? `, which has no ${missing.join(', ')}` : ''}`)
}

function isName(text: string): text is Name {
  return NAMES.some((name) => name === text)
}

if (import.meta.main) {
  await command(async () => {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        firmware: { type: 'string' },
        pid1: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      return
    }
    if (values.only !== undefined && !isName(values.only)) {
      throw new BuildError(`--only ${values.only}: no such product`, `It is one of: ${NAMES.join(', ')}`)
    }
    if (values.pid1 !== undefined && values.pid1 !== 'lean' && values.pid1 !== 'node') {
      throw new BuildError(`--pid1 ${values.pid1}: no such build`, 'It is one of: lean, node')
    }
    await buildAll(values.only, values.firmware)
    if (values.pid1 === 'node') await buildNode()
  })
}
