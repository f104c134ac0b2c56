/**
 * The lean binary: TypeScript → one module (esbuild) → bytecode (qjsc) → one static ELF together with the engine
 * and src/runtime/quickjs/host.c. The same input gives the same bytes.
 */
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Bundle, bundle } from './bundle.ts'
import { checkBundle } from './bundle-check.ts'
import { BuildError, freshLog, run } from './command.ts'
import { PRODUCTS, ROOT } from './paths.ts'
import { buildEngine, compileForLean, type Engine, LEAN_CC } from './quickjs.ts'

/** The limit. What PID 1 takes is what a guest of 250 MB does not have. */
const LIMIT = 700_000

const ENTRY = 'src/runtime/quickjs/entry.ts'
/** Every C file here is the host. */
const HOST = 'src/runtime/quickjs'
const LINK_FLAGS = [
  '-static',
  '-no-pie',
  '-s',
  '-Wl,--gc-sections',
  '-Wl,--build-id=none',
  // Both save a page or more: nothing here is relocated, and code beside constants does no harm.
  '-Wl,-z,norelro',
  '-Wl,-z,noseparate-code',
]

/** Makes `out` (dist/lean/init) and returns its size in bytes. */
export async function buildLean(entry = ENTRY, out: string = PRODUCTS.init): Promise<number> {
  const [engine, script] = await Promise.all([buildEngine(), bundle(entry)])
  const lacking = checkBundle(script.code, script.map)
  if (lacking.length > 0) {
    throw new BuildError(
      `the bundle uses what the engine in the lean binary does not have:\n${lacking.join('\n')}`,
      'Write it without, or link the intrinsic in src/runtime/quickjs/host.c and say so in build/bundle-check.ts.',
    )
  }
  const work = await mkdtemp(join(tmpdir(), 'zmachine-lean-'))
  try {
    await link(engine, script, work)
    await mkdir(dirname(out), { recursive: true })
    // Renamed into place: somebody may be running or packing the old one.
    await copyFile(join(work, 'init'), `${out}.${process.pid}`)
    await rename(`${out}.${process.pid}`, out)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  const { size } = await stat(out)
  if (size > LIMIT) throw new BuildError(`${out}: ${size} bytes, more than the limit of ${LIMIT}`)
  return size
}

async function link(engine: Engine, script: Bundle, work: string): Promise<void> {
  const log = freshLog('lean')
  const file = (name: string): string => join(work, name)
  await writeFile(file('bundle.js'), script.code)
  // -s: without the line tables, which are as long as the code. Stacks still name functions.
  await run(engine.qjsc, ['-c', '-m', '-s', '-N', 'bundle', '-o', file('bundle.c'), file('bundle.js')], { log })
  const host = (await readdir(join(ROOT, HOST))).filter((name) => name.endsWith('.c')).sort()
  const sources = [...host.map((name) => join(ROOT, HOST, name)), file('bundle.c')]
  const objects = sources.map((source) => file(`${basename(source)}.o`))
  await Promise.all(
    sources.map((source, index) => compileForLean(source, objects[index] ?? '', engine.include, log)),
  )
  await run(LEAN_CC, [...LINK_FLAGS, ...objects, ...engine.objects, '-lm', '-o', file('init')], { log })
}
