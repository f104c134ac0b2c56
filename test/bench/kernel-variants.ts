/**
 * Compiles the kernels that bench/kernel.ts compares with ours, from the same source and with the same compiler: ours with
 * some of its groups, and other configurations. They are kept in the cache.
 *
 * The first begins with the objects of the whole kernel, and each other one with those of the one before, in one folder, so
 * that make compiles only what depends on settings that differ (fixdep, Documentation/kbuild/makefiles.rst).
 */

import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, cacheRoot, isCached } from '../../build/cache.ts'
import { freshLog, run } from '../../build/command.ts'
import { ensurePackages } from '../../build/debian/system.ts'
import {
  type BuiltKernel,
  CONFIG,
  configure,
  type KernelLock,
  keep,
  make,
  readLock,
  unpackSource,
} from '../../build/kernel/kernel.ts'
import { step } from '../../build/progress.ts'

/** Raised when the kept files of a variant change. */
const FORMAT = '1'

export interface Variant {
  readonly name: string
  /** Settings on top of `allnoconfig` (a fragment), or on top of the kernel's defaults (a whole .config). */
  readonly over: 'nothing' | 'defaults'
  readonly settings: string
}

/** The files of a kernel. */
export interface VariantFiles {
  /** Stripped. */
  readonly elf: string
  readonly bzImage: string
}

/**
 * Compiles what is not in the cache, and reports it.
 * @returns the files in the variants' order; undefined for one that is not in the cache and must not be compiled
 */
export async function buildVariants(
  whole: BuiltKernel,
  variants: readonly Variant[],
  mayCompile: boolean,
): Promise<(VariantFiles | undefined)[]> {
  const linker = (await run('ld', ['--version'])).toString().split('\n')[0] ?? ''
  const inputs = ({ over, settings }: Variant): string[] => [
    ...[whole.package, whole.version, whole.compiler, linker],
    ...[over, settings, FORMAT],
  ]
  const isMade = (variant: Variant): boolean => isCached('kernel-variant', inputs(variant))
  const missing = variants.filter((variant) => !isMade(variant))
  if (mayCompile && missing.length > 0) {
    await ensurePackages(['kernel'])
    const begun = missing.some(({ over }) => over === 'nothing')
    const workshop = await openWorkshop(await readLock(), whole.version, begun)
    for (const [index, variant] of missing.entries()) {
      await step(`${variant.name} (${index + 1} of ${missing.length})`, () =>
        cached('kernel-variant', inputs(variant), (fresh) => compileVariant(workshop, variant, fresh)),
      )
    }
    await workshop.remove()
  }
  return Promise.all(
    variants.map(async (variant) => {
      if (!isMade(variant)) return undefined
      const folder = await cached('kernel-variant', inputs(variant), async () => {})
      return { elf: join(folder, 'kernel'), bzImage: join(folder, 'bzImage') }
    }),
  )
}

interface Workshop {
  readonly source: string
  /** Where the variants are compiled one after the other, since the folder's name is in the objects. */
  readonly objects: string
  /** Objects of the whole kernel, to begin with. */
  readonly whole: string
  readonly log: string
  readonly remove: () => Promise<void>
}

/**
 * Unpacks the source and, if its objects are needed, compiles the whole kernel; a foreign configuration shares none of them.
 * Continues what an interrupted run has left.
 */
async function openWorkshop(lock: KernelLock, version: string, begun: boolean): Promise<Workshop> {
  const folder = join(cacheRoot(), `kernel-workshop-${version}`)
  const workshop: Workshop = {
    source: join(folder, 'source'),
    objects: join(folder, 'objects'),
    whole: join(folder, 'whole'),
    log: freshLog('bench-kernel'),
    remove: () => rm(folder, { recursive: true }),
  }
  const { source, objects, whole, log } = workshop
  await mkdir(folder, { recursive: true })
  if (!existsSync(source)) {
    await rm(`${source}.parts`, { recursive: true, force: true })
    await step('the source', () => unpackSource(lock, version, source, log))
  }
  if (!begun) return workshop
  const fragment = await readFile(CONFIG, 'utf8')
  const made = await readFile(join(whole, 'fragment'), 'utf8').catch(() => undefined)
  if (made !== fragment) {
    // A killed make may leave half-written objects. Those of an older configuration are complete.
    await rm(objects, { recursive: true, force: true })
    if (made !== undefined) await rename(whole, objects)
    await step('the whole kernel, for its objects', async () => {
      await configure(source, objects, CONFIG, log)
      await make(source, objects, log)
      await writeFile(join(objects, 'fragment'), fragment)
    })
    await rename(objects, whole)
  }
  return workshop
}

async function compileVariant(
  { source, objects, whole, log }: Workshop,
  { over, settings }: Variant,
  folder: string,
): Promise<void> {
  if (!existsSync(objects)) {
    if (over === 'nothing') await run('cp', ['--archive', whole, objects])
    else await mkdir(objects)
  }
  const file = join(folder, 'settings')
  await writeFile(file, settings)
  if (over === 'nothing') {
    await configure(source, objects, file, log)
  } else {
    await copyFile(file, join(objects, '.config'))
    await run('make', [`O=${objects}`, 'olddefconfig'], { cwd: source, log })
  }
  await make(source, objects, log)
  await keep(objects, folder)
}
