/** dist/flist, as hosts get it: what the manifest says of it, that it can be built again, and what it leaves a guest. */

import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cpio } from '../../../build/cpio.ts'
import { buildFlist, describe as describeFile, type FlistManifest } from '../../../build/flist.ts'
import { compress } from '../../../build/initramfs.ts'
import { buildKernel, readLock } from '../../../build/kernel/kernel.ts'
import { PRODUCTS } from '../../../build/paths.ts'
import { hasPvhEntry } from '../../../src/host/image/vmlinux.ts'
import { privateFolder } from '../../../src/host/lib/guard.ts'
import { boot, type MachineExit } from '../../../src/host/machine/machine.ts'
import { guestProgram } from '../lib/files.ts'

const { kernel, initramfs, manifest } = PRODUCTS.flist

const readManifest = async (): Promise<FlistManifest> =>
  JSON.parse(await readFile(manifest, 'utf8')) as FlistManifest

describe('the manifest', () => {
  test.each([
    ['kernel', kernel],
    ['initramfs-linux.img', initramfs],
  ] as const)('says how large %s is, and its checksum', async (name, file) => {
    expect((await readManifest()).files[name]).toEqual(describeFile(await readFile(file)))
  })

  test('names the version that is in the kernel itself', async () => {
    const { kernel: named } = await readManifest()
    const banner = `Linux version ${named.release} (zmachine@zmachine) (${named.compiler}`
    expect((await readFile(kernel)).includes(banner)).toBe(true)
    expect(named.version.startsWith(named.release.replace(/-.*/, ''))).toBe(true)
  })
})

describe('the kernel', () => {
  test('is an ELF that a host enters as a PVH guest', async () => {
    expect(hasPvhEntry(await readFile(kernel))).toBe(true)
  })

  test('has at most 30 MB, and 7.5 MB packed', async () => {
    expect((await stat(kernel)).size).toBeLessThanOrEqual(30e6)
    expect((await stat((await buildKernel()).bzImage)).size).toBeLessThanOrEqual(7.5e6)
  })

  // initramfs/kernel.json has the checksum from its author's computer. CI compiles the kernel anew, in another folder
  // on another day: that it is the same there is the proof that it is reproducible. Another compiler makes another one.
  test('is the one that initramfs/kernel.json names, where the same compiler made it', async ({ skip }) => {
    const { built, version } = await readLock()
    const { kernel: named, files } = await readManifest()
    if (named.compiler !== built.compiler || named.version !== version) {
      skip(`${named.version} by ${named.compiler}`)
    }
    expect(files.kernel.sha256).toBe(built.sha256)
  })
})

test('built again, everything is the same byte for byte', async () => {
  const read = (): Promise<Buffer[]> =>
    Promise.all([kernel, initramfs, manifest].map((file) => readFile(file)))
  const before = await read()
  await buildFlist()
  const after = await read()
  expect(after.map(describeFile)).toEqual(before.map(describeFile))
})

describe('firmware', () => {
  const place = join(dirname(kernel), 'hypervisor-fw')
  afterAll(async () => {
    await buildFlist()
  })

  test('that the build is given is in the folder and in the manifest, and gone after a build without', async () => {
    // Any ELF with a PVH entry is started as firmware is.
    const { files } = (await buildFlist(kernel)).manifest
    expect(files['hypervisor-fw']).toEqual(files.kernel)
    expect(describeFile(await readFile(place))).toEqual(files.kernel)
    expect((await readManifest()).files['hypervisor-fw']).toEqual(files.kernel)
    await buildFlist()
    expect(existsSync(place)).toBe(false)
    expect((await readManifest()).files).not.toHaveProperty('hypervisor-fw')
  })

  test.each([
    [import.meta.filename, /not an ELF with a PVH entry/],
    ['/no/such/file', /ENOENT/],
  ])('%s is refused before anything is built', async (file, message) => {
    await expect(buildFlist(file)).rejects.toThrow(message)
    expect(existsSync(place)).toBe(false)
  })
})

/** In KB, for a guest of 256 MB; every group of initramfs/kernel.config costs some (npm run bench:kernel). */
const LEAST_AVAILABLE = 205_000

/** Under TCG, beside other tests. The tight figure is the bench's. In seconds. */
const LONGEST = 6

describe('a guest of 256 MB whose PID 1 does nothing', () => {
  const folder = privateFolder()
  afterAll(folder.remove)
  let exit: MachineExit | undefined
  beforeAll(async () => {
    const init = await readFile(await guestProgram(new URL('../../bench/poweroff.c', import.meta.url)))
    const image = join(folder.path, 'initramfs.img')
    await writeFile(
      image,
      compress(
        cpio([
          { path: 'init', type: 'file', mode: 0o755, data: init },
          { path: 'dev', type: 'directory', mode: 0o755 },
          { path: 'dev/console', type: 'character', mode: 0o600, major: 5, minor: 1 },
        ]),
      ),
    )
    const machine = await boot({
      kernel,
      initramfs: image,
      root: { kind: 'none' },
      memoryMB: 256,
      timeout: 60,
    })
    exit = await machine.exited
  })

  test('has most of it', () => {
    const [, available] = /init: available=(\d+)/.exec(exit?.console ?? '') ?? []
    expect(Number(available), exit?.console).toBeGreaterThanOrEqual(LEAST_AVAILABLE)
  })

  test('is off again soon', () => {
    expect(exit?.reason).toBe('powerdown')
    expect(exit?.duration).toBeLessThan(LONGEST)
  })
})
