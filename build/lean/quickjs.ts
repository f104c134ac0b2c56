/** Compiles the JavaScript engine: its bytecode compiler for this machine (qjsc), and its objects for the lean binary. */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cached } from '../cache.ts'
import { freshLog, run } from '../command.ts'
import { ROOT } from '../paths.ts'
import { engineSource, RELEASE } from './engine-source.ts'
import { pruneEngine } from './quickjs-prune.ts'

/** The upstream files that the binary links beside quickjs.c; the rest are upstream's command line and standard library. */
const HELPERS = ['dtoa', 'libregexp', 'libunicode', 'cutils']
// Nothing follows the `=`, as in host.c's own #define.
const DEFINES = ['-D_GNU_SOURCE=', `-DCONFIG_VERSION="${RELEASE.replaceAll('.', '-')}"`]

/**
 * How everything in the lean binary is compiled, the host included. docs/engine.md has the measurements behind it: `FAST`
 * for the interpreter and the host, `SMALL` for what hardly runs. There is no LTO, because it would compile the engine
 * anew at each link. The dispatch by computed goto, the engine's default, stays.
 */
export const LEAN_CC = 'musl-gcc'
const LEAN_CFLAGS = [
  '-fno-pie',
  '-fomit-frame-pointer',
  '-fno-stack-protector',
  '-fcf-protection=none',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  '-fno-math-errno',
  '-ffunction-sections',
  '-fdata-sections',
  '-fwrapv',
  // Assertions would put the build folder's name into the binary.
  '-DNDEBUG',
  ...DEFINES,
]

/**
 * No padding for loops and calls: it is 5 % of the binary, and no faster where each path runs once. For the same reason
 * nothing is inlined that the source does not ask for.
 */
export const FAST = [
  '-O2',
  '-fno-inline-small-functions',
  '-fno-inline-functions',
  '-fno-partial-inlining',
  '-fno-align-functions',
  '-fno-align-jumps',
  '-fno-align-loops',
  '-fno-align-labels',
]
const SMALL = ['-Os']

/** Our part of the engine, which includes quickjs.c. */
const OURS = join(ROOT, 'src/runtime/quickjs/engine')

export interface Engine {
  /** The compiler from JavaScript to bytecode in a C file; runs on this machine. */
  readonly qjsc: string
  /** The folder of the patched source. */
  readonly source: string
  /** What the lean binary links beside the engine itself. */
  readonly objects: readonly string[]
}

/** Compiles qjsc and the helpers, or finds them in the cache. */
export async function buildEngine(): Promise<Engine> {
  const source = await engineSource()
  const inputs = [...(await compilers()), source, ...HELPERS, ...SMALL, ...LEAN_CFLAGS]
  const folder = await cached('engine', inputs, async (fresh) => {
    const log = freshLog('engine')
    // The slow one first: a small machine runs two compilers at a time.
    await Promise.all([compileQjsc(source, fresh, log), compileHelpers(source, fresh, log)])
  })
  return {
    qjsc: join(folder, 'qjsc'),
    source,
    objects: HELPERS.map((name) => join(folder, `${name}.o`)),
  }
}

/** Compiles the engine with only the methods that `names` asks for (build/lean/quickjs-prune.ts). Returns the object file. */
export async function compileEngine({ source }: Engine, names: ReadonlySet<string>): Promise<string> {
  const pruned = pruneEngine(await readFile(join(source, 'quickjs.c'), 'utf8'), names)
  const ours = await Promise.all([`${OURS}.c`, `${OURS}.h`].map((file) => readFile(file)))
  const inputs = [...(await compilers()), source, pruned, ...ours, ...FAST, ...LEAN_CFLAGS]
  const folder = await cached('engine-object', inputs, async (fresh) => {
    await writeFile(join(fresh, 'quickjs.c'), pruned)
    for (const name of ['engine.c', 'engine.h']) await copyFile(join(dirname(OURS), name), join(fresh, name))
    // -w: the compiler would warn of every function that pruning leaves unused.
    const options = [...FAST, '-w']
    await compileForLean(
      join(fresh, 'engine.c'),
      join(fresh, 'engine.o'),
      [fresh, source],
      freshLog('engine-object'),
      options,
    )
  })
  return join(folder, 'engine.o')
}

/** What compiles, by its version: a part of each cache key. */
async function compilers(): Promise<Uint8Array[]> {
  return Promise.all([
    run('gcc', ['--version']),
    run(LEAN_CC, ['-v', '--version']),
    // musl-gcc is a wrapper that does not know the library's version.
    run('dpkg-query', ['--show', 'musl-dev']),
  ])
}

/** Compiles one C file of the lean binary to one object. */
export async function compileForLean(
  file: string,
  object: string,
  include: readonly string[],
  log: string,
  optimize: readonly string[] = FAST,
): Promise<void> {
  const folders = include.map((folder) => `-I${folder}`)
  await run(LEAN_CC, [...optimize, ...LEAN_CFLAGS, ...folders, '-c', file, '-o', object], { log })
}

async function compileHelpers(source: string, folder: string, log: string): Promise<void> {
  for (const name of HELPERS)
    await compileForLean(join(source, `${name}.c`), join(folder, `${name}.o`), [source], log, SMALL)
}

/** At -O1, since qjsc compiles one bundle a build and its own compilation is what takes time. */
async function compileQjsc(source: string, folder: string, log: string): Promise<void> {
  const files = ['quickjs', ...HELPERS, 'quickjs-libc', 'qjsc'].map((name) => join(source, `${name}.c`))
  const out = ['-o', join(folder, 'qjsc')]
  await run(
    'gcc',
    ['-O1', '-fwrapv', `-I${source}`, ...DEFINES, ...files, ...out, '-lm', '-lpthread', '-ldl'],
    { log },
  )
}
