/**
 * The lean binary: TypeScript → modules (esbuild) → bytecode (qjsc) → one static ELF together with the engine and
 * src/runtime/quickjs/host.c; and once more with the heap that the first one has when its modules are loaded, so that no
 * boot has to load them. The same input gives the same bytes.
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

/** What every lean program loads before its own modules. */
const FIRST = { methods: 'src/runtime/quickjs/install-methods.ts' }

/** The module that is run, and the modules of src/lazy.ts. */
const ENTRIES = {
  main: 'src/runtime/quickjs/entry.ts',
  dhcp: 'src/boot/steps/leases.ts',
  environment: 'src/config/environment.ts',
  hostKeys: 'src/boot/steps/host-keys.ts',
  startup: 'src/config/startup-toml.ts',
  users: 'src/config/users.ts',
  zosrc: 'src/config/zosrc.ts',
}

/** What the heap has from the beginning; the others are loaded when they are needed. */
const BAKED = [...Object.keys(FIRST), 'main']

const HOST = 'src/runtime/quickjs'
const HOST_SOURCES = ['allocator', 'image', 'host'].map((name) => join(ROOT, HOST, `${name}.c`))
/** Of the program that makes it. */
const NO_HEAP: HeapImage = { bytes: Uint8Array.of(0), groups: 0 }
const LINK_FLAGS = [
  '-static',
  '-no-pie',
  '-Wl,--gc-sections',
  '-Wl,--build-id=none',
  // Both save a page or more: nothing here is relocated, and code beside constants does no harm.
  '-Wl,-z,norelro',
  '-Wl,-z,noseparate-code',
]

export interface LeanOptions {
  readonly entries?: Readonly<Record<string, string>>
  readonly out?: string
  /** For callgrind: with symbols, and without what it does not know. */
  readonly counted?: boolean
  readonly profiled?: Profiled
}

/** For test/bench/profile-build.ts: with symbols, and an engine that tells of the functions that it reads. */
export interface Profiled {
  /** What the binary is made of stays here: modules with their source maps, `init`, and two programs of `list`. */
  readonly folder: string
  /** C files: one that includes engine.c, and one to be linked in place of host.c. */
  readonly engine: string
  readonly list: string
}

/** Makes `out` and returns its size in bytes. */
export async function buildLean({
  entries = ENTRIES,
  out = PRODUCTS.init,
  profiled,
  counted = profiled !== undefined,
}: LeanOptions = {}): Promise<number> {
  const [engine, modules] = await Promise.all([buildEngine(), bundle({ ...FIRST, ...entries })])
  const lacking = modules.flatMap(({ code, map }) => checkBundle(code, map))
  if (lacking.length > 0) {
    throw new BuildError(
      `the bundle uses what the engine in the lean binary does not have:\n${lacking.join('\n')}`,
      'Write it without, or add it to the engine (src/runtime/quickjs/engine.c) and say so in build/lean/bundle-check.ts.',
    )
  }
  const work = profiled?.folder ?? (await mkdtemp(join(tmpdir(), 'zmachine-lean-')))
  try {
    await link(engine, modules, work, counted, profiled)
    await mkdir(dirname(out), { recursive: true })
    // Renamed into place: somebody may be running or packing the old one.
    await copyFile(join(work, 'init'), `${out}.${process.pid}`)
    await rename(`${out}.${process.pid}`, out)
  } finally {
    if (profiled === undefined) await rm(work, { recursive: true, force: true })
  }
  return (await stat(out)).size
}

async function link(
  engine: Engine,
  modules: readonly Bundle[],
  work: string,
  counted: boolean,
  profiled: Profiled | undefined,
): Promise<void> {
  const log = freshLog('lean')
  const file = (name: string): string => join(work, name)
  for (const { name, code } of modules) await writeFile(file(name), code)
  // -s: without the line tables, which are as long as the code. Names without a folder, since they are what modules
  // import one another by.
  const names = modules.map(({ name }) => name)
  const compile = async (...options: string[]): Promise<string> => {
    const all = [...options, '-c', '-m', '-p', 'part_', '-o', 'bytecode.c', ...names]
    await run(engine.qjsc, all, { log, cwd: work })
    return readFile(file('bytecode.c'), 'utf8')
  }
  const bytecode = await compile('-s')
  const wanted = new Set(modules.flatMap(({ code }) => [...mentionedNames(code)]))
  const engineObject = await compileEngine(engine, wanted, profiled?.engine)
  const include = [engine.include, join(ROOT, HOST)]
  const hostObjects = HOST_SOURCES.map((source) => file(`${basename(source)}.o`))
  await Promise.all(
    HOST_SOURCES.map((source, index) =>
      compileForLean(source, hostObjects[index] ?? '', include, log, counted ? [...FAST, '-DCOUNTED'] : FAST),
    ),
  )
  const baked = BAKED.map((name) => `${name}.js`).filter((name) => names.includes(name))
  /** The program with these modules and this heap, which come last: nothing else moves with them. */
  const program = async (
    name: string,
    parts: readonly string[],
    image: HeapImage,
    code = bytecode,
    host: readonly string[] = hostObjects,
  ): Promise<void> => {
    await writeFile(file(`${name}.c`), bundleSource(code, parts, baked, image))
    await compileForLean(file(`${name}.c`), file(`${name}.o`), include, log)
    const objects = [engineObject, ...engine.objects, ...host, file(`${name}.o`)]
    await run(LEAN_CC, [...LINK_FLAGS, ...objects, '-lm', '-o', file(name)], { log })
  }
  await program('baker', names, NO_HEAP)
  const heap = await run(file('baker'), [])
  await program('init', laterThan(baked, modules), packHeap(heap))
  await checkPlaces(file('baker'), file('init'))
  if (!counted) await run('strip', [file('init')], { log })
  if (!profiled) return
  // The same functions twice, by their addresses and by their lines, which would move the addresses.
  await compileForLean(profiled.list, file('list.o'), include, log)
  const host = [...hostObjects.filter((object) => basename(object) !== 'host.c.o'), file('list.o')]
  await program('functions', names, NO_HEAP, bytecode, host)
  await program('lines', names, NO_HEAP, await compile(), host)
  for (const { name, map } of modules) await writeFile(file(`${name}.map`), map)
}

/** The modules that none of `baked` imports, which are in the heap with all that they do. */
function laterThan(baked: readonly string[], modules: readonly Bundle[]): string[] {
  const early = new Set<string>()
  const add = (name: string): void => {
    if (early.has(name)) return
    early.add(name)
    for (const imported of modules.find((module) => module.name === name)?.imports ?? []) add(imported)
  }
  for (const name of baked) add(name)
  return modules.map(({ name }) => name).filter((name) => !early.has(name))
}

/** The C source of what bundle.h declares; qjsc names each array by its file. */
function bundleSource(
  bytecode: string,
  names: readonly string[],
  baked: readonly string[],
  { bytes, groups }: HeapImage,
): string {
  const parts = names.map((name) => ({ name, array: `part_${basename(name, '.js').replaceAll('-', '_')}` }))
  const arrays = parts.map(({ array }) => {
    const found = new RegExp(`^const uint8_t ${array}\\[\\d+\\] = \\{[^}]*\\};$`, 'm').exec(bytecode)
    if (found === null) throw new BuildError(`qjsc made no ${array}`)
    return `static ${found[0]}\n`
  })
  // Names are arrays too: equal strings of all objects lie in one place, which would move with them.
  const texts = parts.map(({ name, array }) => `static const char ${array}_name[] = "${name}";\n`)
  const rows = parts.map(({ array }) => `    {${array}_name, ${array}, sizeof ${array}},\n`)
  return [
    '#include "bundle.h"\n',
    ...arrays,
    ...texts,
    `const struct module modules[] = {\n${rows.join('')}};\n`,
    'const size_t module_count = sizeof modules / sizeof *modules;\n',
    ...baked.map((name, index) => `static const char baked_${index}[] = "${name}";\n`),
    `const char *const baked[] = {${baked.map((_, index) => `baked_${index}`).join(', ')}};\n`,
    'const size_t baked_count = sizeof baked / sizeof *baked;\n',
    `const uint8_t image[] = {${bytes.join(',')}};\n`,
    `const size_t image_groups = ${groups};\n`,
  ].join('')
}

/** What the heap may point to, functions and tables of the engine and the host, must lie where the baker had it. */
async function checkPlaces(baker: string, init: string): Promise<void> {
  const [before, after] = await Promise.all([baker, init].map(enginePlaces))
  if (before !== after) {
    throw new BuildError(
      'the heap was made by a program whose functions lie elsewhere',
      'See LINK_FLAGS and link().',
    )
  }
}

/** Functions and constants before those of the bundle, as nm(1) lists them. */
async function enginePlaces(file: string): Promise<string> {
  const lines = (await run('nm', ['--numeric-sort', file])).toString().split('\n')
  const first = lines.findIndex(
    (line) => / part_|image|baked|modules?_count| modules$/.test(line) && / [rR] /.test(line),
  )
  return lines
    .slice(0, first)
    .filter((line) => / [tTrR] /.test(line))
    .join('\n')
}
