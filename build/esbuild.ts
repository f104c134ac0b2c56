/**
 * esbuild as a program. Its npm package for JavaScript has an install script, which `npm ci` may have to run by a Node that
 * can't start yet; the program's own package has none.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { run } from './command.ts'
import { ROOT } from './paths.ts'

/** The program. */
export const ESBUILD = join(ROOT, 'node_modules/@esbuild/linux-x64/bin/esbuild')

/** What esbuild says of its work, of which this is what we use: https://esbuild.github.io/api/#metafile */
interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly outputs: Readonly<Record<string, { readonly imports: readonly { readonly path: string }[] }>>
}

export interface Output extends Metafile {
  /** Text by file name. */
  readonly files: ReadonlyMap<string, string>
}

/**
 * Bundles by esbuild's options, without those that say where to write. Problems are a BuildError with esbuild's own words.
 * Source maps have paths relative to a folder two below the project's: `../../src/main.ts`.
 */
export async function esbuild(...options: readonly string[]): Promise<Output> {
  await mkdir(join(ROOT, 'dist'), { recursive: true })
  const folder = await mkdtemp(join(ROOT, 'dist/esbuild-'))
  try {
    const metafile = join(folder, 'metafile.json')
    await run(ESBUILD, [
      ...options,
      '--bundle',
      '--charset=utf8',
      '--tsconfig-raw={}',
      '--log-level=warning',
      '--color=false',
      `--outdir=${relative(ROOT, folder)}`,
      `--metafile=${metafile}`,
    ])
    const { inputs, outputs } = JSON.parse(await readFile(metafile, 'utf8')) as Metafile
    await rm(metafile)
    const names = await readdir(folder)
    const files = await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
    )
    return { files: new Map(files), inputs, outputs }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
