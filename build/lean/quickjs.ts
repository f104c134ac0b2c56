/**
 * The JavaScript engine: Debian's QuickJS source, its compiler for this machine (qjsc) and its objects for the
 * lean binary. All of it is made once and cached.
 */
import { createHash } from 'node:crypto'
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cached } from '../cache.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { openApt } from '../debian/apt.ts'
import { ROOT } from '../paths.ts'
import { editCompiler, pruneEngine } from './quickjs-prune.ts'

/** The engine's release as Debian 13 has it, and the checksum of its source, so that no other is ever built. */
const SUITE = 'trixie'
const VERSION = '2025.04.26-1'
const TARBALL = 'quickjs_2025.04.26.orig.tar.xz'
const TARBALL_SHA256 = 'ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe'

/** The sources that the engine is linked with, beside itself; the rest of the tarball are its command line and its standard library. */
const HELPERS = ['dtoa', 'libregexp', 'libunicode', 'cutils']
// With nothing after the `=`, so that it is the same as host.c's own #define.
const DEFINES = ['-D_GNU_SOURCE=', '-DCONFIG_VERSION="2025-04-26"']

/**
 * How everything in the lean binary is compiled, the host included. Measured with a script of the kind that PID 1 is
 * (text, maps, typed arrays, closures, exceptions), engine and script as one binary:
 *
 * |                                        | bytes   | gzip -9 | xz      | instructions |
 * |----------------------------------------|---------|---------|---------|--------------|
 * | -Os                                    | 341,424 | 186,262 | 157,996 | 15.54 M      |
 * | -Os, no PIE, no RELRO                  | 330,824 | 183,516 | 156,024 | 15.27 M      |
 * | … and NDEBUG                           | 322,928 | 179,872 | 153,112 | 15.24 M      |
 * | … and LTO                              | 320,656 | 178,548 | 151,544 | 15.18 M      |
 * | … and quickjs-inline.h instead of LTO  | 338,512 | 185,154 | 157,392 | 14.43 M      |
 * | -O1 instead of -Os                     | 379,360 | 193,612 | 161,728 | 14.59 M      |
 * | -O2 instead of -Os                     | 427,152 | 224,278 | 190,856 | 13.82 M      |
 *
 * With PID 1 itself (54 KB of modules; parsing, netlink and a seed), sizes by zstd -19:
 *
 * |                                                | bytes   | zstd    | instructions |
 * |------------------------------------------------|---------|---------|--------------|
 * | -Os and quickjs-inline.h                       | 436,848 | 216,106 | 10.36 M      |
 * | -O2 for all                                    | 530,064 | 253,711 | 9.01 M       |
 * | -O2 for quickjs.c, nothing aligned             | 504,976 | 245,448 | 8.98 M       |
 * | -O2 with a profile of this very work (PGO)     | 653,200 | 292,261 | 9.00 M       |
 *
 * The third it is: `FAST` for the interpreter and the host, `SMALL` for what is hardly run. LTO is left out, since it
 * would compile the engine anew at each link. The dispatch by computed goto, the engine's default, stays.
 *
 * Without the methods that the bundle does not name (build/lean/quickjs-prune.ts) the same is 24 % smaller, and starts with
 * 0.4 M instructions less.
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
  // Assertions would carry the build folder's name into the binary.
  '-DNDEBUG',
  ...DEFINES,
]

/**
 * Loops and calls without padding: the padding is 5 % of the binary, and no faster where each path is run once. For the same
 * reason nothing is inlined that the source doesn't ask to be: PID 1 with its parts baked in, where QEMU's TCG, whose time
 * goes into translating what has not been run yet, takes 1.6 µs for an instruction of these:
 *
 * |                 | bytes   | initramfs | instructions | with a seed | different ones |
 * |-----------------|---------|-----------|--------------|-------------|----------------|
 * | -O2             | 528,792 | 244,948   | 4.49 M       | 6.58 M      | 19,900         |
 * | -O2, as it is   | 509,240 | 235,668   | 4.73 M       | 6.89 M      | 19,400         |
 * | -O1             | 513,136 | 228,701   | 4.95 M       | 7.24 M      | 19,300         |
 * | -Os             | 472,824 | 222,010   | 5.51 M       | 8.04 M      | 18,200         |
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
const INLINE = join(ROOT, 'build/lean/quickjs-inline.h')
const SMALL = ['-Os', '-include', INLINE]

/** The engine with our part of it: it includes quickjs.c. */
const OURS = join(ROOT, 'src/runtime/quickjs/engine')

export interface Engine {
  /** The compiler from JavaScript to bytecode in a C file; runs on this machine. */
  readonly qjsc: string
  /** The folder of quickjs.h. */
  readonly include: string
  /** What the lean binary links beside the engine itself. */
  readonly objects: readonly string[]
}

/** Fetches, verifies and compiles the engine's compiler and its helpers, or finds them in the cache. */
export async function buildEngine(): Promise<Engine> {
  const source = await engineSource()
  const compiler = editCompiler(await readFile(join(source, 'quickjs.c'), 'utf8'))
  const inputs = [...(await compilers()), compiler, ...HELPERS, ...LEAN_CFLAGS, await readFile(INLINE)]
  const folder = await cached('engine', inputs, async (fresh) => {
    const log = freshLog('engine')
    // The long one of each first: two compilers at a time are what small machines have.
    await Promise.all([compileQjsc(source, compiler, fresh, log), compileHelpers(source, fresh, log)])
  })
  return {
    qjsc: join(folder, 'qjsc'),
    include: source,
    objects: HELPERS.map((name) => join(folder, `${name}.o`)),
  }
}

/**
 * Compiles the engine itself with the methods that are wanted (build/lean/quickjs-prune.ts).
 * @param around a C file that includes engine.c
 * @returns the object
 */
export async function compileEngine(
  { include }: Engine,
  names: ReadonlySet<string>,
  around = `${OURS}.c`,
): Promise<string> {
  const pruned = pruneEngine(await readFile(join(include, 'quickjs.c'), 'utf8'), names)
  const ours = await Promise.all([`${OURS}.c`, `${OURS}.h`, around].map((file) => readFile(file)))
  const inputs = [...(await compilers()), pruned, ...ours, ...FAST, ...LEAN_CFLAGS]
  const folder = await cached('engine-object', inputs, async (fresh) => {
    await writeFile(join(fresh, 'quickjs.c'), pruned)
    await copyFile(`${OURS}.h`, join(fresh, 'engine.h'))
    await copyFile(`${OURS}.c`, join(fresh, 'engine.c'))
    const main = join(fresh, basename(around))
    await copyFile(around, main)
    const log = freshLog('engine-object')
    const object = join(fresh, 'engine.o')
    // What is no longer used is dropped, which the compiler would otherwise remark on line by line.
    await compileForLean(main, object, [fresh, include], log, [...FAST, '-w'])
  })
  return join(folder, 'engine.o')
}

/** What compiles, by its version. */
async function compilers(): Promise<(string | Uint8Array)[]> {
  const versions = await Promise.all([
    run('gcc', ['--version']),
    run(LEAN_CC, ['-v', '--version']),
    muslVersion(),
  ])
  return [TARBALL_SHA256, ...versions]
}

/** Compiles for the lean binary: one C file to one object. */
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

/** -O1: it compiles one bundle a build, and its own compilation is what takes time. */
async function compileQjsc(source: string, compiler: string, folder: string, log: string): Promise<void> {
  const engine = join(folder, 'quickjs.c')
  await writeFile(engine, compiler)
  const files = [engine, ...[...HELPERS, 'quickjs-libc', 'qjsc'].map((name) => join(source, `${name}.c`))]
  const out = ['-o', join(folder, 'qjsc')]
  await run(
    'gcc',
    ['-O1', '-fwrapv', `-I${source}`, ...DEFINES, ...files, ...out, '-lm', '-lpthread', '-ldl'],
    { log },
  )
}

/** The source's folder: `apt-get source` checks Debian's signature, we check that it is the one we know. */
async function engineSource(): Promise<string> {
  const folder = await cached('quickjs-source', [VERSION, TARBALL_SHA256], async (fresh) => {
    const apt = await openApt({ name: SUITE, type: 'deb-src', suite: SUITE })
    const options = {
      cwd: fresh,
      log: apt.log,
      advice: `The build needs Debian's source package quickjs ${VERSION}.`,
    }
    const args = [...apt.options, 'source', '--only-source', `quickjs=${VERSION}`]
    await run('apt-get', args, options).catch(async (error: unknown) => {
      await apt.forget()
      throw error
    })
    await verify(join(fresh, TARBALL))
    await rename(join(fresh, 'quickjs-2025.04.26'), join(fresh, 'source'))
  })
  return join(folder, 'source')
}

async function verify(tarball: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(tarball))
    .digest('hex')
  if (found === TARBALL_SHA256) return
  throw new BuildError(
    `${TARBALL}: SHA-256 is ${found}, not ${TARBALL_SHA256}`,
    'This is not the source that was reviewed. Do not build it; look at who changed it.',
  )
}

/** musl-gcc is a wrapper: the library's version is the package's. */
async function muslVersion(): Promise<Buffer> {
  return run('dpkg-query', ['--show', 'musl-dev'])
}
