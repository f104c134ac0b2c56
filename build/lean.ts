/**
 * The lean binary: TypeScript → one module (esbuild) → bytecode (qjsc) → one static ELF together with the engine
 * and src/runtime/quickjs/host.c. The same input gives the same bytes.
 */
import { copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Bundle, bundle } from './bundle.ts'
import { checkBundle, mentionedNames } from './bundle-check.ts'
import { BuildError, freshLog, run } from './command.ts'
import { PRODUCTS, ROOT } from './paths.ts'
import { buildEngine, compileEngine, compileForLean, type Engine, LEAN_CC } from './quickjs.ts'

/** The limit. What PID 1 takes is what a guest of 250 MB does not have. */
const LIMIT = 700_000

/** The module that is run first, and those that are loaded when they are needed (src/parts.ts). */
const ENTRIES = {
  main: 'src/runtime/quickjs/entry.ts',
  dhcp: 'src/run/leases.ts',
  environment: 'src/config/environment.ts',
  hostKeys: 'src/run/host-keys.ts',
  seed: 'src/run/seed.ts',
  supervise: 'src/supervise/part.ts',
  users: 'src/config/users.ts',
  zosrc: 'src/config/zosrc.ts',
}
const HOST = 'src/runtime/quickjs'
const HOST_SOURCES = ['allocator', 'host'].map((name) => join(ROOT, HOST, `${name}.c`))
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
export async function buildLean(
  entries: Readonly<Record<string, string>> = ENTRIES,
  out: string = PRODUCTS.init,
): Promise<number> {
  const [engine, modules] = await Promise.all([buildEngine(), bundle(entries)])
  const lacking = modules.flatMap(({ code, map }) => checkBundle(code, map))
  if (lacking.length > 0) {
    throw new BuildError(
      `the bundle uses what the engine in the lean binary does not have:\n${lacking.join('\n')}`,
      'Write it without, or add it to the engine (src/runtime/quickjs/engine.c) and say so in build/bundle-check.ts.',
    )
  }
  const work = await mkdtemp(join(tmpdir(), 'zmachine-lean-'))
  try {
    await link(engine, modules, work)
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

async function link(engine: Engine, modules: readonly Bundle[], work: string): Promise<void> {
  const log = freshLog('lean')
  const file = (name: string): string => join(work, name)
  for (const { name, code } of modules) await writeFile(file(name), code)
  // -s: without the line tables, which are as long as the code. Stacks still name functions. Names without a folder,
  // since they are what modules import one another by.
  const names = modules.map(({ name }) => name)
  await run(engine.qjsc, ['-c', '-m', '-s', '-p', 'part_', '-o', 'bytecode.c', ...names], { log, cwd: work })
  await writeFile(file('bundle.c'), moduleTable(names))
  const sources = [...HOST_SOURCES, file('bundle.c')]
  const objects = sources.map((source) => file(`${basename(source)}.o`))
  const wanted = new Set(modules.flatMap(({ code }) => [...mentionedNames(code)]))
  const engineObject = await compileEngine(engine, wanted)
  await Promise.all(
    sources.map((source, index) =>
      compileForLean(source, objects[index] ?? '', [engine.include, join(ROOT, HOST)], log),
    ),
  )
  await run(
    LEAN_CC,
    [...LINK_FLAGS, ...objects, engineObject, ...engine.objects, '-lm', '-o', file('init')],
    { log },
  )
}

/** The C table of all modules, as host.c declares it; qjsc names each array by its file. */
function moduleTable(names: readonly string[]): string {
  const rows = names.map((name) => {
    const array = `part_${basename(name, '.js').replaceAll('-', '_')}`
    return `    {"${name}", ${array}, sizeof ${array}},\n`
  })
  return [
    '#include "bytecode.c"\n',
    '#include "bundle.h"\n',
    `const struct module modules[] = {\n${rows.join('')}};\n`,
    'const size_t module_count = sizeof modules / sizeof *modules;\n',
  ].join('')
}
