/** The decoders of what a host, a device, an image or the kernel sends, and what must hold for any input. */

import { readdirSync, readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { parseCmdline } from '../../src/config/cmdline.ts'
import { parseEnvironment } from '../../src/config/environment.ts'
import { parseCommandLine } from '../../src/config/layers.ts'
import { parseMetaData } from '../../src/config/meta-data.ts'
import { parseMountOptions } from '../../src/config/mount-options.ts'
import { parseNetplan } from '../../src/config/netplan.ts'
import { splitWords } from '../../src/config/shlex.ts'
import { parseStartup } from '../../src/config/startup-toml.ts'
import { parseUserData } from '../../src/config/user-data.ts'
import { resolveUser } from '../../src/config/users.ts'
import type { YamlNode } from '../../src/config/yaml/reader.ts'
import { parseYaml } from '../../src/config/yaml/yaml.ts'
import { parseZosrc } from '../../src/config/zosrc.ts'
import { next, start } from '../../src/dhcp/client.ts'
import { decodeDatagram } from '../../src/dhcp/datagram.ts'
import { leaseOf } from '../../src/dhcp/lease.ts'
import { decodeMessage, encodeMessage } from '../../src/dhcp/packet.ts'
import { leaseRequests } from '../../src/dhcp/requests.ts'
import { createConsoleFilter } from '../../src/host/cli/console-filter.ts'
import { containerExit } from '../../src/host/console/container-exit.ts'
import { hasPvhEntry, readKernel } from '../../src/host/image/vmlinux.ts'
import { UsageError } from '../../src/host/lib/usage.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import { shebang } from '../../src/lib/executable.ts'
import { formatCidr } from '../../src/lib/ip.ts'
import { identify } from '../../src/lib/superblock.ts'
import { visible } from '../../src/lib/text.ts'
import { decodeAcknowledgement } from '../../src/netlink/acknowledgement.ts'
import { messageFlags, messageSequence, nextMessage, walk } from '../../src/netlink/message.ts'
import { parseUevent } from '../../src/netlink/uevent.ts'
import { renderAuthorizedKeys } from '../../src/plan/authorized-keys.ts'
import { renderHosts } from '../../src/plan/hosts.ts'
import { explainExec } from '../../src/supervise/explain.ts'
import { unescapeMount } from '../../src/supervise/shutdown/mounts.ts'
import { SYS_openat, SYS_pread64, useRuntime } from '../../src/sys/linux.ts'
import type { Runtime } from '../../src/sys/port.ts'
import { DNSMASQ_ACK, UDHCPC_DISCOVER } from '../dhcp/captured.ts'
import { ANSWERS, REQUESTS } from '../netlink/captured.ts'
import { hold, holdParsed, holdProblems, isByteString } from './properties.ts'

export interface Target {
  readonly name: string
  /** Real inputs to start from. */
  readonly seeds: readonly Bytes[]
  /** The longest input that there can be, in bytes. Default 64 KB. */
  readonly longest?: number
  /** Throws if a property does not hold. */
  readonly run: (input: Bytes) => void
}

const FIXTURES = joinPath(import.meta.dirname, '../fixtures/seeds')

const bytesOf = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'latin1'))
const join = (...parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts))
const textOf = (bytes: Bytes): string => Buffer.from(bytes).toString('latin1')

/** A file of every seed that a host's own serializer wrote. */
const fixtures = (name: string): readonly Bytes[] =>
  readdirSync(FIXTURES).map((seed) => new Uint8Array(readFileSync(joinPath(FIXTURES, seed, name))))

/** A decoder of text, whose problems have places in it. */
function textTarget(
  name: string,
  seeds: readonly (string | Bytes)[],
  run: (text: string) => void,
  limits: Pick<Target, 'longest'> = {},
): Target {
  const inputs = seeds.map((seed) => (typeof seed === 'string' ? bytesOf(seed) : seed))
  return { name, seeds: inputs, run: (input) => run(textOf(input)), ...limits }
}

function runCmdline(text: string): void {
  const { tokens, args, hasArguments } = parseCmdline(text)
  hold(tokens.length + args.length <= text.length, 'more tokens than characters')
  hold(hasArguments || args.length === 0, 'arguments without a --')
  for (const { key, value = '', column } of tokens) {
    hold(column >= 1 && column <= text.length, () => `column ${column} of ${text.length}`)
    const whole = text.slice(column - 1)
    hold(whole.includes(key) && whole.includes(value), () => `${key}=${value} is not in the text`)
  }
  holdParsed(parseCommandLine(text), text)
}

function holdNode(node: YamlNode, depth: number): void {
  hold(depth < 64, 'deeper than the reader goes')
  if (typeof node === 'string') hold(isByteString(node), 'a text that is no byte string')
  if (typeof node === 'string' || node.kind === 'quoted') return
  const inner = node.kind === 'list' ? node.items : [...node.entries.values()]
  hold(inner.length === node.places.length, 'not a place for each value')
  for (const each of inner) holdNode(each, depth + 1)
}

function runYaml(text: string): void {
  const { root, problems } = parseYaml(text, 'file')
  holdProblems(problems, text)
  hold(problems.length <= 101, () => `${problems.length} problems`)
  holdNode(root, 0)
}

function runUsers(text: string): void {
  const [spec = '', passwd = '', group = ''] = text.split('\0')
  const found = resolveUser(spec, passwd, group)
  if (typeof found === 'string') {
    hold(found.length < 1000 && visible(found) === found, () => `a message that can not be shown: ${found}`)
    return
  }
  for (const id of [found.uid, found.gid, ...found.groups])
    hold(Number.isInteger(id) && id >= 0 && id < 0xffff_ffff, () => `id ${id}`)
  hold(found.home !== '', 'no home')
}

/** The first byte says where on the disk the others are. */
function runSuperblock(input: Bytes): void {
  const place = [0, 65536, 32768][(input[0] ?? 0) % 3]
  const found = identify((offset, length) => input.slice(1, offset === place ? 1 + length : 1))
  if (found === undefined) return
  hold(found.type !== '' && found.label.length <= 256 && found.uuid.length <= 40, () => JSON.stringify(found))
  hold(isByteString(found.label + found.uuid), 'no byte strings')
}

function runNetlink(input: Bytes): void {
  const messages = walk(input, input.length)
  let last = 0
  while (nextMessage(messages)) {
    const { start, end, next: after } = messages
    hold(
      start >= last && end >= start && end <= input.length && after > start - 16,
      'a message outside the datagram',
    )
    last = end
    hold(messageFlags(messages) >= 0 && messageSequence(messages) >= 0, 'a header outside')
    const said = decodeAcknowledgement(messages)
    hold((said?.text.length ?? 0) <= end - start, 'more text than there is')
  }
}

function runUevent(text: string): void {
  const found = parseUevent(text)
  if (found === undefined) return
  for (const value of Object.values(found))
    hold(
      text.includes(value) && !value.includes('\0'),
      () => `a value that is not in it: ${JSON.stringify(value)}`,
    )
}

const MAC = Uint8Array.of(2, 0, 0, 0, 1, 0)

function runDhcp(input: Bytes): void {
  const payload = decodeDatagram(input, input.length)
  if (payload !== undefined)
    hold(payload.start <= payload.end && payload.end <= input.length, 'a payload outside the datagram')
  // The sums of a datagram are hard to guess: what is behind its headers is looked at in any case.
  const message = decodeMessage(input, payload?.start ?? 28, payload?.end ?? input.length)
  if (message === undefined) return
  const size = [...message.options.values()].reduce((sum, { length }) => sum + length, 0)
  hold(size <= input.length, 'more options than bytes')
  const encoded = encodeMessage(message)
  const again = decodeMessage(encoded, 0, encoded.length)
  hold(again !== undefined, 'an encoded message can not be read')
  for (const [code, value] of message.options)
    hold(Buffer.compare(again.options.get(code) ?? MAC, value) === 0, () => `option ${code} is lost`)
  const lease = leaseOf(message)
  if (lease !== undefined) holdLease(lease)
  holdClient(message)
}

function holdLease(lease: NonNullable<ReturnType<typeof leaseOf>>): void {
  const { address, routers, nameServers, searchDomains, mtu = 576, seconds, routes } = lease
  hold(address.address.length === 4 && address.prefix >= 0 && address.prefix <= 32, () => formatCidr(address))
  for (const ip of [...routers, ...nameServers]) hold(ip.length === 4, 'an address that is none')
  for (const name of searchDomains)
    hold(name !== '' && name.length <= 253 && visible(name) === name, () => name)
  hold(mtu >= 576 && mtu <= 65535 && seconds > 0, () => `mtu ${mtu}, ${seconds} s`)
  for (const { destination } of routes) hold((destination?.prefix ?? 0) <= 32, 'a prefix that is none')
  for (const { message } of leaseRequests(3, 'eth0', lease))
    hold(message.length >= 16, 'a request without a header')
}

/** The same answer as an OFFER, as an ACK, and to a renewal. */
function holdClient(message: NonNullable<ReturnType<typeof decodeMessage>>): void {
  const self = { mac: MAC }
  let now = 1000
  let { state } = start(7, now, self)
  for (const type of [2, 5, 5, 6]) {
    const options = new Map(message.options).set(53, Uint8Array.of(type))
    const answer = { ...message, op: 2, xid: state.xid, chaddr: MAC, options }
    state = next(state, { is: 'packet', message: answer }, now, self).state
    hold(!Number.isNaN(state.deadline), 'a deadline that is no number')
    now = Number.isFinite(state.deadline) ? Math.max(now, state.deadline) : now + 1000
    state = next(state, { is: 'time' }, now, self).state
    hold(state.deadline > now, () => `the clock stands still: ${state.deadline} at ${now}, ${state.phase.is}`)
  }
}

/** A file that is all of the root, for `explainExec`: the input from its fifth byte on. */
function fileRuntime(file: Bytes): Runtime {
  const refuse = (): never => {
    throw new Error('not for a test')
  }
  return {
    syscall(number, ...args) {
      if (number !== SYS_pread64) return number === SYS_openat ? 3 : 0
      const [, into, length = 0, offset = 0] = args
      hold(Number.isSafeInteger(offset) && Number(offset) >= 0, () => `pread64 from ${String(offset)}`)
      const part = file.subarray(Number(offset), Number(offset) + Number(length))
      if (into instanceof Uint8Array) into.set(part)
      return part.length
    },
    text(memory, offset, length) {
      hold(offset >= 0 && length >= 0 && offset + length <= memory.length, 'a text outside its memory')
      return textOf(memory.slice(offset, offset + length))
    },
    addressOf: refuse,
    drain: refuse,
    spawn: refuse,
    spawnInto: refuse,
    putText: refuse,
    load: refuse,
  }
}

/** ENOENT, ENOEXEC, EACCES, E2BIG, EPERM. */
const REFUSALS = [2, 8, 13, 7, 1] as const

function runExecutable(input: Bytes): void {
  const file = input.slice(1)
  useRuntime(fileRuntime(file))
  const { code, message } = explainExec('/program', -(REFUSALS[(input[0] ?? 0) % REFUSALS.length] ?? 2))
  hold(code === 126 || code === 127, () => `code ${code}`)
  hold(
    message.length < 1000 && visible(message) === message,
    () => `a message that can not be shown: ${message}`,
  )
  const interpreter = shebang(file.subarray(0, 4096))
  hold(interpreter === undefined || (interpreter !== '' && interpreter.length < 256), 'no interpreter')
}

/** As mangle_path of the kernel (fs/seq_file.c). */
const mangle = (text: string): string =>
  [...text]
    .map((char) => (' \t\n\\'.includes(char) ? `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}` : char))
    .join('')

function runMounts(text: string): void {
  hold(unescapeMount(mangle(text)) === text, 'a path that does not come back')
  const found = unescapeMount(text)
  hold(found.length <= text.length + 1, 'longer than what it was made of')
}

function runStartup(text: string): void {
  const { layer, problems } = parseStartup(text, () => true)
  for (const { message } of problems)
    hold(message !== '' && message.length < 4000, 'a message nobody can read')
  hold(layer.init === undefined || isByteString(layer.init), 'no byte string')
  hold((layer.environment?.size ?? 0) <= text.length, 'more variables than characters')
  const { words } = splitWords(text)
  hold(words.join('').length <= text.length, 'more text than there was')
}

function runKernel(input: Bytes): void {
  try {
    const { elf, layers } = readKernel(input, 'image')
    hold(layers.length <= 3 && elf.length > 0, 'no kernel')
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
  }
  hasPvhEntry(input)
}

/** The second byte: how large the pieces are that it comes in. */
function runConsole(input: Bytes): void {
  const [, size = 0] = input
  const text = input.subarray(2)
  const whole = createConsoleFilter()
  const shown = textOf(join(copy(whole.push(text)), copy(whole.end())))
  const inPieces = createConsoleFilter()
  const pieces: Bytes[] = []
  for (let at = 0; at < text.length; at += size + 1)
    pieces.push(copy(inPieces.push(text.slice(at, at + size + 1))))
  pieces.push(copy(inPieces.end()))
  hold(textOf(join(...pieces)) === shown, 'other output for other pieces')
  hold(shown.length <= text.length, 'more is shown than came')
  const exit = containerExit(textOf(text))
  hold(exit === undefined || exit.code >= 0, 'no exit code')
}

const copy = (bytes: Uint8Array): Bytes => new Uint8Array(bytes)

/** An image's own files, which are written again with more in them. */
function runRootFiles(text: string): void {
  const hosts = renderHosts(text, 'web.example', '10.0.0.2')
  hold(renderHosts(hosts, 'web.example', '10.0.0.2') === hosts, 'hosts: another text the second time')
  const keys = renderAuthorizedKeys(text, ['ssh-ed25519 AAAA one', 'ssh-rsa BBBB two'])
  hold(renderAuthorizedKeys(keys, ['ssh-ed25519 AAAA one']) === keys, 'keys: another text the second time')
  parseMountOptions(text)
}

/** A probe's number, then bytes from offsets on. */
function superblock(probe: number, parts: Readonly<Record<number, string>>): Bytes {
  const bytes = new Uint8Array(2049)
  bytes[0] = probe
  for (const [at, text] of Object.entries(parts)) bytes.set(bytesOf(text), 1 + Number(at))
  return bytes
}

/** An ELF header with segments of a type, offset and size each. */
function elf(
  segments: readonly (readonly [type: number, offset: number, size: number])[],
  tail: string,
): Bytes {
  const head = new DataView(new ArrayBuffer(64 + 56 * segments.length))
  const bytes = new Uint8Array(head.buffer)
  bytes.set(bytesOf('\x7fELF\x02\x01\x01'))
  head.setUint16(16, 2, true)
  head.setUint16(18, 62, true)
  head.setUint32(32, 64, true)
  head.setUint16(54, 56, true)
  head.setUint16(56, segments.length, true)
  segments.forEach(([type, offset, size], index) => {
    head.setUint32(64 + index * 56, type, true)
    head.setUint32(64 + index * 56 + 8, offset, true)
    head.setUint32(64 + index * 56 + 32, size, true)
    head.setUint32(64 + index * 56 + 48, 4, true)
  })
  return join(bytes, bytesOf(tail))
}

function bzImage(payload: Bytes): Bytes {
  const image = new Uint8Array(1024)
  const view = new DataView(image.buffer)
  image[0x1f1] = 1
  image.set(bytesOf('\x55\xaa'), 0x1fe)
  image.set(bytesOf('HdrS\x0f\x02'), 0x202)
  view.setUint32(0x24c, payload.length, true)
  return join(image, payload)
}

const NOTE = '\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\x10\0\0\0\0\0\0\0'
const KERNEL = elf([[4, 120, NOTE.length]], NOTE)

export const TARGETS: readonly Target[] = [
  textTarget(
    'cmdline',
    [
      'console=ttyS0 root=vroot rootfstype=virtiofs rw init=/probe net_eth0=10.1.0.2/24;fd00::2/64 net_r4=default,10.1.0.1 net_dns=10.1.0.53 host=web vda=/data qsfs_tag=/mnt zmachine.env.A="b c" -- run "it now"\n',
      'zmachine.mode=exec zmachine.on_exit=restart zmachine.grace=3 zmachine.user=app:app zmachine.cwd=/srv zmachine.log=debug rootflags=ro,noatime rootdelay=2 net_r6=default,fd00::1;200::/7,fe80::1',
    ],
    runCmdline,
    // COMMAND_LINE_SIZE of x86, twice.
    { longest: 4096 },
  ),
  textTarget('environment', ['# comment\nA=b\nexport C="d e"\nBAD\n'], (text) =>
    holdParsed(parseEnvironment(text), text),
  ),
  textTarget(
    'yaml',
    [
      ...fixtures('network-config'),
      ...fixtures('user-data'),
      'a: &x [1, {b: "c\\n"}]\nd: *x\n<<: *x\ne: |\n  t\n  u\nf: >-\n  v\n---\n',
    ],
    runYaml,
  ),
  textTarget('meta-data', fixtures('meta-data'), (text) =>
    holdParsed(parseMetaData(text, 'meta-data'), text),
  ),
  textTarget(
    'network-config',
    [
      ...fixtures('network-config'),
      'network:\n  version: 2\n  ethernets:\n    eth0:\n      match: {macaddress: "02:00:00:00:00:01"}\n      set-name: lan\n      dhcp4: true\n      mtu: 1400\n      addresses: [10.0.0.2/24]\n      gateway4: 10.0.0.1\n      nameservers: {addresses: [10.0.0.53], search: [example]}\n      routes:\n        - {to: default, via: 10.0.0.1, metric: 5, on-link: true}\n',
    ],
    (text) => holdParsed(parseNetplan(text, 'network-config'), text),
  ),
  textTarget(
    'user-data',
    [
      ...fixtures('user-data'),
      '#cloud-config\nhostname: web\nfqdn: web.example\nusers:\n  - name: root\n    ssh_authorized_keys: ["ssh-rsa A b"]\nssh_authorized_keys:\n  - ssh-ed25519 C d\nmounts:\n  - [/dev/vda, /data, ext4, "defaults,nofail"]\nwrite_files:\n  - {path: /x, content: y}\nruncmd: [a]\n',
    ],
    (text) => holdParsed(parseUserData(text, 'user-data'), text),
  ),
  textTarget('zosrc', [...fixtures('zosrc'), "export A='b c'\ninit='/x'\nset -- 'a' \"b\\\"\"\n"], (text) =>
    holdParsed(parseZosrc(text, 'zosrc'), text),
  ),
  textTarget(
    'users',
    ['app:web\0root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:\n\0web:x:33:app,root\n'],
    runUsers,
  ),
  {
    name: 'superblock',
    longest: 2049,
    seeds: [
      superblock(0, { 1080: '\x53\xef', 1128: 'uuid-of-16-bytes', 1144: 'label' }),
      superblock(0, { 0: 'XFSB', 32: 'uuid-of-16-bytes', 108: 'label' }),
      superblock(0, { 1024: '\xe2\xe1\xf5\xe0', 1088: 'label' }),
      superblock(0, { 0: 'hsqs' }),
      superblock(0, { 54: 'FAT16   ', 39: '\x12\x34\x56\x78NO NAME    ', 510: '\x55\xaa' }),
      superblock(0, { 82: 'FAT32   ', 67: '\x12\x34\x56\x78CIDATA     ', 510: '\x55\xaa' }),
      superblock(1, { 64: '_BHRfS_M', 299: 'label' }),
      superblock(2, { 1: 'CD001', 40: 'cidata      ', 813: '2026112309000000' }),
    ],
    run: runSuperblock,
  },
  {
    name: 'netlink',
    seeds: [...Object.values(ANSWERS), ...Object.values(REQUESTS)],
    run: runNetlink,
  },
  textTarget(
    'uevent',
    [
      'add@/devices/pci0000:00/vda\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=block\0DEVNAME=vda\0INTERFACE=eth0\0SEQNUM=1\0',
    ],
    runUevent,
  ),
  {
    name: 'dhcp',
    // Of Ethernet.
    longest: 1500,
    seeds: [DNSMASQ_ACK, UDHCPC_DISCOVER],
    run: runDhcp,
  },
  {
    name: 'executable',
    seeds: [
      ...[0, 1, 2, 3, 4].map((errno) => join(Uint8Array.of(errno), bytesOf('#!/bin/sh -e\n'))),
      ...[0, 1].map((errno) => join(Uint8Array.of(errno), elf([[3, 120, 8]], '/lib/ld\0'))),
    ],
    run: runExecutable,
  },
  textTarget('mounts', ['/mnt/a\\040b\\011\\134', '/plain'], runMounts),
  textTarget(
    'root-files',
    [
      '127.0.0.1 localhost web # zmachine-init\n::1\tlocalhost # x\n',
      'ro,noatime,nofail,size=4m,x-systemd.a=b',
    ],
    runRootFiles,
  ),
  textTarget(
    'startup-toml',
    [
      '[startup.entry]\nname = "core.system"\n[startup.entry.args]\nname = "/sbin/zinit"\nargs = ["init", "a\\\\b"]\ndir = "/"\nenv = { LANG = "C.UTF-8" }\n',
      '"/sbin/zinit init" # c',
    ],
    runStartup,
  ),
  {
    name: 'vmlinux',
    seeds: [
      KERNEL,
      bzImage(KERNEL),
      bzImage(bytesOf('\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0')),
    ],
    run: runKernel,
  },
  {
    name: 'console',
    seeds: [
      bytesOf(
        '\x01\x03hello\nfoozmachine: exited code=0 signal=none reason=exit uptime=1.5\n[    1.5] reboot: down\n',
      ),
      bytesOf(
        '\0\x07zmachine: exited code=1 signal=TERM reason=stop uptime=2; restarting in 1 s\nzmachine: timeline x\r\nzmach',
      ),
    ],
    run: runConsole,
  },
]
