/** The package as a library: one module for Node, and its types. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './command.ts'
import { ROOT } from './paths.ts'
import { bundleForNode } from './zmachine.ts'

/** Writes dist/library.js and dist/types/, and returns the module's size. */
export async function buildLibrary(): Promise<number> {
  const types = join(ROOT, 'dist/types')
  await rm(types, { recursive: true, force: true })
  const [bytes] = await Promise.all([
    bundleForNode('src/host/library.ts', join(ROOT, 'dist/library.js'), 0o644),
    run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.types.json']),
  ])
  return bytes
}
