/** A root that is a disk image: it boots by UEFI from its own disk, and its cloud-init reads our seed. */

import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { writeTree } from '../qemu/lib/files.ts'
import { unpackRoot } from './debian.ts'
import { makeDiskImage, readDiskImage } from './disk-image.ts'
import { SYSTEM } from './roots.ts'
import { addMarkerUnit } from './system.ts'
import { describeAsRoot, start } from './zmachine.ts'

const KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8rcxUbWnSzk0k0KQ2rb1bZsMYo9WvYIM1pYdK3sJ0B somebody@somewhere'

/** Debian's own, but what sets names and keys only, without new host keys: all of it takes minutes under TCG. */
const CLOUD_CONFIG = `datasource_list: [NoCloud, None]
cloud_init_modules: [set_hostname, users-groups, ssh]
cloud_config_modules: []
cloud_final_modules: []
ssh_deletekeys: false
ssh_genkeytypes: []
`

describeAsRoot('a disk image', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  const disk = join(folder, 'vm.raw')
  const emptyDisk = (megabytes: number): void => {
    writeFileSync(disk, '')
    truncateSync(disk, megabytes << 20)
  }

  beforeAll(async () => {
    const contents = join(folder, 'contents')
    await unpackRoot(SYSTEM, contents)
    addMarkerUnit(contents)
    writeTree(contents, { 'etc/cloud/cloud.cfg.d/99-test.cfg': CLOUD_CONFIG })
    mkdirSync(root)
    await makeDiskImage(contents, join(root, 'image.raw'), folder)
    rmSync(contents, { recursive: true })
  })

  test('larger than the disk is an error that says so, and leaves the disk alone', async () => {
    emptyDisk(64)
    const { code, errors } = await start(folder, '--disk', disk, root).ended
    expect(errors).toMatch(/image\.raw has \d+ bytes, and the disk \S+ only 67108864/)
    expect(code).toBe(2)
    expect(readFileSync(disk).every((byte) => byte === 0)).toBe(true)
  })

  test('boots by itself, and cloud-init finds the name and the key of the options', async () => {
    emptyDisk(1024)
    const named = ['--hostname', 'of-the-options', '--ssh-key', KEY]
    const { code } = await start(folder, '--disk', disk, '-m', '1G', ...named, root).ended
    const marker = await readDiskImage(disk, '/marker')
    expect(marker).toContain('machine: of-the-options\n')
    expect(await readDiskImage(disk, '/root/.ssh/authorized_keys')).toContain(KEY)
    expect(await readDiskImage(disk, '/failed')).toBe('')
    expect(code).toBe(0)
  })
})
