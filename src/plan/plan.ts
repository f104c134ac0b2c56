/** Makes the steps of a boot from the configuration. Pure. */

import type { Layer, MachineConfig, MountConfig, NicConfig } from '../config/machine.ts'
import { DEFAULT_ROOT } from '../config/merge.ts'
import { parseMountOptions } from '../config/mount-options.ts'
import { formatIp, type Ip, isIpv6 } from '../lib/ip.ts'
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME } from '../lib/mount-flags.ts'
import { brief } from '../lib/text.ts'
import { renderAuthorizedKeys } from './authorized-keys.ts'
import { renderHosts } from './hosts.ts'
import { renderResolvConf } from './resolv-conf.ts'
import { planRoutes } from './routes.ts'
import type {
  BootStep,
  FileStep,
  MountStep,
  NetworkStep,
  NicStep,
  PseudoStep,
  RootStep,
  StartStep,
} from './step.ts'

const pseudo = (target: string, type: string, flags: number, data: string, optional = false): PseudoStep => ({
  kind: 'pseudo',
  source: type,
  target,
  type,
  flags,
  data,
  optional,
})

const SEALED = MS_NOSUID | MS_NODEV | MS_NOEXEC

/** Mounted before anything else, in the initramfs, and moved into the root. Flags are those of systemd's mount-setup.c. */
export const EARLY_MOUNTS: readonly PseudoStep[] = [
  { ...pseudo('/proc', 'proc', SEALED, ''), needed: true },
  { ...pseudo('/sys', 'sysfs', SEALED, ''), needed: true },
  {
    ...pseudo('/dev', 'devtmpfs', MS_NOSUID | MS_STRICTATIME, 'mode=0755,size=4m,nr_inodes=64k'),
    needed: true,
  },
]

/** The rest, mounted in the root. Group 5 is `tty` in every distribution; the kernel doesn't look it up. */
const LATE_MOUNTS: readonly PseudoStep[] = [
  pseudo('/dev/pts', 'devpts', MS_NOSUID | MS_NOEXEC, 'mode=0620,gid=5,ptmxmode=0666'),
  pseudo('/dev/shm', 'tmpfs', MS_NOSUID | MS_NODEV | MS_STRICTATIME, 'mode=01777'),
  pseudo('/dev/mqueue', 'mqueue', SEALED, '', true),
  {
    ...pseudo('/run', 'tmpfs', MS_NOSUID | MS_NODEV | MS_STRICTATIME, 'mode=0755,size=20%,nr_inodes=800k'),
    keepsDirectories: true,
  },
  pseudo('/sys/fs/cgroup', 'cgroup2', SEALED, 'nsdelegate,memory_recursiveprot', true),
]

/** Directories that a root needs: mount points, and those of files we write. */
export const NEEDED_DIRECTORIES: readonly string[] = ['/proc', '/sys', '/dev', '/run', '/etc', '/tmp']

/** Files that are written at each boot. */
const NEEDED_FILES: readonly string[] = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf']

/** root's SSH keys. */
export const AUTHORIZED_KEYS = '/root/.ssh/authorized_keys'

const DEV_LINKS: readonly (readonly [path: string, target: string])[] = [
  ['/dev/fd', '/proc/self/fd'],
  ['/dev/stdin', '/proc/self/fd/0'],
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
  // A device node would belong to another instance of devpts than the one mounted.
  ['/dev/ptmx', 'pts/ptmx'],
]

/** Where sshd looks for its host keys. */
const HOST_KEYS = '/etc/ssh'

/**
 * A boot is planned in stages, as each has to be done to know the next: EARLY_MOUNTS, to read the command line; this, once
 * the command line is known; `planEntry`, once the seed is known too; `plan`, once the root's files are.
 */
export function planRoot({ root: given }: Layer): readonly BootStep[] {
  const { source, type, options, readOnly, delay } = { ...DEFAULT_ROOT, ...given }
  const { flags, data } = parseMountOptions(options)
  const root: RootStep = {
    kind: 'root',
    source,
    type: type ?? 'auto',
    flags: readOnly ? flags | MS_RDONLY : flags,
    data,
    delay,
  }
  // After the root, which may have been awaited: a seed that appears late is there by then too.
  return [root, { kind: 'seed' }]
}

/** @param config what the host says, without the root's files */
export const planEntry = ({ mounts, authorizedKeys }: MachineConfig): readonly BootStep[] => [
  {
    kind: 'enter',
    directories: NEEDED_DIRECTORIES,
    targets: mounts.map(({ target }) => target),
    files: authorizedKeys.length > 0 ? [...NEEDED_FILES, AUTHORIZED_KEYS] : NEEDED_FILES,
  },
  { kind: 'root-files' },
]

export interface Plan {
  /** In the root, in this order. */
  readonly steps: readonly BootStep[]
  /** After all of them. */
  readonly start: StartStep
  /** What can't be done, in words; the machine boots without it. */
  readonly problems: readonly string[]
  /** Why PID 1 refuses to boot, in words: it would be pointless or dangerous. */
  readonly refusals: readonly string[]
}

export function plan(config: MachineConfig): Plan {
  const { routes, problems } = planRoutes(config)
  const refusals: string[] = []
  const steps: BootStep[] = [
    ...LATE_MOUNTS,
    ...DEV_LINKS.map(([path, target]) => ({ kind: 'symlink', path, target }) as const),
  ]
  if (config.hostname !== undefined) steps.push({ kind: 'hostname', name: config.hostname })
  const network: NetworkStep = {
    kind: 'network',
    nics: config.nics.map(planNic),
    routes,
  }
  steps.push(network)
  const dhcp = config.nics.filter(({ dhcp4 }) => dhcp4 === true).map(({ name }) => name)
  const lease = { kind: 'dhcp', nics: dhcp, dns: config.dns, hostname: config.hostname, routes } as const
  if (dhcp.length > 0) steps.push({ ...lease, stage: 'ask' })
  // In parallel with the mounts, unless one of them holds the keys.
  const keysAreMounted = config.mounts.some(
    ({ target }) => HOST_KEYS.startsWith(target) || target.startsWith(HOST_KEYS),
  )
  if (!keysAreMounted) steps.push({ kind: 'host-keys', stage: 'start' })
  for (const mount of sortMounts(config.mounts)) {
    const step = planMount(mount)
    if (typeof step === 'string') refusals.push(step)
    else if (step !== undefined) steps.push(step)
  }
  if (keysAreMounted) steps.push({ kind: 'host-keys', stage: 'start' })
  for (const step of planFiles(config)) steps.push(step)
  // By now servers have answered, keys are made, and links have a carrier.
  if (dhcp.length > 0) steps.push({ ...lease, stage: 'await' })
  steps.push({ kind: 'host-keys', stage: 'finish' })
  const announced = config.nics.filter(({ addresses }) => addresses.length > 0).map(({ name }) => name)
  if (announced.length > 0) steps.push({ kind: 'announce', nics: announced })
  steps.push({ kind: 'free-initramfs' })
  const { user, cwd, mode } = config.settings
  const start: StartStep = { kind: 'start', init: config.init, args: config.args, user, cwd, mode }
  return { steps, start, problems, refusals }
}

const planNic = ({ name, mac, setName, mtu, dhcp4, addresses }: NicConfig): NicStep => ({
  kind: 'nic',
  name,
  mac,
  setName,
  mtu,
  dhcp4: dhcp4 === true,
  addresses,
})

/** Sorts parents before children; otherwise keeps the order. */
export function sortMounts(mounts: readonly MountConfig[]): MountConfig[] {
  const depth = ({ target }: MountConfig): number => target.split('/').length
  return [...mounts].sort((a, b) => depth(a) - depth(b))
}

/** A step, a refusal in words, or undefined if it isn't mounted at boot. */
function planMount(mount: MountConfig): MountStep | string | undefined {
  const { flags, data, nofail, noauto, grow } = parseMountOptions(mount.options)
  if (noauto) return undefined
  const { source, target, type, from } = mount
  if (target === '') {
    return nofail
      ? undefined
      : `${brief(source)} has no usable mount target (${from}); mounting it elsewhere would lose its data`
  }
  return { kind: 'mount', source, target, type, flags, data, nofail, grow, from }
}

/** The machine's address in /etc/hosts: the first IPv4 one, or else the first. */
function ownAddress({ nics }: MachineConfig): Ip | undefined {
  let first: Ip | undefined
  for (const { addresses } of nics) {
    for (const { address } of addresses) {
      if (!isIpv6(address)) return address
      first ??= address
    }
  }
  return first
}

function planFiles(config: MachineConfig): FileStep[] {
  const steps: FileStep[] = []
  const { hostname, dns } = config
  if (hostname !== undefined) {
    steps.push({
      kind: 'file',
      path: '/etc/hostname',
      purpose: () => hostname,
      content: `${hostname}\n`,
    })
  }
  const address = ownAddress(config)
  steps.push({
    kind: 'file',
    path: '/etc/hosts',
    purpose: () => `localhost${hostname === undefined ? '' : ` and ${hostname}`}`,
    content: (present) =>
      renderHosts(present, hostname, address === undefined ? '127.0.1.1' : formatIp(address)),
  })
  if (dns.servers.length > 0 || dns.search.length > 0) {
    steps.push({
      kind: 'file',
      path: '/etc/resolv.conf',
      purpose: () => `name servers ${dns.servers.map(formatIp).join(', ')}`,
      content: renderResolvConf(dns),
    })
  }
  const { authorizedKeys } = config
  if (authorizedKeys.length > 0) {
    steps.push({
      kind: 'file',
      path: AUTHORIZED_KEYS,
      purpose: () =>
        authorizedKeys.length === 1 ? '1 SSH key for root' : `${authorizedKeys.length} SSH keys for root`,
      content: (present) => renderAuthorizedKeys(present, authorizedKeys),
      mode: 0o600,
      directoryMode: 0o700,
    })
  }
  return steps
}
