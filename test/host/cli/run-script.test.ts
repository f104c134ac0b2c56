import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { formatScript } from '../../../src/host/cli/run-script.ts'
import { scriptFiles } from '../../../src/host/machine/machine-files.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()

/** With programs in the place of QEMU's and virtiofsd's. */
function runScript(name: string, qemu: readonly string[], image?: string) {
  const own = join(folder, name, 'it’s')
  const files = scriptFiles(own)
  mkdirSync(join(folder, name))
  const disk = { source: { bytes: 16 << 20 }, target: '/d', type: 'auto', options: 'defaults' }
  const disks = files.disks([disk], image)
  const seed = files.seed(Buffer.from('the seed'.repeat(1000)))
  const socket = join(own, '0.socket')
  const listen = `require('net').createServer().listen(${JSON.stringify(socket)}); setTimeout(() => {}, 60000)`
  const script = formatScript({
    folder: own,
    preparation: files.commands,
    commands: { servers: [{ command: [process.execPath, '-e', listen], socket }], qemu },
    seed: { 'meta-data': '', 'network-config': '', 'user-data': '', zosrc: "export A='1'\n" },
  })
  const ran = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  return { script, ran, own, disks, seed, socket }
}

test('the script makes the files, starts the servers first, and leaves nothing behind', () => {
  const copy = join(folder, 'copy')
  const inside = `test -S "$1" && cp "$2" ${copy} && blkid "$3" && exit 7`
  const name = join(folder, 'a/it’s')
  const qemu = ['sh', '-c', inside, 'sh', `${name}/0.socket`, `${name}/seed.img`, `${name}/disk0.raw`]
  const { script, ran, own, disks, seed } = runScript('a', qemu)
  expect([ran.status, ran.stderr]).toEqual([7, ''])
  expect(ran.stdout).toContain('TYPE="ext4"')
  expect(readFileSync(copy, 'utf8')).toBe('the seed'.repeat(1000))
  expect([disks, seed]).toEqual([[{ file: `${own}/disk0.raw` }], { file: `${own}/seed.img`, readOnly: true }])
  expect(existsSync(own)).toBe(false)
  expect(script).toContain("# seed/zosrc\n#   export A='1'\n")
})

test('a VM’s image is copied to its disk', () => {
  const image = join(folder, 'image.raw')
  writeFileSync(image, 'an image')
  const disk = join(folder, 'b/it’s/disk0.raw')
  const { ran } = runScript('b', ['head', '-c', '8', disk], image)
  expect([ran.status, ran.stdout]).toEqual([0, 'an image'])
})
