/** What PID 1 does, as data that prints itself. `boot/steps/` has a function for each kind. */

import { ROOT_FILES } from '../config/layers.ts'
import type { MachineConfig, Mode } from '../config/machine.ts'
import { type Cidr, type Family, formatCidr, formatIp, type Ip } from '../lib/ip.ts'
import { MS_RDONLY } from '../lib/mount-flags.ts'

/** A pseudo file system. */
export interface PseudoStep {
  readonly kind: 'pseudo'
  readonly source: string
  readonly target: string
  readonly type: string
  readonly flags: number
  readonly data: string
  /** Not in every kernel: it may be missing. */
  readonly optional: boolean
  /** Without it nothing works. */
  readonly needed?: boolean
  /** Directories that the root has below the target are made again in the mount: images bring /run/sshd and the like. */
  readonly keepsDirectories?: boolean
}

/** The file system that becomes `/`: awaited, and mounted in a directory of the initramfs. */
export interface RootStep {
  readonly kind: 'root'
  readonly source: string
  /** `auto`: probed. */
  readonly type: string
  readonly flags: number
  readonly data: string
  /** Seconds that the source may take to appear; from then on, disks and shares too. */
  readonly delay: number
}

/** Reads the seed, if a disk is labelled as one. */
export interface SeedStep {
  readonly kind: 'seed'
}

/** Makes the mounted root `/`, and adds what it lacks. */
export interface EnterStep {
  readonly kind: 'enter'
  /** Made if they are missing. */
  readonly directories: readonly string[]
  /** Where more will be mounted: a read-only root must have them. */
  readonly targets: readonly string[]
  /** What will be written: a read-only root must have them. */
  readonly files: readonly string[]
}

/** Reads the root's own configuration. */
export interface RootFilesStep {
  readonly kind: 'root-files'
}

export interface SymlinkStep {
  readonly kind: 'symlink'
  readonly path: string
  readonly target: string
}

export interface HostnameStep {
  readonly kind: 'hostname'
  readonly name: string
}

/** A NIC to bring up, with its addresses. */
export interface NicStep {
  readonly kind: 'nic'
  /** In the configuration; without a `mac`, the kernel's name as well. */
  readonly name: string
  /** Identifies the NIC, if given. */
  readonly mac: string | undefined
  /** Its new name. */
  readonly setName: string | undefined
  readonly mtu: number | undefined
  readonly dhcp4: boolean
  readonly addresses: readonly Cidr[]
}

export interface PlannedRoute {
  /** undefined: default */
  readonly destination: Cidr | undefined
  readonly family: Family
  readonly gateway: Ip | undefined
  readonly nic: string
  readonly metric: number | undefined
  /** The gateway is on the link, though no prefix covers it (RTNH_F_ONLINK). */
  readonly onLink: boolean
  /** Another route with the same destination and metric: added, not replacing the first. */
  readonly append: boolean
}

/** All NICs, then all routes. */
export interface NetworkStep {
  readonly kind: 'network'
  readonly nics: readonly NicStep[]
  readonly routes: readonly PlannedRoute[]
}

/** NICs that get their addresses by DHCP: requested by `ask`, awaited by `await` when everything else is done. */
export interface DhcpStep {
  readonly kind: 'dhcp'
  readonly stage: 'ask' | 'await'
  readonly nics: readonly string[]
  /** As configured; leases add to it. */
  readonly dns: MachineConfig['dns']
  readonly hostname: string | undefined
  readonly routes: readonly PlannedRoute[]
}

/** Makes SSH host keys if the image needs some, between `start` and `finish`. */
export interface HostKeysStep {
  readonly kind: 'host-keys'
  readonly stage: 'start' | 'finish'
}

/** Announces our addresses to the network, once the links have a carrier. */
export interface AnnounceStep {
  readonly kind: 'announce'
  readonly nics: readonly string[]
}

/** A user's disk or share. */
export interface MountStep {
  readonly kind: 'mount'
  readonly source: string
  readonly target: string
  /** `auto`: probed. */
  readonly type: string
  readonly flags: number
  readonly data: string
  readonly nofail: boolean
  /** Whether its file system is grown to its disk. */
  readonly grow: boolean
  readonly from: string
}

/**
 * A file's text; or a function that makes it from the present text (undefined if there is no file) and keeps what others
 * wrote.
 */
export type Content = string | ((present: string | undefined) => string)

export const contentOf = (content: Content, present: string | undefined): string =>
  typeof content === 'string' ? content : content(present)

/** A file of /etc, written if it differs. */
export interface FileStep {
  readonly kind: 'file'
  readonly path: string
  /** In words, for the plan and the timeline. */
  readonly purpose: () => string
  readonly content: Content
  /** Default 0644. */
  readonly mode?: number
  /** Of its directory, if that has to be made; default 0755. */
  readonly directoryMode?: number
}

/** Frees the initramfs' memory. */
export interface FreeStep {
  readonly kind: 'free-initramfs'
}

/** The last step: starts the entrypoint. */
export interface StartStep {
  readonly kind: 'start'
  /** A path, or a name to look for in PATH. */
  readonly init: string
  readonly args: readonly string[]
  /** `user[:group]`; undefined: root. */
  readonly user: string | undefined
  readonly cwd: string
  readonly mode: Mode
}

/** A step that `boot/run-steps.ts` runs. */
export type BootStep =
  | PseudoStep
  | RootStep
  | SeedStep
  | EnterStep
  | RootFilesStep
  | SymlinkStep
  | HostnameStep
  | NetworkStep
  | DhcpStep
  | HostKeysStep
  | AnnounceStep
  | MountStep
  | FileStep
  | FreeStep

export type Step = BootStep | StartStep

/** Whether a failure of this step ends the boot. An application must not write to the wrong disk. */
export function isFatal(step: Step, strict: boolean): boolean {
  switch (step.kind) {
    case 'root':
    case 'enter':
    case 'free-initramfs':
    case 'start':
      return true
    case 'pseudo':
      return strict || step.needed === true
    case 'mount':
      return strict || !step.nofail
    default:
      return strict
  }
}

/** One line, as the timeline and the plan show it. */
export function describe(step: Step): string {
  switch (step.kind) {
    case 'pseudo':
      return `mount ${step.target} (${step.type})`
    case 'root':
      return `mount ${step.source} on / (${step.type}${(step.flags & MS_RDONLY) === 0 ? '' : ', read-only'})`
    case 'seed':
      return 'read the seed'
    case 'enter':
      return 'change to the root'
    case 'root-files':
      return `read ${ROOT_FILES.join(', ')}`
    case 'symlink':
      return `link ${step.path} to ${step.target}`
    case 'hostname':
      return `hostname ${step.name}`
    case 'network':
      return `network ${['lo', ...step.nics.map(describeNic)].join(', ')}${countRoutes(step.routes.length)}`
    case 'dhcp':
      return `dhcp4 ${step.stage} ${step.nics.join(', ')}`
    case 'host-keys':
      return `SSH host keys ${step.stage}`
    case 'announce':
      return `announce ${step.nics.join(', ')}`
    case 'mount':
      return `mount ${step.source} on ${step.target} (${step.type})`
    case 'file':
      return `file ${step.path}: ${step.purpose()}`
    case 'free-initramfs':
      return 'free the initramfs'
    case 'start':
      return `start ${step.init}`
  }
}

const countRoutes = (count: number): string =>
  count === 0 ? '' : count === 1 ? ', 1 route' : `, ${count} routes`

/** `eth0 (52:54:00:12:34:56) 10.0.0.2/24 mtu 1400`. */
export function describeNic({ name, mac, setName, mtu, dhcp4, addresses }: NicStep): string {
  const text = [mac === undefined ? name : `${name} (${mac})`]
  if (setName !== undefined) text.push(`as ${setName}`)
  for (const cidr of addresses) text.push(formatCidr(cidr))
  if (dhcp4) text.push('dhcp4')
  if (mtu !== undefined) text.push(`mtu ${mtu}`)
  return text.join(' ')
}

/** `default via 10.0.0.1 dev eth0 onlink`, as ip-route(8) prints it. */
export function describeRoute(route: PlannedRoute): string {
  const { destination, gateway, nic, metric, onLink } = route
  return [
    destination === undefined ? 'default' : formatCidr(destination),
    gateway === undefined ? '' : ` via ${formatIp(gateway)}`,
    ` dev ${nic}`,
    metric === undefined ? '' : ` metric ${metric}`,
    onLink ? ' onlink' : '',
  ].join('')
}
