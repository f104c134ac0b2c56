/** Reads the command line of `zmachine run` into a request. A mistake is a UsageError that names it. */

import { parseArgs } from 'node:util'
import type { Accel } from '../lib/programs.ts'
import { didYouMean } from '../lib/usage.ts'
import type { DiskRequest } from '../machine/disk-files.ts'
import type { Build } from '../machine/kernels.ts'
import type { Forward } from '../machine/options.ts'
import {
  checkForwards,
  fail,
  given,
  isIpv4,
  type NetworkRequest,
  oneOf,
  readAddress,
  readCount,
  readDisk,
  readForward,
  readIp,
  readMemory,
  readNetwork,
  readSeconds,
  readVariable,
  readVolume,
  textFamily,
  type Variable,
  type Volume,
} from './option-values.ts'

/** The options for `util.parseArgs`. */
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
  pid1: { type: 'string' },
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

/** Not `&` alone: a job that reads from its terminal is stopped. Not nohup(1): Node makes SIGHUP deadly again. */
const BACKGROUND =
  'systemd-run --user --same-dir --unit NAME zmachine run ..., and systemctl --user stop NAME; or setsid -f zmachine run ... </dev/null >machine.log 2>&1'
const OWN_MACHINE = 'leave it out: root in the container is root of a whole machine, and of nothing else'
const NOTHING_STAYS = 'leave it out: nothing stays but what the container wrote to ROOT, disks and volumes'

/** Options that people know from docker, and what to do instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  rm: NOTHING_STAYS,
  detach: BACKGROUND,
  d: BACKGROUND,
  P: 'use -p CONTAINER_PORT for each port',
  'publish-all': 'use -p CONTAINER_PORT for each port',
  name: 'use --hostname',
  net: 'use --network',
  mount: 'use --volume or --disk',
  privileged: OWN_MACHINE,
  'cap-add': OWN_MACHINE,
  'cap-drop': OWN_MACHINE,
  'security-opt': OWN_MACHINE,
  init: 'leave it out: PID 1 is always an init',
  runtime: 'leave it out: QEMU is the only runtime',
  tmpfs: 'mount it in the container',
  restart: "use --cmdline 'zmachine.on_exit=restart'",
}

export interface RunRequest {
  readonly root: string
  readonly entrypoint?: string
  /** Without `entrypoint`, the first of them is the program. */
  readonly args: readonly string[]
  /** In the order given; the last one of a name counts. */
  readonly environment: readonly Variable[]
  readonly environmentFiles: readonly string[]
  readonly user?: string
  readonly directory?: string
  readonly hostname?: string
  /** Keys, or files of keys. */
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
  readonly pid1: Build
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

/** The request, or `help` if the options ask for it. */
export function readRunOptions(argv: readonly string[]): RunRequest | 'help' {
  const { values, root, rest } = split(argv)
  if (values.help === true) return 'help'
  if (root === undefined) return fail('ROOT is missing: a root directory, or an archive of one')
  const pid1 = oneOf(values.pid1 ?? 'lean', '--pid1', ['lean', 'node'])
  const request: RunRequest = {
    root,
    args: rest,
    environment: (values.env ?? []).map((text) => readVariable(text)),
    environmentFiles: values['env-file'] ?? [],
    sshKeys: values['ssh-key'] ?? [],
    pid1,
    memoryMB: readMemory(values.memory ?? (pid1 === 'node' ? '512M' : '256M')),
    cpus: readCount(values.cpus ?? '1', '--cpus', 255),
    volumes: (values.volume ?? []).map(readVolume),
    disks: (values.disk ?? []).map(readDisk),
    readOnly: values['read-only'] ?? false,
    fresh: values.fresh ?? false,
    network: readNetwork(values.network ?? 'user'),
    forwards: checkForwards((values.publish ?? []).map(readForward)),
    addresses: (values.ip ?? []).map(readAddress),
    gateways: (values.gateway ?? []).map((text) => readIp(text, '--gateway')),
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
  checkNetwork(request)
  checkBoot(request)
  return request
}

/** Options of the network that exclude or need each other. */
function checkNetwork({ network, forwards, addresses, gateways }: RunRequest): void {
  if (forwards.length > 0 && network.kind === 'tap') {
    fail(`-p needs --network user or isolated; with tap=${network.interface} use the container's own address`)
  }
  if (forwards.length > 0 && network.kind === 'none') fail('-p needs --network user or isolated, not none')
  if (network.kind === 'none' && addresses.length + gateways.length > 0) {
    fail('--network none has no NIC for --ip and --gateway')
  }
  if (network.kind === 'user' && gateways.some(isIpv4) && !addresses.some(isIpv4)) {
    fail(
      '--gateway needs --ip: without it the user network has its own gateway',
      '--ip 10.1.2.3/24 --gateway 10.1.2.1',
    )
  }
  for (const family of [4, 6]) {
    if (gateways.filter((text) => textFamily(text) === family).length > 1)
      fail(`more than one --gateway for IPv${family}`)
  }
}

function checkBoot({ directory = '/', cmdline, pid1, initramfs }: RunRequest): void {
  if (pid1 === 'node' && initramfs !== undefined)
    fail('--pid1 and --initramfs both choose PID 1: leave one out')
  if (!directory.startsWith('/'))
    fail(`--workdir ${JSON.stringify(directory)} is not an absolute path`, '--workdir /srv')
  if (/(^|\s)--(\s|$)/.test(cmdline)) {
    fail(
      '--cmdline contains --, after which the kernel takes arguments for PID 1',
      'put the arguments at the end: zmachine run ROOT -- ENTRYPOINT ARG...',
    )
  }
}

/** The options, the root, and what follows `--`, which is the container's whatever it looks like. */
function split(argv: readonly string[]) {
  const end = argv.indexOf('--')
  const own = end < 0 ? argv : argv.slice(0, end)
  const rest = end < 0 ? [] : argv.slice(end + 1)
  const { tokens } = parseArgs({ args: [...own], options: OPTIONS, strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(OPTIONS, token.name)) continue
    if (Object.hasOwn(ELSEWHERE, token.name)) {
      const instead = `docker's ${token.rawName} is not supported`
      fail(instead, ELSEWHERE[token.name])
    }
    const meant = didYouMean(token.name, Object.keys(OPTIONS), '--')
    fail(`unknown option ${token.rawName}${meant}`)
  }
  const positionals = tokens.filter((token) => token.kind === 'positional').map(({ value }) => value)
  const [root, second] = positionals
  if (second !== undefined) {
    fail(
      `unexpected argument ${JSON.stringify(second)} after ROOT ${JSON.stringify(root)}`,
      `put what the container runs after --: zmachine run ${root} -- ${positionals.slice(1).join(' ')}`,
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
