/**
 * The lean binary: TypeScript → modules (esbuild) → bytecode (qjsc) → one static ELF with the engine and src/runtime/quickjs/.
 *
 * It is linked twice: the first program, the baker, loads the modules and prints its heap; the second starts from that heap,
 * so no boot has to load them. The same input gives the same bytes.
 */
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Bundle, bundle } from '../bundle.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { PRODUCTS, ROOT } from '../paths.ts'
import { checkBundle, mentionedNames } from './bundle-check.ts'
import { type HeapImage, packHeap } from './heap-image.ts'
import { buildEngine, compileEngine, compileForLean, type Engine, FAST, LEAN_CC } from './quickjs.ts'

/** The program, and the modules of src/lazy.ts. */
const ENTRIES = {
  main: 'src/runtime/quickjs/entry.ts',
  dhcp: 'src/boot/steps/leases.ts',
  environment: 'src/config/environment.ts',
  grow: 'src/boot/steps/grow.ts',
  hostKeys: 'src/boot/steps/host-keys.ts',
  log: 'src/boot/log/relay.ts',
  startup: 'src/config/startup-toml.ts',
  supervise: 'src/supervise/lazy.ts',
  users: 'src/config/users.ts',
  zosrc: 'src/config/zosrc.ts',
}

/** The module that is in the heap from the beginning, with all that it imports. host.c has the same name. */
const BAKED = 'main.js'

const HOST = 'src/runtime/quickjs'
const HOST_SOURCES = ['allocator', 'format', 'image', 'host'].map((name) => join(ROOT, HOST, `${name}.c`))
/** The baker's. */
const NO_HEAP: HeapImage = { bytes: Uint8Array.of(0), groups: 0 }
const LINK_FLAGS = [
  '-static',
  '-no-pie',
  '-Wl,--gc-sections',
  '-Wl,--build-id=none',
  // Each saves a page or more: nothing here is relocated, and code beside constants does no harm.
  '-Wl,-z,norelro',
  '-Wl,-z,noseparate-code',
]

export interface LeanOptions {
  readonly entries?: Readonly<Record<string, string>>
  readonly out?: string
  /** For callgrind: with symbols, and without the clone(2) that Valgrind does not know. */
  readonly counted?: boolean
}

/** Makes `out` and returns its size in bytes. */
export async function buildLean({
  entries = ENTRIES,
  out = PRODUCTS.init,
  counted = false,
}: LeanOptions = {}): Promise<number> {
  const [engine, modules] = await Promise.all([buildEngine(), bundle(entries)])
  const lacking = modules.flatMap(({ code, map }) => checkBundle(code, map))
  if (lacking.length > 0) {
    throw new BuildError(
      `the bundle uses what the engine in the lean binary does not have:\n${lacking.join('\n')}`,
      'Write it without, or add it to the engine (src/runtime/quickjs/engine.c) and say so in build/lean/bundle-check.ts.',
    )
  }
  const work = await mkdtemp(join(tmpdir(), 'zmachine-lean-'))
  try {
    await link(engine, modules, work, counted)
    await mkdir(dirname(out), { recursive: true })
    // Renamed into place: somebody may be running or packing the old one.
    await copyFile(join(work, 'init'), `${out}.${process.pid}`)
    await rename(`${out}.${process.pid}`, out)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return (await stat(out)).size
}

async function link(
  engine: Engine,
  modules: readonly Bundle[],
  work: string,
  counted: boolean,
): Promise<void> {
  const log = freshLog('lean')
  const file = (name: string): string => join(work, name)
  const bytecode = await compileModules(engine, modules, work, log)
  const wanted = new Set(modules.flatMap(({ code }) => [...mentionedNames(code)]))
  const engineObject = await compileEngine(engine, wanted)
  const include = [engine.source, join(ROOT, HOST)]
  const hostObjects = HOST_SOURCES.map((source) => file(`${basename(source)}.o`))
  await Promise.all(
    HOST_SOURCES.map((source, index) =>
      compileForLean(source, hostObjects[index] ?? '', include, log, counted ? [...FAST, '-DCOUNTED'] : FAST),
    ),
  )
  /** Links the program with these modules and this heap. They come last, so that nothing else moves with them. */
  const program = async (name: string, parts: readonly string[], image: HeapImage): Promise<void> => {
    await writeFile(file(`${name}.c`), bundleSource(bytecode, parts, image))
    await compileForLean(file(`${name}.c`), file(`${name}.o`), include, log)
    const objects = [engineObject, ...engine.objects, ...hostObjects, file(`${name}.o`)]
    await run(LEAN_CC, [...LINK_FLAGS, ...objects, '-lm', '-o', file(name)], { log })
  }
  await program(
    'baker',
    modules.map(({ name }) => name),
    NO_HEAP,
  )
  const heap = await run(file('baker'), [])
  await program('init', loadedLater(modules), packHeap(heap))
  await checkPlaces(file('baker'), file('init'))
  if (!counted) await run('strip', [file('init')], { log })
}

/** Returns C source with an array of bytecode for each module. */
async function compileModules(
  engine: Engine,
  modules: readonly Bundle[],
  work: string,
  log: string,
): Promise<string> {
  for (const { name, code } of modules) await writeFile(join(work, name), code)
  // -s leaves out the line tables, which are as long as the code. Names have no folder, since modules import one another by
  // them.
  const names = modules.map(({ name }) => name)
  await run(engine.qjsc, ['-s', '-c', '-m', '-p', 'part_', '-o', 'bytecode.c', ...names], { log, cwd: work })
  return readFile(join(work, 'bytecode.c'), 'utf8')
}

/** The modules that are not in the baked heap. */
function loadedLater(modules: readonly Bundle[]): string[] {
  const early = new Set<string>()
  const add = (name: string): void => {
    if (early.has(name)) return
    early.add(name)
    for (const imported of modules.find((module) => module.name === name)?.imports ?? []) add(imported)
  }
  add(BAKED)
  return modules.map(({ name }) => name).filter((name) => !early.has(name))
}

/** The C source of what bundle.h declares; qjsc names each array after its file. */
function bundleSource(bytecode: string, names: readonly string[], { bytes, groups }: HeapImage): string {
  const parts = names.map((name) => ({ name, array: `part_${basename(name, '.js').replaceAll('-', '_')}` }))
  const arrays = parts.map(({ array }) => {
    const found = new RegExp(`^const uint8_t ${array}\\[\\d+\\] = \\{[^}]*\\};$`, 'm').exec(bytecode)
    if (found === null) throw new BuildError(`qjsc made no ${array}`)
    return `static ${found[0]}\n`
  })
  // Names are arrays too: the linker merges equal string literals of all objects, which would move others.
  const texts = parts.map(({ name, array }) => `static const char ${array}_name[] = "${name}";\n`)
  const rows = parts.map(({ array }) => `    {${array}_name, ${array}, sizeof ${array}},\n`)
  return [
    '#include "bundle.h"\n',
    ...arrays,
    ...texts,
    `const struct module modules[] = {\n${rows.join('')}};\n`,
    'const size_t module_count = sizeof modules / sizeof *modules;\n',
    `const uint8_t image[] = {${bytes.join(',')}};\n`,
    `const size_t image_groups = ${groups};\n`,
  ].join('')
}

/** Fails unless the engine's and the host's functions and tables, which the heap points to, lie where the baker had them. */
async function checkPlaces(baker: string, init: string): Promise<void> {
  const [before, after] = await Promise.all([baker, init].map(enginePlaces))
  if (before !== after) {
    throw new BuildError(
      'the heap was made by a program whose functions lie elsewhere',
      'See LINK_FLAGS and link() in build/lean/lean.ts.',
    )
  }
}

/** The lines of nm(1) for functions and constants in front of the bundle's. */
async function enginePlaces(file: string): Promise<string> {
  const lines = (await run('nm', ['--numeric-sort', file])).toString().split('\n')
  const first = lines.findIndex((line) =>
    / [rR] (?:part_.*|image|image_groups|module_count|modules)$/.test(line),
  )
  return lines
    .slice(0, first)
    .filter((line) => / [tTrR] /.test(line))
    .join('\n')
}
