/** A disk image that boots by UEFI, made of a root directory without mounting anything: GPT, systemd-boot, ext4. */

import { realpathSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'

const MB = 1 << 20
const SECTOR = 512

/** In MB: where the partitions begin, and where the last one ends. Behind it is the table's copy. */
const [ESP, SYSTEM, END] = [1, 65, 765]

/** systemd-boot's files (Boot Loader Specification): the only entry, started at once. */
const LOADER = {
  'loader.conf': 'timeout 0\n',
  'debian.conf': `title Debian
linux /vmlinuz
initrd /initrd.img
options root=LABEL=system rw console=ttyS0
`,
}

/** Where the firmware looks on a disk that it knows nothing of (UEFI specification, 3.5.1.1). */
const FALLBACK = '::/EFI/BOOT/BOOTX64.EFI'

/** @param folder for what is in between */
export async function makeDiskImage(root: string, file: string, folder: string): Promise<void> {
  writeFileSync(file, '')
  truncateSync(file, (END + 1) * MB)
  await makePartitions(file)
  await makeEsp(root, file, folder)
  const options = ['-E', `offset=${SYSTEM * MB}`, '-L', 'system', '-d', root]
  await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-F', ...options, file, `${END - SYSTEM}M`])
}

async function makePartitions(file: string): Promise<void> {
  const partition = (start: number, end: number, type: string): string =>
    `start=${start}MiB, size=${end - start}MiB, type=${type}\n`
  const table = `label: gpt\n${partition(ESP, SYSTEM, 'uefi')}${partition(SYSTEM, END, 'linux')}`
  await run(needProgram('sfdisk', 'fdisk'), ['--quiet', file], { input: Buffer.from(table) })
}

async function makeEsp(root: string, file: string, folder: string): Promise<void> {
  const layout = ['-F', '16', '--offset', String((ESP * MB) / SECTOR)]
  const kilobytes = String(((SYSTEM - ESP) * MB) / 1024)
  await run(needProgram('mkfs.vfat', 'dosfstools'), [...layout, file, kilobytes])
  const image = ['-i', `${file}@@${ESP * MB}`]
  await run(needProgram('mmd', 'mtools'), [
    ...image,
    '::/EFI',
    '::/EFI/BOOT',
    '::/loader',
    '::/loader/entries',
  ])
  const copy = (from: string, to: string) => run(needProgram('mcopy', 'mtools'), [...image, from, to])
  await copy(join(root, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi'), FALLBACK)
  for (const name of ['vmlinuz', 'initrd.img'])
    await copy(realpathSync(join(root, 'boot', name)), `::/${name}`)
  for (const [name, text] of Object.entries(LOADER)) writeFileSync(join(folder, name), text)
  await copy(join(folder, 'loader.conf'), '::/loader')
  await copy(join(folder, 'debian.conf'), '::/loader/entries')
}

/** A file of the image's system; empty where there is none. */
export const readDiskImage = async (file: string, path: string): Promise<string> =>
  (
    await run(needProgram('debugfs', 'e2fsprogs'), ['-R', `cat ${path}`, `${file}?offset=${SYSTEM * MB}`])
  ).toString()
