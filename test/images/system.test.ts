/**
 * A whole system of Debian's, booted both ways that a zos host has for a root directory: systemd as a container's own
 * init on our kernel, and the root's own kernel and initramfs.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { ROOT } from '../../build/paths.ts'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { writeTree } from '../qemu/lib/files.ts'
import { unpackRoot } from './debian.ts'
import { foreign, readMarker } from './marker.ts'
import { SYSTEM } from './roots.ts'
import { addMarkerUnit, failedUnits } from './system.ts'
import { describeAsRoot, start } from './zmachine.ts'

describeAsRoot("Debian's system", () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  beforeAll(async () => {
    await unpackRoot(SYSTEM, root)
    addMarkerUnit(root)
    writeTree(root, { 'etc/cloud/cloud-init.disabled': '' })
  })

  test('boots with its own kernel and initramfs, from the links that Debian makes', async () => {
    const found = await run(process.execPath, [join(ROOT, 'src/host/cli/cli.ts'), 'inspect', root])
    expect(found.toString()).toMatch(/^ *kind +container with its own kernel$/m)
    // Debian's initramfs sleeps for all of the host's rootdelay=30, whether the root is there or not.
    const machine = start(folder, '-m', '512M', '--cmdline', 'rootdelay=0', root)
    const { code } = await machine.ended
    const marker = readMarker(root)
    expect(marker?.programs[0]).toBe('/usr/lib/systemd/systemd')
    expect(marker?.kernel).toMatch(/-cloud-amd64$/)
    expect(failedUnits(root)).toEqual([])
    expect(code).toBe(0)
  })

  test('boots as a container: systemd is PID 1, no unit fails, and nothing of ours is left', async () => {
    // Without a kernel of its own it is a container.
    for (const path of ['boot', 'marker', 'failed'])
      rmSync(join(root, path), { recursive: true, force: true })
    const machine = start(folder, '--hostname', 'initial', '-m', '512M', root)
    const { code } = await machine.ended
    const marker = readMarker(root)
    expect(marker?.programs[0]).toBe('/usr/lib/systemd/systemd')
    expect(marker?.kernel).toMatch(/-zmachine$/)
    expect(marker?.machine).toBe('initial')
    // Whatever udev calls the interface, what PID 1 gave it stays: 10.0.2.2.
    expect(marker?.gateway).toMatch(/^0202000A/)
    expect(marker && foreign(root, marker)).toEqual([])
    expect(failedUnits(root)).toEqual([])
    expect(code).toBe(0)
  })
})
