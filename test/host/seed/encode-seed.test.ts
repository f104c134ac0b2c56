import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import * as library from 'yaml'
import type { MachineConfig, RouteConfig } from '../../../src/config/machine.ts'
import { merge } from '../../../src/config/merge.ts'
import { parseSeed, SEED_FILE_NAMES, type SeedFiles } from '../../../src/config/seed.ts'
import { fromByteText, toByteText } from '../../../src/host/lib/byte-text.ts'
import {
  type EncodedSeed,
  encodeSeed,
  type SeedData,
  type SeedNic,
  type SeedRoute,
} from '../../../src/host/seed/encode-seed.ts'
import { formatCidr, formatIp, parseCidr, parseIp, parseMac } from '../../../src/lib/ip.ts'
import { normalizeTarget } from '../../../src/lib/paths.ts'
import { seedFile } from '../../bytes.ts'

const SEEDS = ['private-mycelium', 'minimal-nil-gateway', 'quoting', 'light', 'selftest']

/** The files as PID 1 reads them from the disk. */
const filesOf = (encoded: EncodedSeed): SeedFiles =>
  Object.fromEntries(
    Object.entries(encoded).map(([name, text]) => [
      SEED_FILE_NAMES.find(([, file]) => file === name)?.[0] ?? name,
      toByteText(text),
    ]),
  )

/** What PID 1 makes of files in which it finds nothing wrong. */
function configOf(files: SeedFiles): MachineConfig {
  const { layers, problems } = parseSeed(files, 'seed')
  expect(problems).toEqual([])
  return merge(layers)
}

const unicode = (text: string): string => fromByteText(text) ?? 'no UTF-8'
const cidr = (text: string): string => {
  const parsed = parseCidr(text)
  return parsed === undefined ? 'none' : formatCidr(parsed)
}
const ip = (text: string): string => formatIp(parseIp(text) ?? new Uint8Array(4))
const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]

/** A configuration in the words of `SeedData`. */
function told(config: MachineConfig) {
  return {
    hostname: config.hostname,
    nics: config.nics.map(({ addresses, ...nic }) => ({ ...nic, addresses: addresses.map(formatCidr) })),
    routes: config.routes.map(({ destination, gateway, ...route }) => ({
      ...route,
      to: destination === undefined ? 'default' : formatCidr(destination),
      via: gateway === undefined ? undefined : formatIp(gateway),
    })),
    servers: config.dns.servers.map(formatIp),
    search: config.dns.search.map(unicode),
    mounts: config.mounts.map(({ source, target, type, options }) =>
      [source, target, type, options].map(unicode),
    ),
    authorizedKeys: config.authorizedKeys.map(unicode),
    environment: Object.fromEntries([...config.environment].map((pair) => pair.map(unicode))),
    entrypoint: config.origins.has('init')
      ? { init: unicode(config.init), args: config.args.map(unicode) }
      : undefined,
  }
}

/** The same of the data that went in, after what the guest makes of every seed. */
function expected(data: SeedData): ReturnType<typeof told> {
  const { nics = [], mounts = [], environment = {} } = data
  const variables = environment instanceof Map ? Object.fromEntries(environment) : environment
  return {
    hostname: data.hostname,
    nics: nics.map((nic) => ({
      name: nic.name,
      mac: parseMac(nic.mac) ?? 'none',
      dhcp4: nic.dhcp4 ?? false,
      addresses: unique(nic.addresses.map(cidr)),
      ...(nic.mtu !== undefined && { mtu: nic.mtu }),
      ...(nic.setName !== undefined && { setName: nic.setName }),
    })),
    routes: nics.flatMap((nic) => routesOf(nic).map((route) => ({ ...route, nic: nic.name }))),
    servers: unique(nics.flatMap(({ nameservers = [] }) => nameservers.map(ip))),
    search: unique(nics.flatMap(({ search = [] }) => search)),
    mounts: mounts.map(({ source, target, type = 'auto', options = 'defaults' }) => [
      type !== 'virtiofs' && type !== '9p' && /^x?[svh]d[a-z]+\d*$/.test(source) ? `/dev/${source}` : source,
      normalizeTarget(target) ?? 'none',
      type,
      options,
    ]),
    authorizedKeys: unique(
      (data.authorizedKeys ?? []).map((key) => key.replace(/^[ \t-\r]+|[ \t-\r]+$/g, '')),
    ),
    environment: { ...Object.fromEntries(merge([]).environment), ...variables },
    entrypoint:
      data.entrypoint === undefined ? undefined : { ...data.entrypoint, args: [...data.entrypoint.args] },
  }
}

function routesOf({ gateway4, gateway6, routes = [] }: SeedNic) {
  const family = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
  const gateways = [gateway4, gateway6].filter((via) => via !== undefined)
  return [...gateways.map((via): SeedRoute => ({ to: 'default', via })), ...routes].map(
    ({ to, via, metric, onLink = false }) => ({
      to: to === 'default' || to.endsWith('/0') ? 'default' : cidr(to),
      via: via === undefined ? undefined : ip(via),
      family: to === 'default' ? family(via ?? '') : family(to),
      metric,
      onLink,
    }),
  )
}

const withoutNul = (text: string): string => text.replaceAll('\0', '\x01')
/** Texts that YAML, a shell or a terminal could stumble over, and any. */
const anyText = fc
  .oneof(
    fc.constantFrom(
      ...[
        '',
        ' ',
        '-',
        '- a',
        'a: b',
        'a #b',
        '#',
        '---',
        '...',
        '[a',
        '{',
        '&a',
        '*a',
        '!t',
        '|',
        '>-',
        '%',
        '@',
      ],
      ...[
        'null',
        '~',
        'true',
        'no',
        'Off',
        'y',
        'N',
        '1',
        '0x1f',
        '0o17',
        '017',
        '1e3',
        '.inf',
        '.NaN',
        '<<',
        '=',
      ],
      ...[
        '2026-11-23',
        '2001-12-14t21:59:43.10-05:00',
        '54:43:83:22:22:22',
        '190:20:30',
        '1_000',
        '+1',
        '-.5',
      ],
      ...[
        '\t',
        'a\t',
        '\n',
        'a\nb\n',
        '\r\n',
        '\x1b[2J',
        '\x7f',
        '\x85',
        '\xa0',
        '\u2028',
        '\ufeff',
        '\uffff',
      ],
      ...[
        "it's",
        '"',
        '\\',
        '\\n',
        '`id`',
        '$HOME',
        '$(id)',
        "'; rm -rf /; '",
        'à',
        'héllo → 世界 🚀',
        '<nil>',
      ],
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(...' \n\t:-#"\'\\[]{},&*!|>%@`?~ab1/='), maxLength: 20 }),
  )
  .map(withoutNul)
const anyWord = anyText.filter((text) => text !== '')

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: length, maxLength: length })
const mac = fc
  .tuple(fc.array(hex(2), { minLength: 6, maxLength: 6 }), fc.constantFrom(':', '-'))
  .map(([bytes, separator]) => bytes.join(separator))
const cidr4 = fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, prefix]) => `${address}/${prefix}`)
const cidr6 = fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, prefix]) => `${address}/${prefix}`)
const anyIp = fc.oneof(fc.ipV4(), fc.ipV6())
const anyCidr = fc.oneof(cidr4, cidr6, anyIp)
const interfaceName = fc
  .string({ unit: fc.constantFrom(...'eth0129_.-yno'), minLength: 1, maxLength: 15 })
  .filter((name) => name !== '.' && name !== '..')
const hostname = fc
  .string({ unit: fc.constantFrom(...'abcxyzNO0189_.-'), minLength: 1, maxLength: 64 })
  .filter((name) => !/^[.-]/.test(name))

/** A record whose optional fields may be missing. */
const partial = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }, required: (keyof T)[]) =>
  fc.record(fields, { requiredKeys: required, noNullPrototype: true })

const more = { metric: fc.nat(0xffff_ffff), onLink: fc.boolean() }
const route = fc.oneof(
  partial({ to: fc.oneof(fc.constant('default'), cidr4), via: fc.ipV4(), ...more }, ['to']),
  partial({ to: cidr6, via: fc.ipV6(), ...more }, ['to']),
  partial({ to: fc.constant('default'), via: fc.ipV6(), ...more }, ['to', 'via']),
)
const nic = partial(
  {
    name: interfaceName,
    mac,
    addresses: fc.array(anyCidr, { maxLength: 3 }),
    gateway4: fc.ipV4(),
    gateway6: fc.ipV6(),
    routes: fc.array(route, { maxLength: 3 }),
    nameservers: fc.array(anyIp, { maxLength: 3 }),
    search: fc.array(
      anyText.filter((text) => /^[^\0- #;]+$/.test(text)),
      { maxLength: 3 },
    ),
    mtu: fc.integer({ min: 68, max: 65535 }),
    dhcp4: fc.boolean(),
    setName: interfaceName,
  },
  ['name', 'mac', 'addresses'],
)
const target = fc.oneof(
  anyText.map((text) => `/mnt/${text.replaceAll('.', '_')}`),
  fc.constantFrom('/data', 'data', '/a/../b', '//a//b/./c/'),
)
const mount = partial(
  {
    source: fc.oneof(fc.constantFrom('/dev/vda', 'vdb', 'sda1', 'LABEL=a', 'tag'), anyWord),
    target,
    type: fc.oneof(fc.constantFrom('auto', 'virtiofs', '9p', 'ext4'), anyWord),
    options: fc.oneof(fc.constantFrom('defaults', 'ro,nofail'), anyText),
  },
  ['source', 'target'],
)
const key = fc.oneof(
  anyText
    .map((text) => text.replaceAll('\n', ' ').replaceAll('#', 'k'))
    .filter((text) => /[^ \t-\r]/.test(text)),
  fc.constantFrom(
    'ssh-ed25519 AAAAC3Nz ops@example',
    'ssh-rsa AAAA #1\n',
    '  command="a \\"b\\"" ssh-rsa AAAA  ',
  ),
)
const variable = anyWord.filter((name) => !name.includes('=') && name !== '__proto__')
const environment = fc.dictionary(variable, anyText, { maxKeys: 5, noNullPrototype: true })

const seed: fc.Arbitrary<SeedData> = partial(
  {
    instanceId: anyText,
    hostname,
    nics: fc.uniqueArray(nic, { maxLength: 3, selector: ({ name }) => name }),
    mounts: fc.uniqueArray(mount, { maxLength: 4, selector: (each) => normalizeTarget(each.target) }),
    authorizedKeys: fc.array(key, { maxLength: 3 }),
    environment: fc.oneof(
      environment,
      environment.map((record) => new Map(Object.entries(record))),
    ),
    entrypoint: fc.record(
      { init: anyWord, args: fc.array(anyText, { maxLength: 4 }) },
      { noNullPrototype: true },
    ),
  },
  [],
)

describe('encodeSeed', () => {
  it('writes what a host writes', () => {
    expect(
      encodeSeed({
        instanceId: '9',
        hostname: 'web',
        nics: [
          {
            name: 'eth0',
            mac: '54:43:83:2B:2F:8F',
            addresses: ['10.20.2.2/24', 'fd39::2/64'],
            gateway4: '10.20.2.1',
            gateway6: 'fe80::1',
            routes: [{ to: '10.99.0.0/16' }, { to: 'default', via: '10.20.2.9', metric: 5, onLink: true }],
            nameservers: ['8.8.8.8'],
            search: ['example.com'],
            mtu: 1400,
            setName: 'priv',
          },
        ],
        mounts: [{ source: '/dev/vda', target: '/data' }],
        authorizedKeys: ['ssh-ed25519 AAAA ops@example\n'],
        environment: { MODE: "it's", 'MY-VAR': '', 'a $b': 'c' },
        entrypoint: { init: '/app', args: ['a b', ''] },
      }),
    ).toEqual({
      'meta-data': '#cloud-config\ninstance-id: "9"\nlocal-hostname: web\n',
      'network-config': `#cloud-config
ethernets:
  eth0:
    match:
      macaddress: "54:43:83:2b:2f:8f"
    dhcp4: false
    addresses:
    - "10.20.2.2/24"
    - "fd39::2/64"
    gateway4: "10.20.2.1"
    gateway6: "fe80::1"
    routes:
    - to: "10.99.0.0/16"
    - to: default
      via: "10.20.2.9"
      metric: 5
      on-link: true
    nameservers:
      addresses:
      - "8.8.8.8"
      search:
      - example.com
    mtu: 1400
    set-name: priv
version: 2
`,
      'user-data': `#cloud-config
mounts:
- - /dev/vda
  - /data
  - auto
  - defaults
  - "0"
  - "0"
users:
- name: root
  ssh_authorized_keys:
  - "ssh-ed25519 AAAA ops@example"
`,
      zosrc: `export MODE='it'"'"'s'
export MY-VAR=''
export 'a $b'='c'
init='/app'
set -- 'a b' ''
`,
    })
  })

  it('has a good file even for nothing', () => {
    expect(encodeSeed({})).toEqual({
      'meta-data': '#cloud-config\n',
      'network-config': '#cloud-config\nethernets: {}\nversion: 2\n',
      'user-data': '#cloud-config\nmounts: []\nusers: []\n',
      zosrc: '',
    })
    expect(told(configOf(filesOf(encodeSeed({}))))).toEqual(expected({}))
  })

  it('says that there are no arguments, so that none of a weaker source apply', () => {
    const { layers } = parseSeed(filesOf(encodeSeed({ entrypoint: { init: '/app', args: [] } })), 'seed')
    expect(merge([{ source: 'root', args: ['x'] }, ...layers]).args).toEqual([])
  })

  it('gives the guest what was put in, whatever that is', () => {
    fc.assert(
      fc.property(seed, (data) => {
        expect(told(configOf(filesOf(encodeSeed(data))))).toEqual(expected(data))
      }),
      { numRuns: 1000 },
    )
  })

  test.each(['1.1', '1.2'] as const)('is read by a library of YAML %s as it is by the guest', (version) => {
    const read = (text: string): unknown => library.parse(text, { version, logLevel: 'error' })
    fc.assert(
      fc.property(seed, (data) => {
        const encoded = encodeSeed(data)
        const { nics, mounts, authorizedKeys } = expected(data)
        expect(read(encoded['meta-data']) ?? {}).toEqual({
          ...(data.instanceId !== undefined && { 'instance-id': data.instanceId }),
          ...(data.hostname !== undefined && { 'local-hostname': data.hostname }),
        })
        expect(read(encoded['user-data'])).toEqual({
          mounts: mounts.map((fields, index) => [data.mounts?.[index]?.source, ...fields.slice(1), '0', '0']),
          users:
            authorizedKeys.length === 0
              ? []
              : [{ name: 'root', ssh_authorized_keys: expect.arrayContaining(authorizedKeys) }],
        })
        expect(read(encoded['network-config'])).toEqual({
          version: 2,
          ethernets: Object.fromEntries(nics.map(({ name }, index) => [name, netplanOf(data.nics?.[index])])),
        })
      }),
      { numRuns: 300 },
    )
  })

  test.each(SEEDS)('says what the host says in %s', (name) => {
    const files: SeedFiles = Object.fromEntries(
      SEED_FILE_NAMES.map(([key, file]) => [key, seedFile(name, file)]),
    )
    const config = configOf(files)
    const again = encodeSeed(dataOf(config))
    expect(configOf(filesOf(again))).toEqual(config)
    expect(toByteText(again.zosrc)).toBe(files.zosrc)
  })

  test.each<[message: string, data: SeedData]>([
    ['environment["A"]: contains a NUL', { environment: { A: 'x\0' } }],
    ['environment["A\\u0000"]: contains a NUL', { environment: { 'A\0': 'x' } }],
    ['environment["A=B"]: the name of a variable cannot contain =', { environment: { 'A=B': 'x' } }],
    ['environment[""]: a variable needs a name', { environment: new Map([['', 'x']]) }],
    ['environment["A"]: contains half a surrogate pair', { environment: { A: '\ud800' } }],
    ['entrypoint.init: is empty', { entrypoint: { init: '', args: [] } }],
    ['entrypoint.args[1]: contains a NUL', { entrypoint: { init: '/a', args: ['a', '\0'] } }],
    ['hostname: "a b" contains', { hostname: 'a b' }],
    ['instanceId: contains a NUL', { instanceId: '\0' }],
    ['authorizedKeys[0]: is empty', { authorizedKeys: [' \n'] }],
    ['authorizedKeys[1]: has several lines', { authorizedKeys: ['a', 'b\nc'] }],
    ['authorizedKeys[0]: is a comment', { authorizedKeys: ['# key'] }],
    ['mounts[0].source: is empty', { mounts: [{ source: '', target: '/a' }] }],
    ['mounts[0].type: is empty', { mounts: [{ source: 'a', target: '/a', type: '' }] }],
    ['mounts[0].target: "/.." is not a valid mount point', { mounts: [{ source: 'a', target: '/..' }] }],
    ['mounts[0]: "a" has no mount point', { mounts: [{ source: 'a', target: 'none' }] }],
    ['mounts[0]: "a" has no mount point', { mounts: [{ source: 'a', target: '/a', type: 'swap' }] }],
    [
      'mounts[1].target: "/a" is given twice',
      {
        mounts: [
          { source: 'a', target: '/a' },
          { source: 'b', target: '/b/../a' },
        ],
      },
    ],
  ])('refuses what it can not carry: %s', (message, data) => {
    expect(() => encodeSeed(data)).toThrow(RangeError)
    expect(() => encodeSeed(data)).toThrow(message)
  })

  test.each<[message: string, nic: Partial<SeedNic>]>([
    ['nics[0].name: "" is not an interface', { name: '' }],
    ['nics[0].name: "a b" is not an interface', { name: 'a b' }],
    ['nics[0].mac: "52:54" is not a MAC', { mac: '52:54' }],
    ['nics[0].addresses[0]: "10.0.0.300/24" is not an address', { addresses: ['10.0.0.300/24'] }],
    ['nics[0].gateway4: "fe80::1" is not an IPv4 address', { gateway4: 'fe80::1' }],
    ['nics[0].gateway6: "x" is not an IP address', { gateway6: 'x' }],
    ['nics[0].nameservers[0]: "dns" is not an IP address', { nameservers: ['dns'] }],
    ['nics[0].search[0]: "a b" is not a search domain', { search: ['a b'] }],
    ['nics[0].mtu: 67 is not a whole number from 68 to 65535', { mtu: 67 }],
    ['nics[0].mtu: 1500.5 is not', { mtu: 1500.5 }],
    ['nics[0].setName: "eth0:1" is not an interface', { setName: 'eth0:1' }],
    ['nics[0].routes[0].to: "x" is not an address', { routes: [{ to: 'x' }] }],
    ['nics[0].routes[0].via: "<nil>" is not an IP', { routes: [{ to: 'default', via: '<nil>' }] }],
    ['nics[0].routes[0].metric: -1 is not', { routes: [{ to: 'default', metric: -1 }] }],
    ['nics[0].routes[0]: "10.0.0.0/8" and its gateway', { routes: [{ to: '10.0.0.0/8', via: 'fe80::1' }] }],
  ])('refuses a NIC that the guest would not take: %s', (message, nic) => {
    const good = { name: 'eth0', mac: '52:54:00:00:00:01', addresses: [] }
    expect(() => encodeSeed({ nics: [{ ...good, ...nic }] })).toThrow(message)
    expect(() => encodeSeed({ nics: [good, good] })).toThrow('nics[1].name: "eth0" is given twice')
  })

  it('shows no value of a variable or an argument', () => {
    const secret = 's3cret\0'
    for (const data of [{ environment: { A: secret } }, { entrypoint: { init: '/a', args: [secret] } }]) {
      expect(() => encodeSeed(data)).toThrow(/^(?!.*s3cret)/)
    }
  })

  it('refuses, or loses nothing, whatever is in the texts', () => {
    const wild = fc.oneof(
      anyText,
      fc.constantFrom(
        '\0',
        '\ud800',
        'swap',
        'none',
        '__proto__',
        'constructor',
        '/',
        '..',
        '#',
        '10.0.0.1',
        '::/0',
        '+1.0.0.1',
      ),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./ -\n'), maxLength: 20 }),
    )
    const list = fc.array(wild, { maxLength: 1 })
    const mounts = partial({ source: wild, target: wild, type: wild, options: wild }, ['source', 'target'])
    const nics = partial(
      {
        name: wild,
        mac,
        addresses: list,
        nameservers: list,
        search: list,
        gateway4: wild,
        setName: wild,
        mtu: fc.double(),
      },
      ['name', 'mac', 'addresses'],
    )
    const one = fc.oneof<fc.Arbitrary<SeedData>[]>(
      wild.map((hostname) => ({ hostname })),
      wild.map((instanceId) => ({ instanceId })),
      list.map((authorizedKeys) => ({ authorizedKeys })),
      mounts.map((mount) => ({ mounts: [mount] })),
      nics.map((nic) => ({ nics: [nic] })),
      fc.tuple(wild, wild).map((pair) => ({ environment: new Map([pair]) })),
      fc.tuple(wild, list).map(([init, args]) => ({ entrypoint: { init, args } })),
    )
    let tried = 0
    let carried = 0
    fc.assert(
      fc.property(one, (data) => {
        tried++
        let encoded: EncodedSeed
        try {
          encoded = encodeSeed(data)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
          return
        }
        carried++
        expect(told(configOf(filesOf(encoded)))).toEqual(expected(data))
      }),
      { numRuns: 5000 },
    )
    expect(carried).toBeGreaterThan(tried / 5)
  })
})

/** What netplan's own YAML is for a NIC. */
function netplanOf(nic: SeedNic | undefined): unknown {
  if (nic === undefined) return undefined
  const { routes = [], nameservers = [], search = [] } = nic
  const dns = {
    ...(nameservers.length > 0 && { addresses: nameservers.map(ip) }),
    ...(search.length > 0 && { search }),
  }
  return {
    match: { macaddress: parseMac(nic.mac) },
    dhcp4: nic.dhcp4 ?? false,
    addresses: nic.addresses.map(cidr),
    ...(nic.gateway4 !== undefined && { gateway4: ip(nic.gateway4) }),
    ...(nic.gateway6 !== undefined && { gateway6: ip(nic.gateway6) }),
    ...(routes.length > 0 && {
      routes: routes.map(({ to, via, metric, onLink }) => ({
        to: to === 'default' ? to : cidr(to),
        ...(via !== undefined && { via: ip(via) }),
        ...(metric !== undefined && { metric }),
        ...(onLink === true && { 'on-link': true }),
      })),
    }),
    ...(Object.keys(dns).length > 0 && { nameservers: dns }),
    ...(nic.mtu !== undefined && { mtu: nic.mtu }),
    ...(nic.setName !== undefined && { 'set-name': nic.setName }),
  }
}

/** A guest's configuration as the data that it would be made of. */
function dataOf(config: MachineConfig): SeedData {
  const { hostname, nics, mounts, routes, authorizedKeys, origins } = config
  const environment = [...config.environment].filter(([name]) => origins.has(`env.${name}`))
  return {
    ...(hostname !== undefined && { hostname }),
    nics: nics.map((nic, index) => ({
      ...nic,
      mac: nic.mac ?? 'none',
      addresses: nic.addresses.map(formatCidr),
      routes: routes.filter((each) => each.nic === nic.name).map(routeOf),
      // A guest doesn't keep which NIC they were of.
      nameservers: index === 0 ? config.dns.servers.map(formatIp) : [],
    })),
    mounts,
    authorizedKeys: authorizedKeys.map(unicode),
    environment: new Map(environment.map(([name, value]) => [name, unicode(value)])),
    ...(origins.has('init') && { entrypoint: { init: config.init, args: config.args.map(unicode) } }),
  }
}

const routeOf = ({ destination, gateway, metric, onLink }: RouteConfig): SeedRoute => ({
  to: destination === undefined ? 'default' : formatCidr(destination),
  ...(gateway !== undefined && { via: formatIp(gateway) }),
  ...(metric !== undefined && { metric }),
  onLink,
})
