/** The `zmachine` command as one file without dependencies, for any Node from 20 on. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { BuildError } from './command.ts'
import { ROOT } from './paths.ts'

export const ZMACHINE = join(ROOT, 'dist/zmachine.js')

/** Packages that are a part of it; a new one is a decision. */
const BUNDLED = ['node_modules/smol-toml/']

/** Modules of Node's that Node 20 has not. */
const TOO_NEW = ['node:ffi', 'node:sqlite', 'node:sea']

/** Writes the command and returns its size. */
export const buildZmachine = (outfile = ZMACHINE): Promise<number> =>
  bundleForNode('src/host/cli/cli.ts', outfile, 0o755)

/** Writes a bundle and returns its size. Throws where it would need a package, or a newer Node. */
export async function bundleForNode(entry: string, outfile: string, mode: number): Promise<number> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay, so that a stack in a bug report can be read.
    minifySyntax: true,
    charset: 'utf8',
    // The licences of what is bundled ask for it.
    legalComments: 'eof',
    logLevel: 'silent',
    tsconfigRaw: {},
    define: { ZMACHINE_VERSION: JSON.stringify(version) },
    metafile: true,
  }).catch((error: unknown) => {
    throw new BuildError(error instanceof Error ? error.message : String(error))
  })
  const { inputs, outputs } = result.metafile
  const packages = Object.keys(inputs).filter(
    (path) => path.includes('node_modules/') && !BUNDLED.some((known) => path.startsWith(known)),
  )
  const modules = Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const foreign = modules.filter((path) => !path.startsWith('node:') || TOO_NEW.includes(path))
  if (packages.length + foreign.length > 0) {
    throw new BuildError(`${outfile} must not need ${[...packages, ...foreign].join(', ')}`)
  }
  const code = result.outputFiles[0]?.contents ?? new Uint8Array()
  await mkdir(dirname(outfile), { recursive: true })
  await writeFile(outfile, code)
  await chmod(outfile, mode)
  return code.length
}
