/** The programs a machine is made of: found on this computer, or named in an error that says what to install. */

import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The first executable of the candidates: an absolute path as it is, a bare name along `PATH`. */
export function findProgram(...candidates: readonly string[]): string | undefined {
  const { PATH = '' } = process.env
  const folders = PATH.split(delimiter).filter((folder) => folder !== '')
  // A user's PATH on Debian has no sbin folders, where mkfs and the like live.
  folders.push('/usr/local/sbin', '/usr/sbin', '/sbin')
  return candidates
    .flatMap((name) => (name.includes('/') ? [name] : folders.map((folder) => join(folder, name))))
    .find(isExecutable)
}

/** Like findProgram, or an error with the Debian package that brings the program. */
export function needProgram(name: string, debianPackage: string): string {
  const found = findProgram(name)
  if (found === undefined) {
    throw new Error(`${name} is not installed\n  what to do: apt-get install ${debianPackage}`)
  }
  return found
}

export interface Virtiofsd {
  readonly path: string
  /** QEMU's own, in C (Debian 12), or its successor in Rust (Debian 13): their options differ. */
  readonly kind: 'c' | 'rust'
}

/** Either virtiofsd, the maintained one first. */
export function findVirtiofsd(): Virtiofsd {
  const rust = findProgram('/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', 'virtiofsd')
  if (rust !== undefined) return { path: rust, kind: 'rust' }
  const c = findProgram('/usr/lib/qemu/virtiofsd', '/usr/libexec/qemu/virtiofsd')
  if (c !== undefined) return { path: c, kind: 'c' }
  throw new Error(
    'virtiofsd is not installed\n' +
      '  what to do: apt-get install qemu-system-common (Debian 12) or apt-get install virtiofsd (Debian 13)',
  )
}

export type Accel = 'tcg' | 'kvm' | 'auto'

/**
 * `auto` takes KVM only where the processor's own virtualisation module is loaded: other providers of /dev/kvm
 * (kvm_pvm, say) are known to hang stock kernels.
 */
export function chooseAccel(wanted: Accel): 'tcg' | 'kvm' {
  if (wanted !== 'auto') return wanted
  const hardware = existsSync('/sys/module/kvm_intel') || existsSync('/sys/module/kvm_amd')
  return hardware && mayOpen('/dev/kvm') ? 'kvm' : 'tcg'
}

const isExecutable = (path: string): boolean => mayAccess(path, constants.X_OK)
const mayOpen = (path: string): boolean => mayAccess(path, constants.R_OK | constants.W_OK)

function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
