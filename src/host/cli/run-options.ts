/** The options of `zmachine run`: what was typed, as data. Whatever is wrong in it is a UsageError that names it. */

import { parseArgs } from 'node:util'
import { type Family, familyOf, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import type { Accel } from '../lib/programs.ts'
import { readSize } from '../lib/size.ts'
import { didYouMean, UsageError } from '../lib/usage.ts'
import type { Build } from '../machine/kernels.ts'
import type { Forward } from '../machine/options.ts'

export const RUN_HELP = `zmachine run: boots a root directory as a zos host does

  zmachine run [options] ROOT [-- ENTRYPOINT [ARG...]]

ROOT is a directory, or a .tar, .tar.gz or .tar.zst of one, unpacked into a cache. What it holds decides:
  /image.raw       a VM: the image is booted from the first --disk, by UEFI firmware
  /boot/vmlinuz    a container with the kernel (and /boot/initrd.img) of the image, and its own init
  neither          a container with this package's kernel and its PID 1
The terminal is the container's console, and the exit code is the entrypoint's.
The container's changes stay in ROOT; with --read-only, or a copy, they don't. The cache is limited and
loses what has not been used for long (zmachine cache --help): data that has to last belongs on a
--volume or a --disk.

What runs
  ENTRYPOINT ARG...         after --; else what /.startup.toml, /.zosrc or /sbin/init of ROOT say
      --entrypoint PROGRAM  the program; then what follows -- are its arguments only
  -e, --env KEY=VALUE       a variable; KEY alone takes the value from here. As often as you like
      --env-file FILE       a file of such lines; # starts a comment
  -u, --user USER[:GROUP]   names or numbers, of the root's own /etc/passwd and /etc/group
  -w, --workdir DIR         the entrypoint's directory
  -i, --interactive         passes on a stdin that is no terminal; a terminal always is (-t is taken too)
      --hostname NAME       default: the name of ROOT
      --ssh-key KEY|FILE    into root's authorized_keys; a public key or a file of them

What it has
  -m, --memory SIZE         256M (512M with --runtime node); K, M and G are powers of 1024, a number alone is MB
      --cpus N              1
  -v, --volume DIR:TARGET[:ro]              a directory of this computer (virtiofs)
      --disk FILE[:TARGET[:TYPE[:OPTIONS]]] a disk image; without TARGET it is attached and not mounted
      --disk new:SIZE:TARGET[:TYPE]         a new one (ext4), gone with the machine
      --read-only           the root, enforced on this side
      --fresh               unpacks an archive anew; what earlier runs wrote is gone

Network
      --network user        reaches out through this computer, and is reached by -p only (default)
      --network isolated    the same, without a way out
      --network none        no NIC
      --network tap=IFACE   a tap interface that exists; DHCP unless --ip is given
  -p, --publish [ADDRESS:]PORT:PORT[/udp]   a port of this computer (127.0.0.1) to one of the container
      --ip CIDR             an address, IPv4 or IPv6; repeatable
      --gateway ADDRESS     the default route's, one for IPv4 and one for IPv6
      --dns ADDRESS         a name server; repeatable

How it boots
      --runtime node        PID 1 as an executable of Node, for --cmdline zmachine.inspect=PORT; or lean (default)
      --kernel FILE         another kernel, for a container (a bzImage, or an ELF with a PVH entry)
      --initramfs FILE      another initramfs
      --cmdline TEXT        more for the kernel command line, our own zmachine.* keys among it
      --protocol seed       data on a seed disk, as zos hosts do now (default)
      --protocol cmdline    data on the kernel command line, as the older generation did
      --accel auto          kvm where the processor's own is there, else tcg (default; or kvm, tcg)
      --timeout SECONDS     ends it then, with exit code 124

To look at
      --print               shows QEMU's command line and the seed, and runs nothing
      --verbose             shows the kernel's and PID 1's own messages too
      --log FILE            keeps the whole console; the last boot's is always kept for zmachine timeline
  -h, --help                this text

Keys
  Ctrl-]                    three times within a second: ends the machine at once
  Where stdin is no terminal, Ctrl-C (and SIGTERM always) presses the power button; again: ends it at once.

Exit code
  the entrypoint's, 128+N for signal N
  124 --timeout, 125 the machine did not start or told no exit code, 2 wrong usage

Examples
  zmachine run ./rootfs -- /bin/sh
  zmachine run -p 8080:80 -v ./site:/usr/share/nginx/html:ro nginx.tar.zst -- nginx -g 'daemon off;'
  zmachine run --disk data.ext4:/var/lib/postgresql -m 512M ./postgres
  zmachine run --disk vm.raw -m 1G ./ubuntu-image
`

/** What each option takes (`util.parseArgs`). */
const OPTIONS = {
  entrypoint: { type: 'string' },
  env: { type: 'string', short: 'e', multiple: true },
  'env-file': { type: 'string', multiple: true },
  user: { type: 'string', short: 'u' },
  workdir: { type: 'string', short: 'w' },
  hostname: { type: 'string' },
  'ssh-key': { type: 'string', multiple: true },
  memory: { type: 'string', short: 'm' },
  cpus: { type: 'string' },
  volume: { type: 'string', short: 'v', multiple: true },
  disk: { type: 'string', multiple: true },
  'read-only': { type: 'boolean' },
  fresh: { type: 'boolean' },
  network: { type: 'string' },
  publish: { type: 'string', short: 'p', multiple: true },
  ip: { type: 'string', multiple: true },
  gateway: { type: 'string', multiple: true },
  dns: { type: 'string', multiple: true },
  runtime: { type: 'string' },
  kernel: { type: 'string' },
  initramfs: { type: 'string' },
  cmdline: { type: 'string' },
  protocol: { type: 'string' },
  accel: { type: 'string' },
  timeout: { type: 'string' },
  print: { type: 'boolean' },
  verbose: { type: 'boolean' },
  log: { type: 'string' },
  interactive: { type: 'boolean', short: 'i' },
  tty: { type: 'boolean', short: 't' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Options that people know from docker, and what they are here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  rm: 'nothing of a machine stays but what it wrote into its root; leave it out',
  detach: 'run it in the background of your shell, or under systemd-run',
  d: 'run it in the background of your shell, or under systemd-run',
  P: '-p PORT:PORT for each port',
  name: '--hostname',
  net: '--network',
  mount: '--volume or --disk',
  privileged: 'in its own machine a container has all privileges; leave it out',
  tmpfs: 'mount it in the container',
  restart: "--cmdline 'zmachine.on_exit=restart'",
}

export interface Volume {
  readonly directory: string
  readonly target: string
  readonly readOnly: boolean
}

export interface DiskRequest {
  /** A file, or the size in bytes of a new one. */
  readonly source: { readonly file: string } | { readonly bytes: number }
  readonly target?: string
  /** `auto` where none is given. */
  readonly type: string
  /** As in fstab(5). */
  readonly options: string
}

export type NetworkRequest =
  | { readonly kind: 'user'; readonly outbound: boolean }
  | { readonly kind: 'none' }
  | { readonly kind: 'tap'; readonly interface: string }

export interface RunRequest {
  readonly root: string
  readonly entrypoint?: string
  /** With no entrypoint of the options, the first of them is it. */
  readonly args: readonly string[]
  /** In the order given; of a name that comes twice the last one counts. */
  readonly environment: readonly (readonly [name: string, value: string | undefined])[]
  readonly environmentFiles: readonly string[]
  readonly user?: string
  readonly directory?: string
  readonly hostname?: string
  /** Keys themselves, or names of files of them. */
  readonly sshKeys: readonly string[]
  readonly memoryMB: number
  readonly cpus: number
  readonly volumes: readonly Volume[]
  readonly disks: readonly DiskRequest[]
  readonly readOnly: boolean
  readonly fresh: boolean
  readonly network: NetworkRequest
  readonly forwards: readonly Forward[]
  /** CIDRs, checked. */
  readonly addresses: readonly string[]
  /** Checked, at most one of a family. */
  readonly gateways: readonly string[]
  readonly nameservers: readonly string[]
  readonly runtime: Build
  readonly kernel?: string
  readonly initramfs?: string
  readonly cmdline: string
  readonly protocol: 'seed' | 'cmdline'
  readonly accel: Accel
  readonly timeout?: number
  readonly interactive: boolean
  readonly print: boolean
  readonly verbose: boolean
  readonly log?: string
}

const HINT = 'zmachine run --help'

const fail = (message: string, hint = HINT): never => {
  throw new UsageError(message, hint)
}

/** What was typed; `help` where that is all that was asked for. */
export function readRunOptions(argv: readonly string[]): RunRequest | 'help' {
  const { values, root, rest } = split(argv)
  if (values.help === true) return 'help'
  if (root === undefined) return fail('the root is missing: a directory, or a .tar of one')
  const runtime = oneOf(values.runtime ?? 'lean', '--runtime', ['lean', 'node'])
  if (runtime === 'node' && values.initramfs !== undefined)
    fail('--runtime and --initramfs both say which PID 1 it is')
  const network = readNetwork(values.network ?? 'user')
  const forwards = (values.publish ?? []).map(readForward)
  const addresses = (values.ip ?? []).map(readAddress)
  const gateways = (values.gateway ?? []).map((text) => readIp(text, '--gateway'))
  if (forwards.length > 0 && network.kind !== 'user') {
    fail(`-p needs --network user or isolated; with ${values.network} reach the container by its own address`)
  }
  if (network.kind === 'none' && addresses.length + gateways.length > 0) {
    fail('--network none has no NIC for --ip and --gateway')
  }
  if (network.kind === 'user' && gateways.some(isIpv4) && !addresses.some(isIpv4)) {
    fail(
      '--gateway needs --ip: without it the user network has its own',
      '--ip 10.1.2.3/24 --gateway 10.1.2.1',
    )
  }
  const { workdir = '/', cmdline = '' } = values
  if (!workdir.startsWith('/'))
    fail(`--workdir ${JSON.stringify(workdir)} is not an absolute path`, '--workdir /srv')
  if (/(^|\s)--(\s|$)/.test(cmdline)) {
    fail(
      '--cmdline contains --, the end of the kernel command line',
      'put the arguments after the -- of zmachine run',
    )
  }
  for (const family of [4, 6]) {
    if (gateways.filter((text) => textFamily(text) === family).length > 1)
      fail(`more than one --gateway for IPv${family}`)
  }
  return {
    root,
    args: rest,
    environment: (values.env ?? []).map(readVariable),
    environmentFiles: values['env-file'] ?? [],
    sshKeys: values['ssh-key'] ?? [],
    runtime,
    memoryMB: readMemory(values.memory ?? (runtime === 'node' ? '512M' : '256M')),
    cpus: readCount(values.cpus ?? '1', '--cpus', 255),
    volumes: (values.volume ?? []).map(readVolume),
    disks: (values.disk ?? []).map(readDisk),
    readOnly: values['read-only'] ?? false,
    fresh: values.fresh ?? false,
    network,
    forwards,
    addresses,
    gateways,
    nameservers: (values.dns ?? []).map((text) => readIp(text, '--dns')),
    cmdline: values.cmdline ?? '',
    protocol: oneOf(values.protocol ?? 'seed', '--protocol', ['seed', 'cmdline']),
    accel: oneOf(values.accel ?? 'auto', '--accel', ['auto', 'kvm', 'tcg']),
    interactive: values.interactive ?? false,
    print: values.print ?? false,
    verbose: values.verbose ?? false,
    ...given('entrypoint', values.entrypoint),
    ...given('user', values.user),
    ...given('directory', values.workdir),
    ...given('hostname', values.hostname),
    ...given('kernel', values.kernel),
    ...given('initramfs', values.initramfs),
    ...given('timeout', values.timeout === undefined ? undefined : readSeconds(values.timeout)),
    ...given('log', values.log),
  }
}

/** The options, the root, and what follows `--`: whatever is there is the container's own. */
function split(argv: readonly string[]) {
  const end = argv.indexOf('--')
  const own = end < 0 ? argv : argv.slice(0, end)
  const rest = end < 0 ? [] : argv.slice(end + 1)
  const { tokens } = parseArgs({ args: [...own], options: OPTIONS, strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(OPTIONS, token.name)) continue
    if (Object.hasOwn(ELSEWHERE, token.name)) fail(`${token.rawName} is not here: ${ELSEWHERE[token.name]}`)
    const meant = didYouMean(token.name, Object.keys(OPTIONS), '--')
    fail(`unknown option ${token.rawName}${meant}`)
  }
  const positionals = tokens.filter((token) => token.kind === 'positional').map(({ value }) => value)
  const [root, second] = positionals
  if (second !== undefined) {
    fail(
      `${JSON.stringify(second)} after the root ${JSON.stringify(root)}`,
      `what the container runs follows --: zmachine run ${root} -- ${positionals.slice(1).join(' ')}`,
    )
  }
  try {
    const { values } = parseArgs({ args: [...own], options: OPTIONS, strict: true, allowPositionals: true })
    return { values, root, rest }
  } catch (error) {
    return fail(
      String(error instanceof Error ? error.message : error)
        .split('\n')
        .join(' '),
    )
  }
}

/** An optional property that is there only where it has a value. */
function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}

function oneOf<T extends string>(text: string, option: string, known: readonly T[]): T {
  return (
    known.find((each) => each === text) ??
    fail(`${option} ${JSON.stringify(text)}${didYouMean(text, known)}`, `one of ${known.join(', ')}`)
  )
}

/** `KEY=VALUE`, or `KEY` for the value of here. */
export function readVariable(text: string): readonly [string, string | undefined] {
  const at = text.indexOf('=')
  const name = at < 0 ? text : text.slice(0, at)
  if (name === '') return fail(`--env ${JSON.stringify(text)}: a variable has a name`, '--env KEY=VALUE')
  return [name, at < 0 ? process.env[text] : text.slice(at + 1)]
}

/** Below this our kernel has no room to unpack its initramfs and run anything. */
const LEAST_MEMORY = 48

function readMemory(text: string): number {
  const bytes = readSize(text) ?? fail(`--memory ${JSON.stringify(text)} is not a size`, '--memory 512M')
  const megabytes = Math.floor(bytes / 2 ** 20)
  if (megabytes >= LEAST_MEMORY) return megabytes
  return fail(`--memory ${text} is less than the ${LEAST_MEMORY} MB that anything needs`, '--memory 256M')
}

function readCount(text: string, option: string, most: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= most ? count : fail(`${option} ${JSON.stringify(text)}: from 1 to ${most}`)
}

function readSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  // setTimeout's own limit is 2^31 ms.
  if (seconds > 0 && seconds < 2_000_000) return seconds
  return fail(`--timeout ${JSON.stringify(text)}: seconds, more than 0`, '--timeout 60')
}

/** A colon in a directory's own name can't be told from the separator; docker's `-v` is the same there. */
function readVolume(text: string): Volume {
  const [directory = '', target = '', mode = 'rw', ...more] = text.split(':')
  const isRight = directory !== '' && target.startsWith('/') && ['ro', 'rw'].includes(mode)
  if (isRight && more.length === 0) return { directory, target, readOnly: mode === 'ro' }
  return fail(
    `--volume ${JSON.stringify(text)}`,
    '--volume DIR:/target[:ro]; DIR is a directory of this computer',
  )
}

function readDisk(text: string): DiskRequest {
  const [first = '', ...rest] = text.split(':')
  const size = first === 'new' ? rest.shift() : undefined
  const [target, type = 'auto', options = 'defaults', ...more] = rest
  const usage = '--disk FILE[:/target[:type[:options]]], --disk new:SIZE:/target[:type]'
  const wrong = (why: string): never => fail(`--disk ${JSON.stringify(text)}: ${why}`, usage)
  if (first === '') return wrong('a file is missing')
  if (more.length > 0) return wrong('too many colons')
  if (target !== undefined && !target.startsWith('/'))
    return wrong(`the target ${target} is not an absolute path`)
  const mount = { type: type || 'auto', options: options || 'defaults', ...given('target', target) }
  if (first !== 'new') return { source: { file: first }, ...mount }
  const bytes = readSize(size ?? '') ?? wrong('new: needs a size, as new:10G:/data')
  // Whole sectors, as disks have them.
  return { source: { bytes: Math.ceil(bytes / 512) * 512 }, ...mount }
}

function readNetwork(text: string): NetworkRequest {
  const tap = /^tap=([^/\s,]{1,15})$/.exec(text)?.[1]
  if (tap !== undefined) return { kind: 'tap', interface: tap }
  const kind = oneOf(text, '--network', ['user', 'isolated', 'none'])
  return kind === 'none' ? { kind } : { kind: 'user', outbound: kind === 'user' }
}

/** `8080:80`, `0.0.0.0:8080:80/udp`; a single port is the same on both sides. */
function readForward(text: string): Forward {
  const usage = '--publish [ADDRESS:]PORT:PORT[/tcp|/udp]'
  const [, address, host, guest = host, protocol = 'tcp'] =
    /^(?:(\d+(?:\.\d+){3}):)?(\d{1,5})(?::(\d{1,5}))?(?:\/(tcp|udp))?$/.exec(text) ?? []
  const port = (digits: string | undefined): number => {
    const number = Number(digits)
    return number >= 1 && number <= 65535 ? number : fail(`--publish ${JSON.stringify(text)}`, usage)
  }
  if (address !== undefined && textFamily(address) !== 4) fail(`--publish ${JSON.stringify(text)}`, usage)
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostPort: port(host),
    guestPort: port(guest),
    ...given('hostAddress', address),
  }
}

function readAddress(text: string): string {
  if (parseCidr(text) !== undefined && text.includes('/')) return text
  return fail(
    `--ip ${JSON.stringify(text)} is not an address with a prefix length`,
    '--ip 10.1.2.3/24, --ip fd00::3/64',
  )
}

function readIp(text: string, option: string): string {
  const ip = parseIp(text)
  return ip === undefined ? fail(`${option} ${JSON.stringify(text)} is not an IP address`) : formatIp(ip)
}

const isIpv4 = (text: string): boolean => !text.includes(':')

const textFamily = (text: string): Family | undefined => {
  const ip = parseIp(text)
  return ip === undefined ? undefined : familyOf(ip)
}
