/** The probe's report (guest/probe.c), typed: what an entrypoint finds at its first instruction. */

export interface Report {
  readonly argv: readonly string[]
  /** Each entry as it is, byte for byte; a byte is one character. */
  readonly env: readonly string[]
  readonly cwd: string
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly pid: number
  readonly ppid: number
  readonly pgid: number
  readonly sid: number
  /** The foreground process group of standard input's terminal. */
  readonly tpgid: number
  /** For descriptors 0, 1 and 2: whether it is a terminal, and the session that it controls (-1: not ours). */
  readonly terminals: readonly { readonly terminal: boolean; readonly session: number }[]
  /** `opens`, or why /dev/tty does not. */
  readonly devTty: string
  readonly umask: string
  /** What each open descriptor is. */
  readonly descriptors: ReadonlyMap<number, string>
  /** /proc/self/status: `SigBlk`, `SigIgn`, `CapEff`, … */
  readonly status: ReadonlyMap<string, string>
  /** /proc/self/limits: soft and hard, by the kernel's name. */
  readonly limits: ReadonlyMap<string, readonly [string, string]>
  /** /proc/mounts, in order. */
  readonly mounts: readonly MountEntry[]
  readonly nics: readonly { readonly name: string; readonly up: boolean; readonly mac: string }[]
  /** `address` is CIDR; `state` is `usable` or why it cannot be bound to. */
  readonly addresses: readonly { readonly nic: string; readonly address: string; readonly state: string }[]
  /** Names of the NICs that have a tentative IPv6 address. */
  readonly tentative: readonly string[]
  readonly routes: readonly Route4[]
  readonly routes6: readonly Route6[]
  readonly hostname: string
  /** By path; undefined if there is nothing. */
  readonly files: ReadonlyMap<string, FileEntry>
  /** `/proc/sys/` names with slashes. */
  readonly sysctls: ReadonlyMap<string, string>
  /** In KB. */
  readonly meminfo: ReadonlyMap<string, number>
  /** In KB: free pages that the kernel keeps for each processor, which MemFree and MemAvailable leave out. */
  readonly kept: number
  readonly pid1Status: ReadonlyMap<string, string>
  readonly pid1Descriptors: ReadonlyMap<number, string>
  readonly pid1Exe: string | undefined
  readonly processes: readonly Process[]
  readonly rootEntries: readonly string[]
  /** CLOCK_MONOTONIC at the first instruction of main, in seconds. */
  readonly started: number
}

export interface MountEntry {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly options: readonly string[]
}

export interface Route4 {
  readonly nic: string
  readonly destination: string
  /** `0.0.0.0`: none. */
  readonly gateway: string
  readonly metric: number
}

export interface Route6 {
  readonly nic: string
  readonly destination: string
  /** 32 hexadecimal digits, all zero: none. */
  readonly gateway: string
  readonly metric: number
}

export interface FileEntry {
  readonly type: string
  readonly mode: string
  /** User and group by number: `0 0`. */
  readonly owner: string
  readonly link: string | undefined
  readonly content: string | undefined
}

export interface Process {
  readonly pid: number
  readonly name: string
  readonly state: string
  readonly ppid: number
}

const CONSOLE_PREFIX = 'probe-report: '
const IFF_UP = 1
const IFA_F_TENTATIVE = 0x40
const RTF_UP = 1

/** The report that the probe wrote on the console, or undefined. */
export function consoleReport(consoleText: string): Report | undefined {
  const lines = consoleText
    .split(/\r*\n/)
    .filter((line) => line.startsWith(CONSOLE_PREFIX))
    .map((line) => line.slice(CONSOLE_PREFIX.length))
  return lines.length === 0 ? undefined : parseReport(lines.join('\n'))
}

/** Reads a report; throws if it is truncated. */
export function parseReport(text: string): Report {
  const values = new Map<string, string[]>()
  for (const line of text.split('\n').filter((some) => some.includes('='))) {
    const [key, value] = splitAt(line, '=')
    values.set(key, [...(values.get(key) ?? []), unescapeBytes(value)])
  }
  const all = (key: string): readonly string[] => values.get(key) ?? []
  const one = (key: string): string => all(key)[0] ?? ''
  if (one('end') !== 'end') throw new Error('the report is cut off')
  const [uid = -1, , gid = -1] = numbers(one('ids'))
  const [pid = -1, ppid = -1, pgid = -1, sid = -1] = numbers(one('pid'))
  return {
    argv: all('argv'),
    env: all('env'),
    cwd: one('cwd'),
    uid,
    gid,
    groups: all('group').map(Number),
    pid,
    ppid,
    pgid,
    sid,
    tpgid: Number(one('tpgid')),
    terminals: all('terminal').map((line) => {
      const [, terminal, session = -1] = numbers(line)
      return { terminal: terminal === 1, session }
    }),
    devTty: one('dev-tty'),
    umask: one('umask'),
    descriptors: descriptors(all('fd')),
    status: colons(all('status')),
    limits: new Map(all('limit').slice(1).map(limit)),
    mounts: all('mount').map(mount),
    nics: all('nic').map((line) => {
      const [name = '', flags = '', mac = ''] = line.split(' ')
      return { name, up: (Number.parseInt(flags, 16) & IFF_UP) !== 0, mac }
    }),
    addresses: all('address').map((line) => {
      const [nic = '', address = '', ...state] = line.split(' ')
      return { nic, address, state: state.join(' ') }
    }),
    tentative: all('if_inet6').flatMap((line) => {
      const [, , , , flags = '0', nic = ''] = line.split(/ +/)
      return (Number.parseInt(flags, 16) & IFA_F_TENTATIVE) === 0 ? [] : [nic]
    }),
    routes: all('route').slice(1).map(route4),
    routes6: all('ipv6_route').flatMap(route6),
    hostname: one('hostname'),
    files: files(text),
    sysctls: new Map(all('sysctl').map((line) => splitAt(line, ' '))),
    meminfo: new Map([...colons(all('meminfo'))].map(([key, value]) => [key, Number.parseInt(value, 10)])),
    kept: Number(one('kept-pages')) * 4,
    pid1Status: colons(all('pid1-status')),
    pid1Descriptors: descriptors(all('pid1-fd')),
    pid1Exe: all('pid1-exe')[0],
    processes: all('process').flatMap(process),
    rootEntries: all('root-entry'),
    started: Number(one('monotonic')) / 1e9,
  }
}

/** A size of /proc/PID/status (`VmRSS: 480 kB`), in KB. */
export const kilobytes = (status: ReadonlyMap<string, string>, key: string): number =>
  Number.parseInt(status.get(key) ?? 'NaN', 10)

const unescapeBytes = (text: string): string =>
  text.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

const numbers = (text: string): number[] => text.split(' ').map(Number)

const colons = (lines: readonly string[]): Map<string, string> =>
  new Map(lines.map((line) => splitAt(line, ':')).map(([key, value]) => [key, value.trim()]))

const descriptors = (lines: readonly string[]): Map<number, string> =>
  new Map(lines.map((line) => splitAt(line, ' ')).map(([fd, target]) => [Number(fd), target]))

/** The kernel pads its columns: the name has 26 characters, each limit 21. */
function limit(line: string): [string, readonly [string, string]] {
  return [line.slice(0, 26).trim(), [line.slice(26, 47).trim(), line.slice(47, 68).trim()]]
}

function mount(line: string): MountEntry {
  const [source = '', target = '', type = '', options = ''] = line.split(' ')
  return { source, target: unescapeOctal(target), type, options: options.split(',') }
}

/** The kernel writes white space in a mount's path as octal. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

function route4(line: string): Route4 {
  const [nic = '', destination = '', gateway = '', , , , metric = '', mask = ''] = line.split(/\s+/)
  const length = [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length
  return {
    nic,
    destination: `${dotted(destination)}/${length}`,
    gateway: dotted(gateway),
    metric: Number(metric),
  }
}

/** /proc/net/route shows addresses in the processor's own byte order. */
const dotted = (hex: string): string =>
  (hex.match(/../g) ?? [])
    .map((byte) => Number.parseInt(byte, 16))
    .reverse()
    .join('.')

function route6(line: string): Route6[] {
  const [destination = '', length = '', , , gateway = '', metric = '', , , flags = '', nic = ''] =
    line.split(/\s+/)
  // A route that is not up is the kernel's reject route.
  if ((Number.parseInt(flags, 16) & RTF_UP) === 0) return []
  return [
    {
      nic,
      destination: `${destination}/${Number.parseInt(length, 16)}`,
      gateway,
      metric: Number.parseInt(metric, 16),
    },
  ]
}

function process(line: string): Process[] {
  const found = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(line)
  if (found === null) return []
  const [, pid, name = '', state = '', ppid] = found
  return [{ pid: Number(pid), name, state, ppid: Number(ppid) }]
}

/** `file`, `link` and `content` lines belong together by their order. */
function files(text: string): Map<string, FileEntry> {
  const found = new Map<string, FileEntry>()
  let last = ''
  for (const line of text.split('\n')) {
    const [key, escaped] = splitAt(line, '=')
    const value = unescapeBytes(escaped)
    if (key === 'file') {
      const [path = '', type = '-', mode = '', ...owner] = value.split(' ')
      last = path
      if (type !== '-')
        found.set(path, { type, mode, owner: owner.join(' '), link: undefined, content: undefined })
    }
    const entry = found.get(last)
    if (entry === undefined) continue
    if (key === 'link') found.set(last, { ...entry, link: splitAt(value, ' ')[1] })
    if (key === 'content') found.set(last, { ...entry, content: value })
  }
  return found
}
