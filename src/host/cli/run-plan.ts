/** Turns a request into a machine's configuration: kernel command line, seed, NICs and shares. Pure. */

import { formatCidr, network as networkOf, parseCidr, parseIp } from '../../lib/ip.ts'
import { shellWord } from '../../lib/shell.ts'
import type { RootKind } from '../image/root-kind.ts'
import type { Startup } from '../image/startup-toml.ts'
import { fromByteText } from '../lib/byte-text.ts'
import { UsageError } from '../lib/usage.ts'
import type { Backend, Nic, Share } from '../machine/options.ts'
import { defaultMac } from '../machine/qemu.ts'
import { encodeCmdline, encodeRawInit } from '../seed/encode-cmdline.ts'
import {
  type EncodedSeed,
  encodeSeed,
  type SeedData,
  type SeedMount,
  type SeedNic,
} from '../seed/encode-seed.ts'
import type { RunRequest } from './run-options.ts'

/** What this computer adds to the request. */
export interface Facts {
  readonly kind: RootKind['kind']
  readonly startup: Startup | undefined
  /** Variables of the options and their files. */
  readonly environment: ReadonlyMap<string, string>
  readonly sshKeys: readonly string[]
  /** Default: the name of the root. */
  readonly hostname: string
}

export interface Configuration {
  /** After the host's own keys. */
  readonly cmdline: string
  /** The files of the seed disk, which is the last one; undefined where all is on the command line. */
  readonly seed: EncodedSeed | undefined
  readonly shares: readonly Share[]
  readonly nics: readonly Nic[]
}

/** The defaults of QEMU's user network (`-netdev user`, qemu(1)). */
const USER_NETWORK = { address: '10.0.2.15/24', gateway: '10.0.2.2', dns: '10.0.2.3' }

export function configurationOf(request: RunRequest, facts: Facts): Configuration {
  const entrypoint = entrypointOf(request)
  const environment = environmentOf(facts)
  const hostname = request.hostname ?? facts.hostname
  const volumes = request.volumes.map((volume, at) => ({ ...volume, tag: `volume${at}` }))
  const network = networkFor(request)
  const common = {
    cmdline: settings(request, facts),
    shares: volumes.map(({ tag, directory, readOnly }) => ({ tag, directory, readOnly })),
    nics: network === undefined ? [] : [{ backend: network.backend }],
  }
  const mounts: SeedMount[] = [
    ...request.disks.flatMap(({ target, type, options }, at) =>
      target === undefined ? [] : [{ source: `/dev/${diskName(at)}`, target, type, options }],
    ),
    ...volumes.map(({ tag, target, readOnly }) => ({
      source: tag,
      target,
      type: 'virtiofs',
      options: readOnly ? 'ro' : 'defaults',
    })),
  ]
  if (request.protocol === 'cmdline') {
    const line = asCommandLine(request, { entrypoint, environment, hostname, mounts, network })
    return { ...common, cmdline: `${common.cmdline} ${line}`, seed: undefined }
  }
  const data: SeedData = {
    instanceId: `zmachine-${hostname}`,
    hostname,
    nics: network === undefined ? [] : [network.nic],
    mounts,
    authorizedKeys: facts.sshKeys,
    environment,
    ...(entrypoint === undefined ? {} : { entrypoint }),
  }
  const cmdline = [common.cmdline, ...rawInit(entrypoint, facts)].filter((part) => part !== '').join(' ')
  return { ...common, cmdline, seed: carried(() => encodeSeed(data)) }
}

/**
 * A kernel of the root's own gets the deployment's entrypoint on its command line as well, not split (prepContainer of
 * zosbase, pkg/primitives/vm/utils.go). Last, since its quotes and `--` change the meaning of what follows.
 */
function rawInit(entrypoint: Entrypoint | undefined, { kind }: Facts): string[] {
  if (kind !== 'kernel' || entrypoint === undefined) return []
  const words = [entrypoint.init, ...entrypoint.args]
  return [carried(() => encodeRawInit(words.map(shellWord).join(' ')))]
}

/** vda, vdb, … vdz, vdaa, … (sd_format_disk_name of the kernel's drivers, virtio_blk.c has the same). */
function diskName(at: number): string {
  const letters = (index: number): string =>
    (index < 26 ? '' : letters(Math.floor(index / 26) - 1)) + String.fromCharCode(0x61 + (index % 26))
  return `vd${letters(at)}`
}

/** PID 1's settings, which a seed can't carry, and the user's --cmdline. */
function settings(request: RunRequest, { kind }: Facts): string {
  if (kind !== 'container') {
    refuseUnused(request, kind)
    return request.cmdline
  }
  const loud = request.verbose ? '' : 'quiet zmachine.log=quiet'
  const line = carried(() =>
    encodeCmdline({
      settings: {
        onExit: 'poweroff',
        ...(request.user === undefined ? {} : { user: request.user }),
        ...(request.directory === undefined ? {} : { cwd: request.directory }),
      },
    }),
  )
  // printk.time: a fault prints the kernel's messages even if they are kept quiet. The timeline comes after the user's
  // keys, so that nothing switches it off: by its last line `run-screen.ts` knows that the entrypoint starts.
  const parts = ['printk.time=1', loud, line, request.cmdline, 'zmachine.timeline']
  return parts.filter((part) => part !== '').join(' ')
}

/** Refuses options that would have no effect on a root with a system of its own. */
function refuseUnused(request: RunRequest, kind: 'kernel' | 'vm'): void {
  const options: readonly (readonly [name: string, given: boolean])[] = [
    ['--pid1 node', request.pid1 === 'node'],
    ['--user', request.user !== undefined],
    ['--workdir', request.directory !== undefined],
    ...(kind === 'kernel'
      ? []
      : ([
          ['--kernel', request.kernel !== undefined],
          ['--initramfs', request.initramfs !== undefined],
          ['--cmdline', request.cmdline !== ''],
          ['--protocol cmdline', request.protocol === 'cmdline'],
          ['--read-only', request.readOnly],
        ] as const)),
  ]
  const unused = options.flatMap(([name, given]) => (given ? [name] : []))
  if (unused.length === 0) return
  const what = kind === 'vm' ? 'is a disk image that boots by itself' : 'brings its own kernel and init'
  throw new UsageError(
    `this root ${what}: ${unused.join(', ')} would have no effect`,
    kind === 'kernel'
      ? 'if it carries ours (zmachine adopt): -e ZMACHINE_USER=... and -e ZMACHINE_CWD=...'
      : undefined,
  )
}

interface Entrypoint {
  readonly init: string
  readonly args: readonly string[]
}

/** From the options; undefined leaves it to PID 1, which reads /.startup.toml as well: a host takes only variables out of it. */
function entrypointOf({ entrypoint, args }: RunRequest): Entrypoint | undefined {
  if (entrypoint !== undefined) return { init: entrypoint, args }
  const [init, ...rest] = args
  return init === undefined ? undefined : { init, args: rest }
}

/** The options' variables override those of /.startup.toml. */
function environmentOf({ startup, environment }: Facts): ReadonlyMap<string, string> {
  const ofRoot = [...(startup?.environment ?? [])].map(
    ([name, value]) => [decode(name), decode(value)] as const,
  )
  return new Map([...ofRoot, ...environment])
}

/** TOML is UTF-8, so it can always be decoded. */
const decode = (text: string): string => fromByteText(text) ?? text

interface Network {
  readonly backend: Backend
  readonly nic: SeedNic
}

function networkFor(request: RunRequest): Network | undefined {
  const { network, forwards, addresses, gateways, nameservers } = request
  if (network.kind === 'none') return undefined
  const gateway4 = gateways.find((address) => !address.includes(':'))
  const gateway6 = gateways.find((address) => address.includes(':'))
  const nic = { name: 'eth0', mac: defaultMac(0), nameservers }
  const routed = {
    ...(gateway4 === undefined ? {} : { gateway4 }),
    ...(gateway6 === undefined ? {} : { gateway6 }),
  }
  if (network.kind === 'tap') {
    const dhcp = addresses.length === 0 ? { dhcp4: true } : {}
    return {
      backend: { kind: 'tap', interface: network.interface },
      nic: { ...nic, addresses, ...routed, ...dhcp },
    }
  }
  const own = addresses.find((address) => !address.includes(':'))
  const ipv4 = own === undefined ? undefined : userNetwork(own, gateway4, nameservers[0])
  const { address, gateway, dns } = ipv4 ?? USER_NETWORK
  return {
    backend: {
      kind: 'user',
      outbound: network.outbound,
      forwards,
      ...(ipv4 === undefined ? {} : { ipv4: { network: ipv4.network, guest: ipv4.guest, gateway, dns } }),
    },
    nic: {
      ...nic,
      addresses: own === undefined ? [address, ...addresses] : addresses,
      gateway4: gateway,
      ...(gateway6 === undefined ? {} : { gateway6 }),
      nameservers: nameservers.length > 0 ? nameservers : [dns],
    },
  }
}

/**
 * QEMU's user network around an address of the user's choice. Its gateway and name server are in the same network;
 * if they are not given, they get the first free addresses.
 */
function userNetwork(address: string, gateway: string | undefined, dns: string | undefined) {
  const cidr = parseCidr(address)
  if (cidr === undefined || cidr.prefix < 4 || cidr.prefix > 29) {
    throw new UsageError(
      `--ip ${address}: QEMU's user network needs room for a gateway and a name server`,
      'a prefix from /4 to /29, or --network tap=IFACE',
    )
  }
  const base = networkOf(cidr)
  const guest = formatHost(cidr.address)
  // A name server elsewhere is reached through the gateway; QEMU's own must be in the network.
  const isNear = dns !== undefined && sameNetwork(dns, cidr.prefix, base.address)
  if (gateway !== undefined && !sameNetwork(gateway, cidr.prefix, base.address)) {
    throw new UsageError(
      `--gateway ${gateway} is not in the network of --ip ${address}, and QEMU's user network has it there`,
      'leave --gateway out, or --network tap=IFACE',
    )
  }
  const named = [guest, ...(gateway === undefined ? [] : [gateway]), ...(isNear ? [dns] : [])]
  if (new Set(named).size < named.length) {
    throw new UsageError(
      `QEMU's user network needs three addresses for --ip, --gateway and --dns: ${named.join(', ')}`,
    )
  }
  const taken = [...named]
  const free = (): string => {
    for (let host = 1; ; host++) {
      const bytes = Uint8Array.from(base.address)
      bytes[3] = (bytes[3] ?? 0) + host
      const text = formatHost(bytes)
      if (taken.includes(text)) continue
      taken.push(text)
      return text
    }
  }
  const via = gateway ?? free()
  const resolver = isNear ? dns : free()
  return { address, guest, network: formatCidr(base), gateway: via, dns: resolver }
}

const formatHost = (address: Uint8Array): string => [...address].join('.')

function sameNetwork(text: string, prefix: number, base: Uint8Array): boolean {
  const address = parseIp(text)
  if (address === undefined || address.length !== 4) return false
  return formatHost(networkOf({ address, prefix }).address) === formatHost(base)
}

interface Parts {
  readonly entrypoint: Entrypoint | undefined
  readonly environment: ReadonlyMap<string, string>
  readonly hostname: string
  readonly mounts: readonly SeedMount[]
  readonly network: Network | undefined
}

/** The same on the command line, as older hosts pass it. What it has no key for is refused. */
function asCommandLine(request: RunRequest, parts: Parts): string {
  const { entrypoint, environment, hostname, mounts, network } = parts
  const cannot = (what: string): never => {
    throw new UsageError(`--protocol cmdline has no key for ${what}`, 'leave --protocol out: a seed has')
  }
  if (request.sshKeys.length > 0) cannot('--ssh-key')
  if (network?.nic.dhcp4 === true) cannot('DHCP; give --ip')
  for (const { target, type = 'auto', options = 'defaults' } of mounts) {
    // Read-only is enforced on this side.
    if (type === 'virtiofs') continue
    if (options !== 'defaults') cannot(`the options ${options} of ${target}`)
    if (type !== 'auto') cannot(`the type ${type} of ${target}`)
  }
  const { nic } = network ?? {}
  const routes = [nic?.gateway4, nic?.gateway6].flatMap((via) =>
    via === undefined ? [] : [{ to: 'default', via }],
  )
  return carried(() =>
    encodeCmdline({
      hostname,
      environment,
      nics: nic === undefined ? [] : [{ name: nic.name, addresses: nic.addresses }],
      routes,
      nameservers: nic?.nameservers ?? [],
      disks: mounts
        .filter(({ type }) => type !== 'virtiofs')
        .map(({ source, target }) => ({ name: source.slice('/dev/'.length), target })),
      shares: mounts
        .filter(({ type }) => type === 'virtiofs')
        .map(({ source, target }) => ({ tag: source, target })),
      ...(entrypoint === undefined ? {} : { init: entrypoint.init, args: entrypoint.args }),
    }),
  )
}

/** Values that the host's formats can't carry are the user's mistake. */
function carried<T>(encode: () => T): T {
  try {
    return encode()
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}
