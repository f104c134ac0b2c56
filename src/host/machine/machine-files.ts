/** The files that a machine of `zmachine run` is made of: made in a folder now, or by the commands of a shell script. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RootKind } from '../image/root-kind.ts'
import { commandLine } from '../lib/child.ts'
import { zlib } from '../lib/lazy.ts'
import type { Report } from '../lib/output.ts'
import { type DiskRequest, fillFirstDisk, prepareDisks, scriptDisks } from './disk-files.ts'
import { findFirmware, firmware, VARIABLES } from './firmware.ts'
import { type Kernel, ownKernel } from './kernels.ts'
import type { Disk, MachineOptions } from './options.ts'

export interface MachineFiles {
  /** The user's disks; a VM's image goes to the first of them. */
  disks(requests: readonly DiskRequest[], image?: string): Disk[]
  seed(image: Uint8Array): Disk
  firmware(): NonNullable<MachineOptions['firmware']>
  /** The kernel that an image brings. */
  kernel(kind: Extract<RootKind, { kind: 'kernel' }>): Kernel
}

export const createFiles = (folder: string, report: Report): MachineFiles => ({
  disks(requests, image) {
    const disks = prepareDisks(requests, folder, { blankFirst: image !== undefined })
    return image === undefined ? disks : fillFirstDisk(image, disks, folder, report)
  },
  seed(image) {
    const file = seedName(folder)
    writeFileSync(file, image)
    return { file, readOnly: true }
  },
  firmware: () => firmware(folder),
  kernel: (kind) => ownKernel(kind, folder, report),
})

const seedName = (folder: string): string => join(folder, 'seed.img')

export interface ScriptedFiles extends MachineFiles {
  /** The commands so far. */
  readonly commands: readonly string[]
}

export function scriptFiles(folder: string): ScriptedFiles {
  const commands: string[] = []
  const add = ([program = '', ...args]: readonly string[]): void =>
    void commands.push(commandLine(program, args))
  return {
    commands,
    disks(requests, image) {
      const { disks, commands } = scriptDisks(requests, folder, { blankFirst: image !== undefined })
      for (const command of commands) add(command)
      if (image === undefined) return disks
      const [first = { file: join(folder, 'image.raw') }, ...others] = disks
      if (disks.length === 0) add(['truncate', '-s', '0', first.file])
      // As fillFirstDisk: only to a disk that is empty.
      commandIfEmpty(first.file, ['dd', `if=${image}`, `of=${first.file}`, 'bs=4M', 'conv=notrunc,sparse'])
      return [first, ...others]
    },
    seed(image) {
      const file = seedName(folder)
      const text = zlib().gzipSync(image).toString('base64').replace(/.{76}/g, '$&\n')
      commands.push(`base64 -d <<'END' | gunzip >${commandLine(file, [])}\n${text}\nEND`)
      return { file, readOnly: true }
    },
    firmware() {
      const { code, template } = findFirmware()
      const variables = join(folder, VARIABLES)
      add(['cp', template, variables])
      return { code, variables }
    },
    // QEMU boots the compressed one as well.
    kernel: ({ kernel, initrd }) => ({ kernel, ...(initrd === undefined ? {} : { initramfs: initrd }) }),
  }

  function commandIfEmpty(file: string, [program = '', ...args]: readonly string[]): void {
    const start = commandLine('head', ['-c', '4M', file])
    commands.push(`test -n "$(${start} | tr -d '\\0' | head -c 1)" || ${commandLine(program, args)}`)
  }
}
