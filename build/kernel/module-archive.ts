/** The part of an initramfs that holds a kernel's modules: /modules/RELEASE/ with an index (see build/kernel/modules.ts). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { run } from '../command.ts'
import { cpio, type Entry } from '../cpio.ts'
import { ROOT } from '../paths.ts'
import { formatIndex, imageFile, type ModulePlan, parseModuleList, planModules } from './modules.ts'

export interface ModuleArchive {
  readonly archive: Uint8Array
  readonly missing: readonly string[]
}

/** The list of modules that images for modular kernels hold, as text. */
export function readModuleList(): Promise<string> {
  return readFile(join(ROOT, 'initramfs/modules'), 'utf8')
}

/**
 * The cpio archive of the modules that `list` asks for.
 *
 * @param tree a folder with the modules and depmod's lists, as /lib/modules/RELEASE.
 */
export async function moduleArchive(tree: string, release: string, list: string): Promise<ModuleArchive> {
  const text = (name: string): Promise<string> => readFile(join(tree, `modules.${name}`), 'latin1')
  const plan = planModules(parseModuleList(list), {
    dep: await text('dep'),
    softdep: await text('softdep'),
    alias: await text('alias'),
    builtin: await text('builtin'),
    builtinModinfo: await text('builtin.modinfo'),
  })
  return { archive: cpio(await entries(tree, release, plan)), missing: plan.missing }
}

async function entries(tree: string, release: string, plan: ModulePlan): Promise<Entry[]> {
  const folder = `modules/${release}`
  const result: Entry[] = [
    { path: 'modules', type: 'directory', mode: 0o755 },
    { path: folder, type: 'directory', mode: 0o755 },
    { path: `${folder}/index`, type: 'file', mode: 0o644, data: Buffer.from(formatIndex(plan)) },
  ]
  for (const path of new Set([...plan.load.values()].flat())) {
    const data = await moduleBytes(join(tree, path))
    result.push({ path: `${folder}/${imageFile(path)}`, type: 'file', mode: 0o644, data })
  }
  return result
}

/** A module as finit_module(2) takes it from any kernel: not compressed, and without debug information. */
async function moduleBytes(file: string): Promise<Uint8Array> {
  const raw = await readFile(file)
  const module = file.endsWith('.xz')
    ? await run('xz', ['--decompress', '--stdout'], { input: raw })
    : file.endsWith('.zst')
      ? zstdDecompressSync(raw)
      : raw
  // Stripping loses the signature, so a distribution's modules, which have no debug information, stay as they are.
  if (!module.includes('.debug_info')) return module
  return run('objcopy', ['--strip-debug', '/dev/stdin', '/dev/stdout'], { input: module })
}
