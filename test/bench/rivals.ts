/** The contenders: our two builds and other PID 1s, each with an initramfs. */

import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../build/command.ts'
import { cpio, type Entry } from '../../build/cpio.ts'
import { compress } from '../../build/initramfs.ts'
import { librariesOf } from '../../build/libraries.ts'
import { PRODUCTS } from '../../build/paths.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { tarball } from '../images/debian.ts'
import { SYSTEM } from '../images/roots.ts'
import { guestProgram } from '../qemu/lib/files.ts'
import type { Contender } from './container.ts'

const NODE_MEMORY_MB = 512

/** Debian's initramfs alone is 30 MB unpacked. */
const DEBIAN_MEMORY_MB = 512

export const LEAN: Contender = { name: 'lean build', initramfs: PRODUCTS.flist.initramfs }

export const NODE: Contender = {
  name: 'node build',
  initramfs: PRODUCTS.node.initramfs,
  memoryMB: NODE_MEMORY_MB,
}

const directory = (path: string): Entry => ({ path, type: 'directory', mode: 0o755 })
const program = async (path: string, file: string): Promise<Entry> => ({
  path,
  type: 'file',
  mode: 0o755,
  data: await readFile(file),
})

/** What the kernel needs of every initramfs. */
const BASE: readonly Entry[] = [
  ...['dev', 'proc', 'sys', 'root'].map(directory),
  { path: 'dev/console', type: 'character', mode: 0o600, major: 5, minor: 1 },
]

async function image(folder: string, name: string, entries: readonly Entry[]): Promise<string> {
  const file = join(folder, `${name}.img`)
  await writeFile(file, compress(cpio([...BASE, ...entries])))
  return file
}

/** floor.c, for the container with the seed or the one without. */
export async function floor(folder: string, seeded: boolean): Promise<Contender> {
  const made = await guestProgram(new URL('floor.c', import.meta.url), seeded ? ['-DSEED'] : [])
  const name = seeded ? 'floor-seed' : 'floor'
  return { name: 'C program', initramfs: await image(folder, name, [await program('init', made)]) }
}

/** ash-init.sh, with busybox and the blkid of util-linux, as Debian has them. */
export async function ashScript(folder: string): Promise<Contender> {
  const busybox = needProgram('busybox', 'busybox-static')
  const applets = (await run(busybox, ['--list'])).toString().trim().split('\n')
  const blkid = needProgram('blkid', 'util-linux')
  const entries: Entry[] = [
    ...['bin', 'lib', 'lib64'].map(directory),
    await program('init', fileURLToPath(new URL('ash-init.sh', import.meta.url))),
    await program('bin/busybox', busybox),
    ...applets
      .filter((name) => name !== 'busybox')
      .map((name): Entry => ({ path: `bin/${name}`, type: 'symlink', target: 'busybox' })),
    await program('bin/blkid', blkid),
  ]
  for (const file of await librariesOf([blkid]))
    entries.push(await program(file.startsWith('/lib64/') ? file.slice(1) : `lib/${basename(file)}`, file))
  return { name: 'ash script', initramfs: await image(folder, 'ash', entries) }
}

/**
 * Debian's kernel with the initramfs that initramfs-tools made for it, and the module virtiofs. With the host's rootdelay=30
 * it would sleep for 30 seconds.
 */
export async function debianInitramfs(folder: string): Promise<Contender> {
  const place = join(folder, 'debian')
  const names = ['./boot/vmlinuz*', './boot/initrd.img*']
  await run('mkdir', ['-p', place])
  await run('tar', ['--zstd', '-xf', await tarball(SYSTEM), '-C', place, '--wildcards', ...names])
  return {
    name: 'initramfs-tools',
    kernel: join(place, 'boot/vmlinuz'),
    initramfs: join(place, 'boot/initrd.img'),
    memoryMB: DEBIAN_MEMORY_MB,
    cmdline: 'rootdelay=0',
    helpers: true,
  }
}
