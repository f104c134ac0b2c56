/**
 * The node build: the same PID 1 as one executable of Node, and its initramfs. TypeScript → one script (esbuild) →
 * a copy of the Node that runs this, with the script inside (pkg's SEA mode).
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digest } from '../cache.ts'
import { freshLog, run } from '../command.ts'
import type { Entry } from '../cpio.ts'
import { esbuild } from '../esbuild.ts'
import { image, writeWhole } from '../initramfs.ts'
import { librariesOf } from '../libraries.ts'
import { PRODUCTS, ROOT } from '../paths.ts'

/**
 * How Node is started. Instructions in user space up to the entrypoint of a container with one NIC; time and available
 * memory were the same for all within the noise:
 *
 * |                                                    | instructions |
 * |----------------------------------------------------|--------------|
 * | as it is, with V8's code cache                     | 137 M        |
 * | without the cache                                  | 194 M        |
 * | --v8-pool-size=0                                   | 133 M        |
 * | … and --max-semi-space-size=1                      | 130 to 145 M |
 * | … and --single-threaded, --jitless or --lite-mode  | 218 to 224 M |
 *
 * The last three are other flags than those under which Node's own code was cached, and all of it is compiled anew.
 */
const FLAGS = [
  // node:ffi says that it is experimental, on the console of every container.
  '--no-warnings',
  // Nothing is done beside the main thread; V8 has one for it all the same.
  '--v8-pool-size=0',
]

/** Options of a single executable application: https://nodejs.org/api/single-executable-applications.html */
const SEA = {
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: true,
  execArgv: FLAGS,
  // NODE_OPTIONS is ignored: PID 1's environment is whatever the kernel command line held that nobody knew.
  execArgvExtension: 'none',
}

/** Level 9 of zstd: the highest takes minutes, for 8 % less. */
const LEVEL = 9

/** Makes dist/node/init, unless it is there and of the same inputs, and returns its size in bytes. */
export async function buildNodeInit(): Promise<number> {
  const out = PRODUCTS.node.init
  const script = await bundleScript()
  const node = await readFile(process.execPath)
  const packer = await readFile(PACKER)
  return unlessMade(out, [script, node, JSON.stringify(SEA), packer, PKG], async () => {
    const work = `${out}.${process.pid}`
    await mkdir(work, { recursive: true })
    try {
      await pack(script, work)
      await rename(join(work, 'init'), out)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })
}

/** Makes dist/node/initramfs.img of dist/node/init and the shared libraries that it needs, and returns its size. */
export async function buildNodeInitramfs(): Promise<number> {
  const init = await readFile(PRODUCTS.node.init)
  const libraries = await librariesOf([PRODUCTS.node.init])
  const files = await Promise.all(
    libraries.map(
      async (path): Promise<Entry> => ({
        path: path.slice(1),
        type: 'file',
        mode: 0o755,
        data: await readFile(path),
      }),
    ),
  )
  const data = files.map((file) => ('data' in file ? file.data : ''))
  return unlessMade(PRODUCTS.node.initramfs, [init, ...libraries, ...data, String(LEVEL)], async () => {
    const folders = new Set(libraries.flatMap(foldersOf))
    const more: Entry[] = [
      ...Array.from(folders, (path): Entry => ({ path, type: 'directory', mode: 0o755 })),
      ...files,
      // Node opens it for standard streams that it finds closed, and aborts where it can't.
      { path: 'dev/null', type: 'character', mode: 0o666, major: 1, minor: 3 },
    ]
    await writeWhole(PRODUCTS.node.initramfs, image(init, more, LEVEL))
  })
}

/** One script with its source map inside: what a debugger shows is the TypeScript. */
async function bundleScript(): Promise<string> {
  const { files } = await esbuild(
    'src/runtime/node/entry.ts',
    '--format=cjs',
    '--platform=node',
    '--target=node26',
    '--sourcemap=inline',
    '--legal-comments=none',
  )
  return [...files.values()].join('')
}

/** What packs it: a new release of it may do so differently. */
const PACKER = join(ROOT, 'build/node/node-pack.ts')
const PKG = await readFile(join(ROOT, 'node_modules/@yao-pkg/pkg/package.json'), 'utf8').catch(() => '')

/** A process of its own, since pkg prints what it does. */
async function pack(script: string, work: string): Promise<void> {
  const log = freshLog('node')
  const file = (name: string): string => join(work, name)
  await writeFile(file('init.cjs'), script)
  await run('strip', ['-o', file('node'), process.execPath], { log })
  await run(process.execPath, [PACKER, file('init.cjs'), file('node'), file('init'), JSON.stringify(SEA)], {
    log,
    advice: 'The build needs the npm package @yao-pkg/pkg: npm ci installs it.',
  })
}

/** All folders above `path`, without the leading slash. */
function foldersOf(path: string): string[] {
  const folder = dirname(path)
  return folder === '/' ? [] : [...foldersOf(folder), folder.slice(1)]
}

/** Makes `path` unless it was made of the same inputs, which stand in a file beside it. @returns its size */
async function unlessMade(
  path: string,
  inputs: readonly (string | Uint8Array)[],
  make: () => Promise<void>,
): Promise<number> {
  const stamp = `${path}.inputs`
  const wanted = digest(inputs)
  const had = await readFile(stamp, 'utf8').catch(() => '')
  const there = await stat(path).catch(() => undefined)
  if (there !== undefined && had === wanted) return there.size
  await rm(stamp, { force: true })
  await make()
  await writeFile(stamp, wanted)
  return (await stat(path)).size
}
