/** The types of a machine's configuration: what parsers produce and the plan consumes. Plain data, byte strings. */

import type { Cidr, Family, Ip } from '../lib/ip.ts'

/** The file system that becomes `/`. */
export interface RootConfig {
  /** A virtiofs or 9p tag, or a block device: `/dev/vdX`, `LABEL=…`, `UUID=…`. */
  readonly source: string
  /** `virtiofs`, `9p`, `ext4`, …; undefined: probed. */
  readonly type: string | undefined
  /** As mount(8) takes them, comma-separated. */
  readonly options: string
  readonly readOnly: boolean
  /** Seconds to wait for the source to appear; also for disks and shares. */
  readonly delay: number
}

export interface MountConfig {
  /** `/dev/vda`, `LABEL=…`, `UUID=…`, or a virtiofs tag. */
  readonly source: string
  /** Absolute, inside the root. */
  readonly target: string
  /** `auto`, `virtiofs`, `ext4`, … */
  readonly type: string
  /** As in the fourth field of fstab(5). */
  readonly options: string
  /** Which source asked for it, for diagnostics. */
  readonly from: string
}

export interface RouteConfig {
  /** undefined: the default route of its family. */
  readonly destination: Cidr | undefined
  readonly family: Family
  /** At least one of gateway and nic is set, except in a NIC's own list of routes. */
  readonly gateway: Ip | undefined
  readonly nic: string | undefined
  readonly metric: number | undefined
  readonly onLink: boolean
}

export interface NicConfig {
  /** Its name in the configuration: `eth0`; without a `mac`, the kernel's name. */
  readonly name: string
  /** In lower case with colons. If set, the NIC is found by it and not by its name. */
  readonly mac?: string
  /** The name to give it. */
  readonly setName?: string
  readonly mtu?: number
  /** Whether to get an address, routes and name servers by DHCPv4. */
  readonly dhcp4?: boolean
  readonly addresses: readonly Cidr[]
}

export type Mode = 'auto' | 'supervise' | 'exec'
export type ExitPolicy = 'reboot' | 'poweroff' | 'halt' | 'restart'
export type LogLevel = 'info' | 'quiet' | 'debug'

/** The `zmachine.*` keys, except for the environment. */
export interface Settings {
  readonly mode: Mode
  readonly onExit: ExitPolicy
  /** Seconds between TERM and KILL at a stop. */
  readonly grace: number
  readonly user: string | undefined
  readonly cwd: string
  readonly strict: boolean
  readonly log: LogLevel
  readonly timeline: boolean
  /** Bytes of a log file in the root before it is rotated. */
  readonly logFile: number | undefined
  readonly shell: boolean
  /** The TCP port of the engine's debugger. */
  readonly inspect: number | undefined
}

export interface MachineConfig {
  readonly root: RootConfig
  readonly hostname: string | undefined
  readonly nics: readonly NicConfig[]
  readonly routes: readonly RouteConfig[]
  readonly dns: { readonly servers: readonly Ip[]; readonly search: readonly string[] }
  readonly mounts: readonly MountConfig[]
  readonly environment: ReadonlyMap<string, string>
  readonly init: string
  readonly args: readonly string[]
  readonly settings: Settings
  readonly authorizedKeys: readonly string[]
  /**
   * Which source decided a value: `hostname`, `init`, `env.PATH`, `settings.mode`, `mount./data`, `nic.eth0`.
   * A value without an entry is a built-in default.
   */
  readonly origins: ReadonlyMap<string, string>
}

/**
 * What one source says. It leaves out what it does not mention, so that a weaker source shows through:
 * built-in default < /etc/environment < /.startup.toml < /.zosrc < kernel command line < seed.
 */
export interface Layer {
  /** `kernel command line`, `/.zosrc`, … */
  readonly source: string
  readonly root?: Partial<RootConfig>
  readonly hostname?: string
  readonly nics?: readonly NicConfig[]
  readonly routes?: readonly RouteConfig[]
  readonly nameServers?: readonly Ip[]
  readonly searchDomains?: readonly string[]
  readonly mounts?: readonly MountConfig[]
  readonly environment?: ReadonlyMap<string, string>
  readonly init?: string
  readonly args?: readonly string[]
  readonly settings?: Partial<Settings>
  /** For root's authorized_keys; only a seed has them. */
  readonly authorizedKeys?: readonly string[]
}
