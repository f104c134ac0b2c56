/**
 * Debian's cloud kernel, which has its drivers as modules: the kernel, an initramfs with the modules that PID 1 may ask
 * for, and a manifest. For tests, and as a pattern for kernels of other makers. The package comes from this machine's
 * own Debian release, without root.
 */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join as path } from 'node:path'
import { cached } from '../cache.ts'
import { BuildError, run } from '../command.ts'
import { type Apt, openApt } from '../debian/apt.ts'
import { describe, type FileDescription } from '../flist.ts'
import { baseImage, compress, join, writeWhole } from '../initramfs.ts'
import { PRODUCTS } from '../paths.ts'
import { note } from '../progress.ts'
import { moduleArchive, readModuleList } from './module-archive.ts'

/** A metapackage, always of the newest kernel of a release: it depends on the package that holds it. */
const METAPACKAGE = 'linux-image-cloud-amd64'

/** Raised when the way that the module archive is made changes, since it is cached. */
const ARCHIVE_FORMAT = '1'

interface Kernel {
  /** The folder in the cache: `kernel`, and `modules` as in /lib/modules/RELEASE. */
  readonly folder: string
  /** As in uname(2). */
  readonly release: string
  readonly package: string
  readonly version: string
}

export interface KernelManifest {
  readonly release: string
  readonly package: string
  readonly version: string
  readonly files: Readonly<Record<'kernel' | 'initramfs-linux.img', FileDescription>>
  /** Modules of initramfs/modules that this kernel does not have. */
  readonly missing: readonly string[]
}

/** Makes dist/debian-cloud and returns its manifest. */
export async function buildDebianKernel(): Promise<KernelManifest> {
  const kernel = await fetchKernel()
  const modules = await packModules(kernel)
  const image = join(await baseImage(), modules.image)
  const vmlinuz = await readFile(path(kernel.folder, 'kernel'))
  const product = PRODUCTS.debianCloud
  await writeWhole(product.initramfs, image)
  await writeWhole(product.kernel, vmlinuz)
  const manifest = {
    release: kernel.release,
    package: kernel.package,
    version: kernel.version,
    files: { kernel: describe(vmlinuz), 'initramfs-linux.img': describe(image) },
    missing: modules.missing,
  }
  await writeWhole(product.manifest, `${JSON.stringify(manifest, undefined, 2)}\n`)
  return manifest
}

/** The kernel package, unpacked. Its version is the one that the private lists name; they last until it is gone. */
async function fetchKernel(): Promise<Kernel> {
  const apt = await openApt({ name: 'kernel', type: 'deb' })
  try {
    return await fetchFrom(apt)
  } catch {
    // The archive has moved on since the lists were fetched.
    await apt.forget()
    note('the package lists are old: fetching them anew')
    return fetchFrom(await openApt({ name: 'kernel', type: 'deb' }))
  }
}

async function fetchFrom(apt: Apt): Promise<Kernel> {
  const depends = await apt.ask('depends', METAPACKAGE)
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
  if (!name) throw new BuildError(`${METAPACKAGE}: no kernel package among what it depends on:\n${depends}`)
  const shown = await apt.ask('show', '--no-all-versions', name)
  const version = /^Version: (.*)$/m.exec(shown)?.[1]
  if (!version) throw new BuildError(`${name}: apt-cache show tells no version`)

  const folder = await cached('debian-kernel', [name, version], async (fresh) => {
    await run('apt-get', [...apt.options, 'download', `${name}=${version}`], { cwd: fresh, log: apt.log })
    await unpack(fresh)
  })
  return { folder, release: await readFile(path(folder, 'release'), 'utf8'), package: name, version }
}

/** From the package file in `folder` to `kernel`, `modules` and `release`. */
async function unpack(folder: string): Promise<void> {
  const file = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (!file) throw new BuildError(`${folder}: apt-get download left no package`)
  const root = path(folder, 'root')
  await mkdir(root)
  await run('dpkg-deb', ['--extract', path(folder, file), root])
  const modules = await linkModules(root)
  const release = (await readdir(modules))[0]
  if (!release) throw new BuildError(`${file}: no modules in it`)
  await run('depmod', ['--basedir', root, release])
  await writeFile(path(folder, 'release'), release)
  await copyFile(path(root, 'boot', `vmlinuz-${release}`), path(folder, 'kernel'))
  await rename(path(modules, release), path(folder, 'modules'))
  await rm(root, { recursive: true })
  await rm(path(folder, file))
}

/** Debian 13 has modules in /usr/lib, Debian 12 in /lib; depmod looks in one of them. Returns the real folder. */
async function linkModules(root: string): Promise<string> {
  const places = [path(root, 'lib/modules'), path(root, 'usr/lib/modules')]
  const real = places.find(existsSync)
  const other = places.find((place) => place !== real)
  if (!real || !other) throw new BuildError(`${root}: no modules in the kernel's package`)
  await mkdir(dirname(other), { recursive: true })
  await symlink(real, other)
  return real
}

/** The compressed module archive; compressing takes seconds, so it is cached. */
async function packModules(kernel: Kernel): Promise<{ image: Uint8Array; missing: string[] }> {
  const list = await readModuleList()
  const inputs = [kernel.package, kernel.version, list, ARCHIVE_FORMAT]
  const folder = await cached('debian-modules', inputs, async (fresh) => {
    const { archive, missing } = await moduleArchive(path(kernel.folder, 'modules'), kernel.release, list)
    await writeFile(path(fresh, 'image'), compress(archive))
    await writeFile(path(fresh, 'missing'), missing.join(' '))
  })
  const missing = await readFile(path(folder, 'missing'), 'utf8')
  return { image: await readFile(path(folder, 'image')), missing: missing.split(' ').filter(Boolean) }
}
