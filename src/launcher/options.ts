/** What a machine is made of, as data. */

import type { Accel } from './programs.ts'

export interface MachineOptions {
  /** A kernel that QEMU can load: a bzImage, or an ELF with a PVH entry. */
  readonly kernel: string
  readonly initramfs?: string
  /** Appended to what a zos host always passes; where a key comes twice, the guest takes the last one. */
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
  /** Seconds until the machine is killed; without it, it runs as long as it likes. */
  readonly timeout?: number
  /** A file that the serial log is written to as it comes. */
  readonly log?: string
  /** Anything else for QEMU's command line. */
  readonly qemuArgs?: readonly string[]
}

/** The root that the command line names: virtiofs as a zos host has it, 9p, or whatever `cmdline` says. */
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
  /** Enforced on the host's side, where the virtiofsd can (the one in Rust, from 1.11); else the mount must ask for it. */
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
  /** QEMU's user network (10.0.2.0/24, fec0::/64), cut off from everything but the forwards. */
  | { readonly kind: 'user'; readonly forwards?: readonly Forward[] }
  /** A hub inside this QEMU: NICs with the same number see each other and nothing else. */
  | { readonly kind: 'hub'; readonly hub: number }

/** A port of the guest, made reachable on the host's 127.0.0.1. */
export interface Forward {
  readonly protocol: 'tcp' | 'udp'
  readonly hostPort: number
  readonly guestPort: number
}
