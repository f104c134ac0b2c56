/** Describes a machine as data. */

import type { LogFile } from '../console/log-file.ts'
import type { Accel } from '../lib/programs.ts'

export interface MachineOptions {
  /** A kernel that QEMU can load: a bzImage, or an ELF with a PVH entry. Without it, the firmware boots from a disk. */
  readonly kernel?: string
  readonly initramfs?: string
  /** UEFI firmware for a machine without `kernel`; a 4 MB or 2 MB image of OVMF's, and a copy of its variables to write to. */
  readonly firmware?: { readonly code: string; readonly variables: string }
  /** Appended to what a zos host always passes; the guest takes the last one of a repeated key. */
  readonly cmdline?: string
  readonly root?: Root
  /** virtiofs shares, one virtiofsd each. */
  readonly shares?: readonly Share[]
  /** virtio-blk disks in the guest's order: vda, vdb, … */
  readonly disks?: readonly Disk[]
  /** virtio-net NICs in the guest's order: eth0, eth1, … */
  readonly nics?: readonly Nic[]
  /** Default 256. */
  readonly memoryMB?: number
  /** Default 1. */
  readonly cpus?: number
  /** Default `tcg`. */
  readonly accel?: Accel
  /** Whether a reset restarts the machine, as on a zos host, or ends it. Default false. */
  readonly resets?: boolean
  /** Seconds until the machine is killed. Default: never. */
  readonly timeout?: number
  /** Whether `Machine.resize` can set the size of the console's terminal. */
  readonly window?: boolean
  /** Files that the serial log is written to as it comes. */
  readonly log?: string | LogFile | readonly (string | LogFile)[]
  /** Called with warnings, such as a log that can't be written. */
  readonly warn?: (text: string) => void
  /** How many bytes of the console are kept in memory, the newest. Default 16 MB. */
  readonly consoleLimit?: number
  /** Further arguments for QEMU. */
  readonly qemuArgs?: readonly string[]
}

/** The root file system: virtiofs as on a zos host, 9p, or what `cmdline` says. */
export type Root =
  | {
      readonly kind: 'virtiofs'
      readonly directory: string
      readonly tag?: string
      readonly readOnly?: boolean
    }
  | { readonly kind: '9p'; readonly directory: string; readonly tag?: string; readonly readOnly?: boolean }
  | { readonly kind: 'none' }

export interface Share {
  readonly tag: string
  readonly directory: string
  /** Enforced on the host: the guest can't write, whatever it does. */
  readonly readOnly?: boolean
}

export interface Disk {
  /** A raw image. */
  readonly file: string
  readonly readOnly?: boolean
  readonly serial?: string
}

export interface Nic {
  /** Default `52:54:00:00:00:01`, `…:02` and so on. */
  readonly mac?: string
  readonly backend: Backend
  /** A pcap file of every frame, in both directions. */
  readonly capture?: string
}

export type Backend =
  /** QEMU's user network (10.0.2.0/24, fec0::/64), cut off from everything but the forwards unless `outbound` is set. */
  | {
      readonly kind: 'user'
      readonly forwards?: readonly Forward[]
      readonly outbound?: boolean
      /** Another IPv4 network than 10.0.2.0/24: a CIDR, the guest's address in it, and what the guest finds there. */
      readonly ipv4?: {
        readonly network: string
        readonly guest: string
        readonly gateway: string
        readonly dns: string
      }
    }
  /** A hub inside this QEMU: NICs with the same number see each other and nothing else. */
  | { readonly kind: 'hub'; readonly hub: number }
  /** An existing tap interface of the host that this user may use. */
  | { readonly kind: 'tap'; readonly interface: string }

/** A port of the guest that is reachable on the host. */
export interface Forward {
  readonly protocol: 'tcp' | 'udp'
  /** Default 127.0.0.1. */
  readonly hostAddress?: string
  readonly hostPort: number
  readonly guestPort: number
}
