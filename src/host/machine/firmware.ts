/** Finds UEFI firmware for disk images: OVMF, as distributions package it. */

import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../lib/usage.ts'
import type { MachineOptions } from './options.ts'

/** Code and the variables that belong to it: Debian's, with 4 MB of flash and with 2 MB; Fedora's. */
const IMAGES: readonly (readonly [code: string, variables: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
]

/** The firmware of this computer, with a copy of its variables in a folder, since a machine writes to them. */
export function firmware(folder: string, images = IMAGES): NonNullable<MachineOptions['firmware']> {
  const { code, template } = findFirmware(images)
  const variables = join(folder, VARIABLES)
  copyFileSync(template, variables)
  return { code, variables }
}

/** The name of the copy. */
export const VARIABLES = 'variables.fd'

/** Where this computer has it: the code, and variables to copy. */
export function findFirmware(images = IMAGES): { readonly code: string; readonly template: string } {
  const found = images.find((files) => files.every((file) => existsSync(file)))
  if (found === undefined) {
    throw new UsageError(
      'this root is a disk image that boots with UEFI firmware, and this computer has none',
      'apt-get install ovmf',
    )
  }
  const [code, template] = found
  return { code, template }
}
