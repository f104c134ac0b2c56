import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseCmdline } from '../../../src/config/cmdline.ts'
import { parseCommandLine } from '../../../src/config/layers.ts'
import type { Settings } from '../../../src/config/machine.ts'
import { fromByteText, toByteText } from '../../../src/host/lib/byte-text.ts'
import { type CmdlineData, encodeCmdline } from '../../../src/host/seed/encode-cmdline.ts'
import { formatCidr, formatIp, parseCidr, parseIp } from '../../../src/lib/ip.ts'
import { normalizeTarget } from '../../../src/lib/paths.ts'

const unicode = (text: string): string => fromByteText(text) ?? 'no UTF-8'
const cidr = (text: string): string => {
  const parsed = parseCidr(text)
  return parsed === undefined ? 'none' : formatCidr(parsed)
}
const ip = (text: string): string => formatIp(parseIp(text) ?? new Uint8Array(4))

/** Values in JavaScript's text, whatever they are in. */
const decoded = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value), (_, each) => (typeof each === 'string' ? unicode(each) : each))

/** What PID 1 makes of a command line in which it finds nothing wrong, in the words of `CmdlineData`. */
function told(line: string): unknown {
  const { layer, problems } = parseCommandLine(`${toByteText(line)}\n`)
  expect(problems).toEqual([])
  const { root = {}, settings = {}, nics = [], routes = [], mounts = [], nameServers = [] } = layer
  return decoded({
    root,
    settings,
    init: layer.init,
    args: layer.args,
    hostname: layer.hostname,
    nics: nics.map(({ name, addresses }) => ({ name, addresses: addresses.map(formatCidr) })),
    routes: routes.map(({ family, destination, gateway, nic }) => [
      family,
      destination === undefined ? 'default' : formatCidr(destination),
      gateway === undefined ? nic : formatIp(gateway),
    ]),
    nameservers: nameServers.map(formatIp),
    mounts: mounts.map(({ source, target, type }) => [source, target, type]),
    environment: [...(layer.environment ?? [])],
  })
}

/** The same of the data that went in. */
function expected(data: CmdlineData): unknown {
  const { root = {}, settings = {}, nics = [], routes = [], nameservers = [], environment = {} } = data
  const { init, args, hostname, disks = [], shares = [] } = data
  const family = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
  const all = routes.map(({ to, via }): [4 | 6, string, string] => [
    to === 'default' ? family(via) : family(to),
    to === 'default' || to.endsWith('/0') ? 'default' : cidr(to),
    parseIp(via) === undefined ? via : ip(via),
  ])
  return JSON.parse(
    JSON.stringify({
      root,
      settings,
      init,
      args,
      hostname,
      nics: nics.map(({ name, addresses }) => ({ name, addresses: [...new Set(addresses.map(cidr))] })),
      routes: [...all.filter(([each]) => each === 4), ...all.filter(([each]) => each === 6)],
      nameservers: nameservers.map(ip),
      mounts: [
        ...disks.map(({ name, target }) => [`/dev/${name}`, normalizeTarget(target), 'auto']),
        ...shares.map(({ tag, target }) => [tag, normalizeTarget(target), 'virtiofs']),
      ],
      environment: environment instanceof Map ? [...environment] : Object.entries(environment),
    }),
  )
}

/** Any text that has no quotes or no white space, which is all that can always be carried. */
const anyText = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(...' \t\n\r\v\f"=-\'\\,;.à\xa0a'), maxLength: 12 }),
    fc.constantFrom(
      '',
      '--',
      '"',
      '""',
      '"a"',
      '=',
      '=a',
      'a=b',
      'a="b"',
      'a b',
      ' a',
      'a\n',
      'à panic=0',
      '-- x',
      'x --',
    ),
  )
  .map((text) => text.replaceAll('\0', '\x01'))
const isPlain = (text: string): boolean => !(text.includes('"') && /[\s\xa0]|[^\0-\x7f]/.test(text))
const quotable = anyText.filter(isPlain)
const word = quotable.filter((text) => text !== '')
const argument = quotable.map((text) => text.replaceAll('"', 'q'))
const keyed = argument.map((text) => `k${text.replaceAll('=', 'e')}`)

const cidr4 = fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, prefix]) => `${address}/${prefix}`)
const cidr6 = fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, prefix]) => `${address}/${prefix}`)
const anyIp = fc.oneof(fc.ipV4(), fc.ipV6())
const nicName = fc.nat(99).map((number) => `eth${number}`)
const target = quotable.map((text) => `/mnt/${text.replaceAll('.', '_')}`)

const partial = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [], noNullPrototype: true })

const route = fc.oneof(
  fc.record({ to: fc.oneof(fc.constant('default'), cidr4), via: fc.oneof(fc.ipV4(), nicName) }),
  fc.record({ to: cidr6, via: fc.oneof(fc.ipV6(), nicName) }),
  fc.record({ to: fc.constant('default'), via: fc.ipV6() }),
)
const seconds = fc.nat(999_999_999_999_999)
const settings: fc.Arbitrary<Partial<Settings>> = partial({
  mode: fc.constantFrom('auto', 'supervise', 'exec'),
  onExit: fc.constantFrom('reboot', 'poweroff', 'halt', 'restart'),
  grace: seconds,
  user: word,
  cwd: quotable.map((text) => `/${text}`),
  strict: fc.boolean(),
  log: fc.constantFrom('info', 'quiet', 'debug'),
  logFile: fc.integer({ min: 4096, max: 1 << 30 }),
  timeline: fc.boolean(),
  shell: fc.boolean(),
  inspect: fc.integer({ min: 1, max: 65_535 }),
})
const mountKey = { selector: (each: { target: string }) => normalizeTarget(each.target), maxLength: 3 }
const data: fc.Arbitrary<CmdlineData> = partial({
  root: partial({ source: word, type: word, options: quotable, readOnly: fc.boolean(), delay: seconds }),
  init: word,
  args: fc.array(argument, { maxLength: 5 }),
  hostname: fc.constantFrom('web', 'a-b.c_d'),
  nics: fc.uniqueArray(
    fc.record({ name: nicName, addresses: fc.array(fc.oneof(cidr4, cidr6, anyIp), { maxLength: 3 }) }),
    { selector: ({ name }) => name, maxLength: 3 },
  ),
  routes: fc.array(route, { maxLength: 3 }),
  nameservers: fc.array(anyIp, { maxLength: 3 }),
  disks: fc.uniqueArray(fc.record({ name: fc.constantFrom('vda', 'vdz', 'vdaa', 'vds'), target }), mountKey),
  shares: fc.uniqueArray(
    fc.record({ tag: keyed, target: argument.map((text) => `/share/${text.replaceAll('.', '_')}/s`) }),
    mountKey,
  ),
  environment: fc.dictionary(keyed, argument, { maxKeys: 4, noNullPrototype: true }),
  settings,
})

describe('encodeCmdline', () => {
  it('writes the older generation’s keys', () => {
    expect(
      encodeCmdline({
        root: { source: 'vroot', type: 'virtiofs', readOnly: false, delay: 30 },
        init: '/app',
        args: ['serve', 'a b', '', '--port=80'],
        hostname: 'azmy',
        nics: [
          { name: 'eth0', addresses: ['10.1.1.3/24', 'fd39:775a:4846:1::3/64'] },
          { name: 'eth1', addresses: [] },
        ],
        routes: [
          { to: 'default', via: '10.1.1.1' },
          { to: 'default', via: 'fd39:775a:4846:1::1' },
          { to: '10.1.0.0/16', via: '10.1.1.1' },
          { to: '200::/7', via: 'eth1' },
          { to: '::/0', via: 'eth1' },
        ],
        nameservers: ['8.8.8.8', '1.1.1.1'],
        disks: [{ name: 'vda', target: '/opt/data' }],
        shares: [{ tag: 'docs', target: '/mnt/my docs=all' }],
        environment: { MODE: 'on', EMPTY: '', 'A B': 'c' },
        settings: { onExit: 'poweroff', grace: 3, strict: true, shell: false },
      }).split(' zmachine.'),
    ).toEqual([
      'root=vroot rootfstype=virtiofs rw rootdelay=30 init=/app host=azmy ' +
        'net_eth0=10.1.1.3/24;fd39:775a:4846:1::3/64 net_eth1= ' +
        'net_r4=default,10.1.1.1;10.1.0.0/16,10.1.1.1 ' +
        'net_r6=default,fd39:775a:4846:1::1;200::/7,eth1;default,eth1 ' +
        'net_dns=8.8.8.8;1.1.1.1 vda=/opt/data qsfs_docs="/mnt/my docs=all"',
      'env.MODE=on',
      'env.EMPTY= "zmachine.env.A B=c"',
      'on_exit=poweroff',
      'grace=3',
      'strict',
      'shell=0 -- serve "a b" "" --port=80',
    ])
  })

  it('has nothing for nothing, and says that there are no arguments', () => {
    expect(encodeCmdline({})).toBe('')
    expect(encodeCmdline({ args: [] })).toBe('--')
  })

  it('gives the guest what was put in, behind what the host says', () => {
    fc.assert(
      fc.property(data, (data) => {
        const line = encodeCmdline(data)
        expect(told(`console=ttyS0 ${line}`)).toEqual(expected(data))
        // Whatever comes behind it is a token or an argument of its own.
        const { tokens, args } = parseCmdline(`${line} last`)
        expect(data.args === undefined ? tokens.at(-1)?.key : args.at(-1)).toBe('last')
      }),
      { numRuns: 2000 },
    )
  })

  it('carries any text that has quotes and no white space, or white space and no quotes', () => {
    fc.assert(
      fc.property(quotable, (text) => {
        expect(told(encodeCmdline({ environment: { A: text } }))).toMatchObject({
          environment: [['A', text]],
        })
      }),
      { numRuns: 2000 },
    )
  })

  it('finds each way there is to write quotes and white space', () => {
    const alphabet = fc.string({ unit: fc.constantFrom('"', ' ', 'a', '='), maxLength: 5 })
    fc.assert(
      fc.property(alphabet, alphabet, (before, text) => {
        // Any way that ends in time would have been taken: the kernel removes quotes at the ends and nowhere else.
        const ways = ['', '"'].flatMap((first) =>
          ['', '"'].flatMap((second) =>
            ['', '"'].map((last) => `${first}zmachine.env.A=${second}${text}${last}`),
          ),
        )
        const isPossible = ways.some((way) => {
          const { tokens } = parseCmdline(`${way} next`)
          return tokens.length === 2 && tokens[0]?.key === 'zmachine.env.A' && tokens[0].value === text
        })
        const encode = (): string =>
          encodeCmdline({ environment: { A: text, B: before.replaceAll('"', '') } })
        if (isPossible)
          expect(told(encode())).toMatchObject({
            environment: [
              ['A', text],
              ['B', expect.anything()],
            ],
          })
        else expect(encode).toThrow('environment["A"]: combines double quotes with white space')
      }),
      { numRuns: 3000 },
    )
  })

  it('lets the kernel find no key in a value, though 0xA0 is white space for it', () => {
    expect(encodeCmdline({ environment: { A: 'à' }, args: ['à'] })).toBe('zmachine.env.A="à" -- "à"')
  })

  test.each<[message: string, data: CmdlineData]>([
    ['environment["A"]: combines double quotes with white space', { environment: { A: 'say "a b" c d' } }],
    ['args[1]: combines double quotes', { args: ['a', '"a b" c d'] }],
    ['args[0]: contains a NUL', { args: ['\0'] }],
    ['args[0]: contains half a surrogate pair', { args: ['\udc00'] }],
    ['init: is empty', { init: '' }],
    ['root.source: is empty', { root: { source: '' } }],
    ['root.type: is empty', { root: { type: '' } }],
    ['root.delay: 0.5 is not a whole number', { root: { delay: 0.5 } }],
    ['hostname: "a b" contains', { hostname: 'a b' }],
    ['environment["A=B"]: the name of a variable cannot contain =', { environment: { 'A=B': '' } }],
    ['environment[""]: a variable needs a name', { environment: { '': '' } }],
    ['environment["A"]: contains a NUL', { environment: { A: '\0' } }],
    ['nics[0].name: "wlan0" is not a name like eth0', { nics: [{ name: 'wlan0', addresses: [] }] }],
    ['nics[0].addresses[0]: "x" is not an address', { nics: [{ name: 'eth0', addresses: ['x'] }] }],
    ['nameservers[0]: "x" is not an IP address', { nameservers: ['x'] }],
    ['routes[0].to: "x" is not an address', { routes: [{ to: 'x', via: 'eth0' }] }],
    ['routes[0].via: "10.0.0" is not an IP address', { routes: [{ to: 'default', via: '10.0.0' }] }],
    ['routes[0]: "10.0.0.0/8" and its gateway', { routes: [{ to: '10.0.0.0/8', via: '::1' }] }],
    ['disks[0]: "sda" is not a disk like vda', { disks: [{ name: 'sda', target: '/a' }] }],
    ['disks[0]: "vdso" is not a disk', { disks: [{ name: 'vdso', target: '/a' }] }],
    ['disks[0].target: "/" is not a valid mount point', { disks: [{ name: 'vda', target: '/' }] }],
    ['shares[0].tag: is empty', { shares: [{ tag: '', target: '/a' }] }],
    ['shares[0].tag: "a=b" contains =', { shares: [{ tag: 'a=b', target: '/a' }] }],
    [
      'shares[0].target: "/a" is given twice',
      { disks: [{ name: 'vda', target: '/a' }], shares: [{ tag: 'a', target: '/a/' }] },
    ],
    ['settings.cwd: "app" is not an absolute path', { settings: { cwd: 'app' } }],
    ['settings.user: is empty', { settings: { user: '' } }],
    ['settings.grace: -1 is not', { settings: { grace: -1 } }],
    ['the command line: 2063 bytes', { environment: { A: 'a'.repeat(2048) } }],
    [
      'the command line: 32 keys',
      { shares: Array.from({ length: 32 }, (_, i) => ({ tag: `${i}`, target: `/${i}` })) },
    ],
    ['args: 33 arguments', { args: Array(33).fill('a') }],
  ])('refuses what it can not carry: %s', (message, data) => {
    expect(() => encodeCmdline(data)).toThrow(RangeError)
    expect(() => encodeCmdline(data)).toThrow(message)
  })

  it('refuses two NICs of one name, of which the guest would keep the last', () => {
    const nic = { name: 'eth0', addresses: [] }
    expect(() => encodeCmdline({ nics: [nic, nic] })).toThrow('nics[1].name: "eth0" is given twice')
  })

  it('shows no value of a variable or an argument', () => {
    const secret = '"s3cret a" b c'
    expect(() => encodeCmdline({ environment: { A: secret } })).toThrow(/^(?!.*s3cret)/)
    expect(() => encodeCmdline({ args: [secret] })).toThrow(/^(?!.*s3cret)/)
  })

  it('refuses, or loses nothing, whatever is in the texts', () => {
    const wild = fc.oneof(
      anyText,
      fc.constantFrom('\0', '\ud800', '/', '..', '__proto__', '0.0.0.0/0', 'eth0', '1.2.3.4'),
    )
    const one = fc.oneof<fc.Arbitrary<CmdlineData>[]>(
      fc.array(wild, { maxLength: 3 }).map((args) => ({ args })),
      wild.map((init) => ({ init })),
      wild.map((hostname) => ({ hostname })),
      fc.record({ source: wild, type: wild, options: wild }).map((root) => ({ root })),
      fc.record({ user: wild, cwd: wild }).map((settings) => ({ settings })),
      fc.record({ name: wild, target: wild }).map((disk) => ({ disks: [disk] })),
      fc.record({ tag: wild, target: wild }).map((share) => ({ shares: [share] })),
      fc.record({ to: wild, via: wild }).map((route) => ({ routes: [route] })),
      fc.tuple(wild, wild).map((pair) => ({ environment: new Map([pair]) })),
    )
    let tried = 0
    let carried = 0
    fc.assert(
      fc.property(one, (data) => {
        tried++
        let line: string
        try {
          line = encodeCmdline(data)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
          return
        }
        carried++
        expect(told(line)).toEqual(expected(data))
      }),
      { numRuns: 5000 },
    )
    expect(carried).toBeGreaterThan(tried / 5)
  })
})
