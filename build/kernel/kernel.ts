/**
 * The minimal kernel: Debian's source of a long-term release, configured by initramfs/kernel.config, compiled once and
 * kept in the cache. It is the same byte for byte wherever the same compiler makes it of the same source: nothing of
 * the time, the folder or the machine goes into it (Documentation/kbuild/reproducible-builds.rst).
 */
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { cached, isCached } from '../cache.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { type Apt, openApt } from '../debian/apt.ts'
import { ensurePackages } from '../debian/system.ts'
import { ROOT } from '../paths.ts'
import { type Progress, progress } from '../progress.ts'
import { readGroups, unmet } from './kernel-config.ts'

export const CONFIG = join(ROOT, 'initramfs/kernel.config')
const BOOTCONFIG = join(ROOT, 'initramfs/kernel.bootconfig')
const LOCK = join(ROOT, 'initramfs/kernel.json')

/** Raised when what is kept of a build changes. */
const FORMAT = '1'

/** initramfs/kernel.json: which source, and what comes of it. */
export interface KernelLock {
  /** Debian's source package, named after the long-term release. */
  readonly package: string
  readonly version: string
  /** Of the package file. */
  readonly sha256: string
  /** What this version becomes by this compiler, for whoever wants to see that theirs is the same. */
  readonly built: { readonly compiler: string; readonly sha256: string }
  /** How many lines `make` prints for it: only the progress bar needs it. */
  readonly lines: number
}

export interface BuiltKernel {
  /** Stripped, with a PVH entry: what cloud-hypervisor and QEMU load without unpacking it. */
  readonly elf: string
  readonly bzImage: string
  /** The whole configuration, the kernel's own choices included. */
  readonly config: string
  /** As in uname(2). */
  readonly release: string
  readonly package: string
  readonly version: string
  /** Whether it is the version that initramfs/kernel.json names. */
  readonly pinned: boolean
  readonly compiler: string
}

export async function readLock(): Promise<KernelLock> {
  return JSON.parse(await readFile(LOCK, 'utf8')) as KernelLock
}

/** Compiles the kernel, or finds it in the cache. */
export async function buildKernel(): Promise<BuiltKernel> {
  const lock = await readLock()
  const fragment = await readFile(CONFIG, 'utf8')
  const groups = readGroups(fragment)
  const compiler = firstLine(await run('gcc', ['--version']))
  const linker = firstLine(await run('ld', ['--version']))

  const bootconfig = await readFile(BOOTCONFIG)
  const inputs = (version: string) => [
    ...[lock.package, version, fragment, bootconfig, compiler, linker, FORMAT],
  ]
  // Where the pinned one is in the cache, nobody needs the archive.
  const version = isCached('kernel', inputs(lock.version)) ? lock.version : await sourceVersion(lock)
  const folder = await cached('kernel', inputs(version), async (fresh) => {
    await ensurePackages(['kernel'])
    const log = freshLog('kernel')
    const source = join(fresh, 'source')
    const objects = join(fresh, 'objects')
    await unpackSource(lock, version, source, log)
    await configure(source, objects, CONFIG, log)
    const missed = unmet(groups, await readFile(join(objects, '.config'), 'utf8'))
    if (missed.length > 0) {
      throw new BuildError(
        `initramfs/kernel.config: these did not take effect:\n  ${missed.join('\n  ')}`,
        'What an option needs is in its Kconfig entry (depends on), which make menuconfig shows.',
      )
    }
    await compile(source, objects, lock.lines, log)
    await keep(objects, fresh)
    await rm(source, { recursive: true })
    await rm(objects, { recursive: true })
  })
  return {
    elf: join(folder, 'kernel'),
    bzImage: join(folder, 'bzImage'),
    config: join(folder, 'config'),
    release: await readFile(join(folder, 'release'), 'utf8'),
    package: lock.package,
    version,
    pinned: version === lock.version,
    compiler,
  }
}

/**
 * The version to build: the one that the lock names, and where the archive has it no more, the newest of the same
 * long-term release. A security archive keeps the last few; a project that one can't build in a year helps nobody.
 */
async function sourceVersion(lock: KernelLock): Promise<string> {
  const apt = await openApt({ name: 'kernel', type: 'deb' })
  const found = await offered(apt, lock.package).catch(async () => {
    await apt.forget()
    return offered(await openApt({ name: 'kernel', type: 'deb' }), lock.package)
  })
  const version = found.includes(lock.version) ? lock.version : found[0]
  if (version !== undefined) return version
  throw new BuildError(
    `this Debian's archive has no ${lock.package}`,
    'Build on Debian 12 or 13, for example in a container.',
  )
}

/** The versions of a package in the archive, the newest first. */
async function offered(apt: Apt, name: string): Promise<string[]> {
  const shown = await apt.ask('show', name)
  return [...shown.matchAll(/^Version: (.*)$/gm)].map(([, version = '']) => version)
}

/** Fetches the package, checks it, and unpacks the tree. */
export async function unpackSource(
  lock: KernelLock,
  version: string,
  folder: string,
  log: string,
): Promise<void> {
  const parts = `${folder}.parts`
  await mkdir(parts, { recursive: true })
  const apt = await openApt({ name: 'kernel', type: 'deb' })
  const fetch = (from: Apt): Promise<Buffer> =>
    run('apt-get', [...from.options, 'download', `${lock.package}=${version}`], { cwd: parts, log })
  await fetch(apt).catch(async () => {
    // The archive has moved on since the lists were fetched.
    await apt.forget()
    await fetch(await openApt({ name: 'kernel', type: 'deb' }))
  })
  const [sum = '', file = ''] = (await run('sh', ['-c', 'sha256sum *.deb'], { cwd: parts }))
    .toString()
    .trim()
    .split(/ +/)
  if (version === lock.version && sum !== lock.sha256) {
    throw new BuildError(
      `${file}: SHA-256 is ${sum}, not ${lock.sha256}`,
      'This is not the source that initramfs/kernel.json names. Do not build it; look at who changed it.',
    )
  }
  await run('dpkg-deb', ['--extract', file, 'root'], { cwd: parts, log })
  await run('tar', ['-xf', `root/usr/src/${lock.package}.tar.xz`], { cwd: parts, log })
  await rename(join(parts, lock.package), folder)
  await rm(parts, { recursive: true })
}

/** What the kernel would otherwise take from the machine and the clock. */
const REPRODUCIBLE = [
  'KBUILD_BUILD_TIMESTAMP=@0',
  'KBUILD_BUILD_USER=zmachine',
  'KBUILD_BUILD_HOST=zmachine',
  'KBUILD_BUILD_VERSION=1',
]

/** Merges a fragment over `allnoconfig`, by the kernel's own tool. */
export async function configure(
  source: string,
  objects: string,
  fragment: string,
  log: string,
): Promise<void> {
  await mkdir(objects, { recursive: true })
  // CONFIG_BOOT_CONFIG_EMBED_FILE is looked for where the objects are.
  await copyFile(BOOTCONFIG, join(objects, 'kernel.bootconfig'))
  await run('scripts/kconfig/merge_config.sh', ['-n', '-O', objects, fragment], { cwd: source, log })
}

/** Compiles; on a terminal with a bar that tells the time left. */
export async function compile(source: string, objects: string, lines: number, log: string): Promise<void> {
  const bar: Progress = progress('the kernel, once', lines)
  try {
    await make(source, objects, log, () => bar.advance())
  } finally {
    bar.end()
  }
}

/** Compiles what has changed. */
export async function make(source: string, objects: string, log: string, onLine?: () => void): Promise<void> {
  const jobs = `-j${availableParallelism() + 1}`
  await run('make', [`O=${objects}`, jobs, ...REPRODUCIBLE, 'bzImage'], {
    cwd: source,
    log,
    ...(onLine === undefined ? {} : { onLine }),
    advice: 'Look at the first error in the log.',
  })
}

/** Copies what is used of a build to `folder`: kernel, bzImage, config, release. */
export async function keep(objects: string, folder: string): Promise<void> {
  await run('strip', ['--strip-all', '-o', join(folder, 'kernel'), join(objects, 'vmlinux')])
  await copyFile(join(objects, 'arch/x86/boot/bzImage'), join(folder, 'bzImage'))
  await copyFile(join(objects, '.config'), join(folder, 'config'))
  const release = await readFile(join(objects, 'include/config/kernel.release'), 'utf8')
  await writeFile(join(folder, 'release'), release.trim())
}

const firstLine = (output: Buffer): string => output.toString().split('\n')[0] ?? ''
