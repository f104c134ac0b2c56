/** `npm run build`: everything in dist/, in order. See --help. */
import { parseArgs } from 'node:util'
import { BuildError } from './command.ts'
import { buildDebianKernel } from './debian-kernel.ts'
import { buildInitramfs } from './initramfs.ts'
import { buildLean } from './lean.ts'
import { PRODUCTS, type Products } from './paths.ts'
import { command, note, size, step } from './progress.ts'
import { buildEngine } from './quickjs.ts'
import { ensurePackages } from './system.ts'
import { buildZmachine } from './zmachine.ts'

const HELP = `npm run build [-- --only PRODUCT]

Makes what a zos host boots, in dist/:

  lean          dist/lean/init               PID 1: one static binary
  initramfs     dist/initramfs-linux.img     for kernels with built-in drivers
  debian-cloud  dist/debian-cloud/           Debian's cloud kernel, an initramfs with its modules, a manifest
  zmachine      dist/zmachine.js             the command, for people: Node 20 or later

  --only NAME   this product and what it is made of
  --help        this text

What is slow is cached in $XDG_CACHE_HOME/zmachine-init (~/.cache/zmachine-init); delete it at any time.
Raw output of compilers and apt is in dist/log/.
`

const NAMES = ['zmachine', 'lean', 'initramfs', 'debian-cloud'] as const
type Name = (typeof NAMES)[number]

/** Builds a product and what it is made of; without a name, all. Prints a line for each. */
export async function buildAll(only?: Name): Promise<Products> {
  if (only === undefined || only === 'zmachine') await step('dist/zmachine.js', () => buildZmachine(), size)
  if (only === 'zmachine') return PRODUCTS
  await ensurePackages(['build'])
  await step('engine', buildEngine)
  await step('dist/lean/init', () => buildLean(), size)
  if (only === 'lean') return PRODUCTS
  if (only !== 'debian-cloud') await step('dist/initramfs-linux.img', buildInitramfs, size)
  if (only === 'initramfs') return PRODUCTS
  const { release, missing } = await step(
    'dist/debian-cloud/initramfs-linux.img',
    () => buildDebianKernel('debianCloud'),
    (made) => size(made.files.initramfs.bytes),
  )
  note(`  kernel ${release}${missing.length > 0 ? `, which has no ${missing.join(', ')}` : ''}`)
  return PRODUCTS
}

function isName(text: string): text is Name {
  return NAMES.some((name) => name === text)
}

if (import.meta.main) {
  await command(async () => {
    const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } })
    if (values.help) {
      process.stdout.write(HELP)
      return
    }
    if (values.only !== undefined && !isName(values.only)) {
      throw new BuildError(
        `--only ${values.only}: there is no such product`,
        `It is one of: ${NAMES.join(', ')}`,
      )
    }
    await buildAll(values.only)
  })
}
