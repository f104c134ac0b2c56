/** TypeScript → modules for the engine, by esbuild. */
import { basename } from 'node:path'
import { esbuild } from './esbuild.ts'

export interface Bundle {
  /** The file's name, by which other modules import it: `main.js`. */
  readonly name: string
  readonly code: string
  /** The source map as JSON. */
  readonly map: string
  /** Names of other modules. */
  readonly imports: readonly string[]
}

/**
 * Bundles entries for the engine: a module for each, and one for what several share; minified, nothing of Node.
 * Modules and not one script, since the engine finds a module's top-level names by their place; in a function it
 * searches a list for each use of one in each function, which cost a quarter of the start.
 * @param entries module names to source files
 * @returns what is imported before what imports it
 */
export async function bundle(entries: Readonly<Record<string, string>>): Promise<Bundle[]> {
  const { files, outputs } = await esbuild(
    ...Object.entries(entries).map(([name, file]) => `${name}=${file}`),
    '--splitting',
    '--chunk-names=shared-[hash]',
    '--format=esm',
    '--platform=neutral',
    '--target=es2023',
    '--minify',
    '--sourcemap=external',
    '--sources-content=false',
    '--legal-comments=none',
  )
  const imports = new Map(
    Object.entries(outputs).map(([path, output]) => [
      basename(path),
      output.imports.map((imported) => basename(imported.path)),
    ]),
  )
  const names: string[] = []
  const add = (name: string): void => {
    if (names.includes(name)) return
    for (const imported of imports.get(name) ?? []) add(imported)
    names.push(name)
  }
  for (const name of [...imports.keys()].sort()) if (name.endsWith('.js')) add(name)
  return names.map((name) => ({
    name,
    code: files.get(name) ?? '',
    map: files.get(`${name}.map`) ?? '',
    imports: imports.get(name) ?? [],
  }))
}
