/** The `zmachine` command as one file without dependencies, for any Node from 20 on. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BuildError } from './command.ts'
import { esbuild } from './esbuild.ts'
import { ROOT } from './paths.ts'

export const ZMACHINE = join(ROOT, 'dist/zmachine.js')

/** Modules of Node's that Node 20 has not. */
const TOO_NEW = ['node:ffi', 'node:sqlite', 'node:sea']

/** Writes the command and returns its size. */
export const buildZmachine = (outfile = ZMACHINE): Promise<number> =>
  bundleForNode('src/host/cli/cli.ts', outfile, 0o755)

/** Writes a bundle and returns its size. Throws where it would need a package, or a newer Node. */
export async function bundleForNode(entry: string, outfile: string, mode: number): Promise<number> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const { files, inputs, outputs } = await esbuild(
    entry,
    '--format=esm',
    '--platform=node',
    '--target=node20',
    // Names stay, so that a stack in a bug report can be read.
    '--minify-syntax',
    `--define:ZMACHINE_VERSION=${JSON.stringify(version)}`,
  )
  const packages = Object.keys(inputs).filter((path) => path.includes('node_modules/'))
  const modules = Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const foreign = modules.filter((path) => !path.startsWith('node:') || TOO_NEW.includes(path))
  if (packages.length + foreign.length > 0) {
    throw new BuildError(`${outfile} must not need ${[...packages, ...foreign].join(', ')}`)
  }
  const code = [...files.values()].join('')
  await mkdir(dirname(outfile), { recursive: true })
  await writeFile(outfile, code)
  await chmod(outfile, mode)
  return Buffer.byteLength(code)
}
