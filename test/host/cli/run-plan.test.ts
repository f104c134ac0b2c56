import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SEED_FILE_NAMES, type SeedFiles } from '../../../src/config/seed.ts'
import { readVariable } from '../../../src/host/cli/option-values.ts'
import { readRunOptions } from '../../../src/host/cli/run-options.ts'
import { type Configuration, configurationOf, type Facts } from '../../../src/host/cli/run-plan.ts'
import { readStartup } from '../../../src/host/image/startup-toml.ts'
import { fromByteText, toByteText } from '../../../src/host/lib/byte-text.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { defaultMac, kernelCmdline, qemuArgs } from '../../../src/host/machine/qemu.ts'
import { DEFAULT_SOURCE, type PlanResult, planOf } from '../../../src/host/plan/plan-result.ts'
import { formatCidr, formatIp } from '../../../src/lib/ip.ts'

const STARTUP = `
[startup.entry]
name = "core.system"
[startup.entry.args]
name = "/app"
args = ["serve", "two words"]
[startup.entry.args.env]
ROOT = "of root"
BOTH = "of root"
`

const startup = readStartup(STARTUP, () => true)

const FACTS: Facts = {
  kind: 'container',
  startup: undefined,
  environment: new Map(),
  sshKeys: [],
  hostname: 'named',
}

/** The options' own variables are read as the command reads them. */
function configured(argv: readonly string[], facts: Partial<Facts> = {}): Configuration {
  const request = readRunOptions([...argv.slice(0, cut(argv)), 'root', ...argv.slice(cut(argv))])
  if (request === 'help') throw new Error('help')
  const environment = new Map(request.environment.map(([name, value]) => [name, value ?? '']))
  return configurationOf(request, { ...FACTS, environment, sshKeys: request.sshKeys, ...facts })
}

const cut = (argv: readonly string[]): number => {
  const end = argv.indexOf('--')
  return end < 0 ? argv.length : end
}

/** What PID 1 makes of it, with nothing wrong. */
function planned(argv: readonly string[], facts: Partial<Facts> = {}): PlanResult {
  const { cmdline, seed } = configured(argv, facts)
  const line = kernelCmdline({ root: { kind: 'virtiofs', directory: '/root' }, cmdline })
  const files: { -readonly [K in keyof SeedFiles]: string } = {}
  for (const [key, name] of SEED_FILE_NAMES) {
    const text = Object.entries(seed ?? {}).find(([file]) => file === name)?.[1]
    if (text !== undefined) files[key] = toByteText(text)
  }
  const result = planOf({
    cmdline: `${toByteText(line)}\n`,
    seed: seed === undefined ? undefined : { files, problems: [] },
    // PID 1 reads the file itself.
    readRoot: (path) => (path === '/.startup.toml' && facts?.startup !== undefined ? STARTUP : undefined),
  })
  expect(result.problems).toEqual([])
  expect(result.refusals).toEqual([])
  return result
}

const unicode = (text: string): string => fromByteText(text) ?? 'no UTF-8'

/** What the tests ask of a plan, in text. */
function summary({ config, originOf, routes }: PlanResult) {
  const given = [...config.environment].filter(([name]) => originOf(`env.${name}`) !== DEFAULT_SOURCE)
  return {
    hostname: config.hostname,
    init: unicode(config.init),
    args: config.args.map(unicode),
    environment: Object.fromEntries(given.map((each) => each.map(unicode))),
    nics: config.nics.map(({ name, addresses, dhcp4 = false }) => ({
      name,
      addresses: addresses.map(formatCidr),
      dhcp4,
    })),
    routes: routes.map(({ value }) => (value.gateway === undefined ? 'none' : formatIp(value.gateway))),
    dns: config.dns.servers.map(formatIp),
    mounts: config.mounts.map(({ source, target, type, options }) =>
      [source, target, type, options === '' ? 'defaults' : options].map(unicode),
    ),
  }
}

function refusal(argv: readonly string[], facts: Partial<Facts> = {}): string {
  try {
    configured(argv, facts)
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}\n${error.hint ?? ''}`
    throw error
  }
  return 'none'
}

const PROTOCOLS = [
  ['a seed', []],
  ['the command line', ['--protocol', 'cmdline']],
] as const

describe.each(PROTOCOLS)('by %s', (_, protocol) => {
  const plan = (argv: readonly string[], facts: Partial<Facts> = {}) =>
    summary(planned([...protocol, ...argv], facts))

  test('everything arrives', () => {
    const line =
      '-e A=1 -e MY-VAR=it\'s"here" -e ZOE=Zoë=日本 -e EMPTY= --hostname web ' +
      '--disk /a:/data --disk /b --disk new:1G:/scratch -v /srv:/www -v /x:/y ' +
      '--ip 10.1.2.3/24 --ip fd00::3/64 --gateway 10.1.2.9 --gateway fd00::1 --dns 1.1.1.1 --dns fd00::53'
    const argv = [...line.split(' '), '-e', 'SPACED=a b', '--', '/bin/sh', '-c', 'echo $A', '']
    expect(plan(argv)).toEqual({
      hostname: 'web',
      init: '/bin/sh',
      args: ['-c', 'echo $A', ''],
      environment: {
        A: '1',
        'MY-VAR': 'it\'s"here"',
        ZOE: 'Zoë=日本',
        EMPTY: '',
        SPACED: 'a b',
      },
      nics: [{ name: 'eth0', addresses: ['10.1.2.3/24', 'fd00::3/64'], dhcp4: false }],
      routes: ['10.1.2.9', 'fd00::1'],
      dns: ['1.1.1.1', 'fd00::53'],
      mounts: [
        ['/dev/vda', '/data', 'auto', 'defaults'],
        ['/dev/vdc', '/scratch', 'auto', 'defaults'],
        ['volume0', '/www', 'virtiofs', 'defaults'],
        ['volume1', '/y', 'virtiofs', 'defaults'],
      ],
    })
  })

  test('what follows -- goes before /.startup.toml', () => {
    expect(plan(['--', 'ls', '-l'], { startup })).toMatchObject({ init: 'ls', args: ['-l'] })
  })

  test('/.startup.toml is next, with its arguments', () => {
    expect(plan([], { startup })).toMatchObject({ init: '/app', args: ['serve', 'two words'] })
  })

  test('--entrypoint takes the arguments of /.startup.toml away', () => {
    expect(plan(['--entrypoint', 'sh'], { startup })).toMatchObject({ init: 'sh', args: [] })
    expect(plan(['--entrypoint', 'sh', '--', '-x', '--'], { startup })).toMatchObject({ args: ['-x', '--'] })
  })

  test('with neither, the root decides', () => {
    const { config, originOf } = planned([...protocol])
    expect([config.init, originOf('init'), originOf('args')]).toEqual(['/sbin/init', 'default', 'default'])
  })

  test('a variable of the options goes before one of /.startup.toml', () => {
    expect(plan(['-e', 'BOTH=given', '-e', 'ROOT2=x'], { startup }).environment).toEqual({
      ROOT: 'of root',
      BOTH: 'given',
      ROOT2: 'x',
    })
  })

  test('the hostname is the root’s where none is given', () => expect(plan([]).hostname).toBe('named'))

  test('QEMU’s network is known without asking for it', () => {
    const { nics, routes, dns } = plan([])
    expect(nics).toEqual([{ name: 'eth0', addresses: ['10.0.2.15/24'], dhcp4: false }])
    expect([routes, dns]).toEqual([['10.0.2.2'], ['10.0.2.3']])
  })

  test('an IPv6 address comes beside it', () => {
    const { nics, routes, dns } = plan(['--ip', 'fd00::3/64', '--gateway', 'fd00::1', '--dns', 'fd00::53'])
    expect(nics[0]?.addresses).toEqual(['10.0.2.15/24', 'fd00::3/64'])
    expect([routes, dns]).toEqual([['10.0.2.2', 'fd00::1'], ['fd00::53']])
  })

  test('a tap interface has what was given and nothing else', () => {
    const { nics, routes, dns } = plan(['--network', 'tap=tap0', '--ip', '10.1.2.3/24'])
    expect(nics).toEqual([{ name: 'eth0', addresses: ['10.1.2.3/24'], dhcp4: false }])
    expect([routes, dns]).toEqual([[], []])
    const more = plan([
      ...['--network', 'tap=tap0', '--ip', '10.1.2.3/32', '--gateway', '10.9.9.9', '--dns', '9.9.9.9'],
    ])
    expect([more.routes, more.dns]).toEqual([['10.9.9.9'], ['9.9.9.9']])
  })

  test('--network none has no NIC', () => {
    const { nics, routes, dns } = plan(['--network', 'none'])
    expect([nics, routes, dns]).toEqual([[], [], []])
    expect(configured([...protocol, '--network', 'none']).nics).toEqual([])
  })

  test('PID 1 is told who runs the entrypoint and where, and switches off after it', () => {
    const { settings } = planned([...protocol, '-u', '1000:50', '-w', '/srv/a b']).config
    expect(settings).toMatchObject({ user: '1000:50', cwd: '/srv/a b', onExit: 'poweroff', timeline: true })
    expect(settings.log).toBe('quiet')
  })

  test('--verbose shows what it says', () => {
    const { config } = planned([...protocol, '--verbose'])
    expect(config.settings.log).toBe('info')
    expect(configured([...protocol, '--verbose']).cmdline).not.toMatch(/\bquiet\b/)
  })

  test('--cmdline goes before what the command itself says', () => {
    const { config } = planned([
      ...protocol,
      '--cmdline',
      'zmachine.on_exit=halt zmachine.grace=3',
      '--',
      'sh',
    ])
    expect(config.settings).toMatchObject({ onExit: 'halt', grace: 3 })
    expect(config.init).toBe('sh')
  })

  test('but not its timeline, which says when a piped stdin may be attached', () => {
    const { settings } = planned([...protocol, '--cmdline', 'zmachine.timeline=0']).config
    expect(settings.timeline).toBe(true)
  })

  test('shares have the tags that the mounts name', () => {
    expect(configured([...protocol, '-v', '/a:/b', '-v', '/c:/d:ro']).shares).toEqual([
      { tag: 'volume0', directory: '/a', readOnly: false },
      { tag: 'volume1', directory: '/c', readOnly: true },
    ])
  })

  test.each<readonly [why: string, argv: readonly string[]]>([
    ['a hostname that is none', ['--hostname', 'a b']],
    ['a variable with = where its name ends', ['-e', 'A\0=1']],
    ['a value with a NUL', ['-e', 'A=\0']],
    ['half a character', ['--', 'sh', '\ud800']],
    ['two mounts on one place', ['--disk', '/a:/data', '-v', '/b:/data/']],
    ['a mount on the root', ['-v', '/b:/']],
    ['a directory that is not absolute', ['-w', 'srv']],
    ['an empty user', ['-u', '']],
    ['an empty entrypoint', ['--', '']],
  ])('%s is refused', (_, argv) => expect(refusal([...protocol, ...argv])).toMatch(/\w/))
})

test('by a seed a disk has its type and options, and a share that is read-only is mounted so', () => {
  const argv = ['--disk', '/a:/data:xfs:noatime,nofail', '-v', '/b:/c:ro']
  expect(summary(planned(argv)).mounts).toEqual([
    ['/dev/vda', '/data', 'xfs', 'noatime,nofail'],
    ['volume0', '/c', 'virtiofs', 'ro'],
  ])
})

test('by a seed a tap interface without an address asks for one', () => {
  const { nics, routes } = summary(planned(['--network', 'tap=tap0']))
  expect(nics).toEqual([{ name: 'eth0', addresses: [], dhcp4: true }])
  expect(routes).toEqual([])
})

test('by a seed SSH keys arrive', () => {
  const { authorizedKeys } = planned(['--ssh-key', 'ssh-ed25519 AAAA a', '--ssh-key', 'ssh-rsa BBBB'])
  expect(authorizedKeys.map(({ value }) => value)).toEqual(['ssh-ed25519 AAAA a', 'ssh-rsa BBBB'])
})

test('a seed’s NIC is found by the MAC that QEMU gives it', () => {
  const { config } = planned([])
  expect(config.nics[0]?.mac).toBe(defaultMac(0))
  const [nic] = configured([]).nics
  expect(nic?.mac).toBeUndefined()
})

test.each<readonly [what: string, argv: readonly string[], said: RegExp]>([
  [
    'SSH keys',
    ['--ssh-key', 'ssh-rsa AAAA'],
    /--protocol cmdline has no key for --ssh-key\nleave --protocol/,
  ],
  ['DHCP', ['--network', 'tap=tap0'], /has no key for DHCP; give --ip/],
  ['a disk’s type', ['--disk', '/a:/b:xfs'], /has no key for the type xfs of \/b/],
  ['a disk’s options', ['--disk', '/a:/b::ro'], /has no key for the options ro of \/b/],
  ['quotes and blanks in one variable', ['-e', 'A=a "b" c d" e'], /double quotes with white space/],
  [
    'more than a kernel takes',
    ['-e', `A=${'x'.repeat(2048)}`],
    /bytes; the kernel takes at most 2047, and a seed holds more/,
  ],
  [
    'more arguments than a kernel takes',
    ['--', ...Array.from({ length: 34 }, () => 'x')],
    /panics if there are more than 32/,
  ],
])('--protocol cmdline refuses %s, which a seed can hold', (_, argv, said) => {
  expect(refusal(['--protocol', 'cmdline', ...argv])).toMatch(said)
  expect(refusal(argv)).toBe('none')
})

describe('QEMU’s user network', () => {
  const backend = (...argv: readonly string[]) => {
    const [nic] = configured(argv).nics
    if (nic?.backend.kind !== 'user') throw new Error('another backend')
    return nic.backend
  }

  test('is its own where no IPv4 address is given', () => {
    expect(backend()).toEqual({ kind: 'user', outbound: true, forwards: [] })
    expect(backend('--ip', 'fd00::3/64').ipv4).toBeUndefined()
    expect(backend('--network', 'isolated').outbound).toBe(false)
  })

  test('has the ports that are published', () => {
    expect(backend('-p', '8080:80', '-p', '0.0.0.0:53:5353/udp').forwards).toEqual([
      { protocol: 'tcp', hostPort: 8080, guestPort: 80 },
      { protocol: 'udp', hostAddress: '0.0.0.0', hostPort: 53, guestPort: 5353 },
    ])
  })

  test.each([
    [['--ip', '10.1.2.3/24'], { guest: '10.1.2.3', gateway: '10.1.2.1', dns: '10.1.2.2' }],
    [['--ip', '10.1.2.1/24'], { guest: '10.1.2.1', gateway: '10.1.2.2', dns: '10.1.2.3' }],
    [['--ip', '10.1.2.2/24'], { guest: '10.1.2.2', gateway: '10.1.2.1', dns: '10.1.2.3' }],
    [['--ip', '10.1.2.254/29'], { guest: '10.1.2.254', gateway: '10.1.2.249', dns: '10.1.2.250' }],
    [['--ip', '10.1.2.3/24', '--gateway', '10.1.2.2'], { gateway: '10.1.2.2', dns: '10.1.2.1' }],
    [['--ip', '10.1.2.3/24', '--gateway', '10.1.2.1'], { gateway: '10.1.2.1', dns: '10.1.2.2' }],
    [['--ip', '10.1.2.3/24', '--dns', '10.1.2.9'], { gateway: '10.1.2.1', dns: '10.1.2.9' }],
    [['--ip', '10.1.2.3/24', '--dns', '10.1.2.1'], { gateway: '10.1.2.2', dns: '10.1.2.1' }],
    [['--ip', '10.1.2.3/24', '--dns', '1.1.1.1'], { gateway: '10.1.2.1', dns: '10.1.2.2' }],
    [['--ip', '10.1.2.3/24', '--dns', 'fd00::53'], { gateway: '10.1.2.1', dns: '10.1.2.2' }],
    [['--ip', 'fd00::3/64', '--ip', '10.1.2.3/16'], { network: '10.1.0.0/16', gateway: '10.1.0.1' }],
  ])('with %j is around it', (argv, found) => expect(backend(...argv).ipv4).toMatchObject(found))

  test.each([
    [['--ip', '10.1.2.3/30'], /needs room for a gateway and a name server\n.*--network tap=IFACE/],
    [['--ip', '10.1.2.3/3'], /needs room/],
    [['--ip', '10.1.2.3/24', '--gateway', '10.1.3.1'], /--gateway 10.1.3.1 is not in the network of --ip/],
    [['--ip', '10.1.2.3/24', '--gateway', '10.1.2.3'], /three addresses/],
    [['--ip', '10.1.2.3/24', '--dns', '10.1.2.3'], /three addresses/],
    [['--ip', '10.1.2.3/24', '--gateway', '10.1.2.9', '--dns', '10.1.2.9'], /three addresses/],
  ])('with %j is refused, since QEMU would', (argv, said) => expect(refusal(argv)).toMatch(said))

  test('has three addresses of its network, whatever is given of them', () => {
    const host = fc.integer({ min: 1, max: 6 }).map((last) => `192.168.7.${last}`)
    fc.assert(
      fc.property(host, fc.option(host), fc.option(fc.oneof(host, fc.ipV4())), (ip, gateway, dns) => {
        const argv = ['--ip', `${ip}/29`]
        if (gateway !== null) argv.push('--gateway', gateway)
        if (dns !== null) argv.push('--dns', dns)
        fc.pre(new Set([ip, gateway, dns]).size === 3 || [gateway, dns].includes(null))
        if (gateway === ip || dns === ip) return
        const { ipv4 } = backend(...argv)
        const all = [ipv4?.guest, ipv4?.gateway, ipv4?.dns]
        expect(new Set(all).size).toBe(3)
        for (const each of all) expect(each).toMatch(/^192\.168\.7\.[1-6]$/)
        expect(ipv4).toMatchObject({ guest: ip, ...(gateway === null ? {} : { gateway }) })
      }),
    )
  })
})

test('a tap interface is QEMU’s to open', () => {
  expect(configured(['--network', 'tap=tap0']).nics).toEqual([
    { backend: { kind: 'tap', interface: 'tap0' } },
  ])
})

test('a published port reaches the guest where its address is another', () => {
  const { nics } = configured(['--ip', '10.1.2.3/24', '-p', '8080:80'])
  expect(qemuArgs({ nics }, 'tcg', []).join(' ')).toContain('hostfwd=tcp:127.0.0.1:8080-10.1.2.3:80')
})

describe.each(['kernel', 'vm'] as const)('a root of the kind %s', (kind) => {
  test('has a seed, and nothing of ours on its command line', () => {
    const { cmdline, seed } = configured(['-e', 'A=1'], { kind })
    expect(cmdline).toBe('')
    expect(Object.keys(seed ?? {})).toEqual(['meta-data', 'network-config', 'user-data', 'zosrc'])
    expect(seed?.zosrc).toContain("export A='1'")
  })

  test.each([
    ['-u', 'app'],
    ['-w', '/srv'],
  ])('has no PID 1 of ours for %s', (...argv) => {
    expect(refusal(argv, { kind })).toMatch(/^this root .*: --(user|workdir) would have no effect/)
    expect(refusal(argv, { kind }).includes('-e ZMACHINE_USER=')).toBe(kind === 'kernel')
  })
})

describe('a kernel of the root’s own, as a zos host boots it', () => {
  const kind = 'kernel'

  test.each([
    [['/app', '-v', 'x'], 'init=/app -v x', "init='/app'\nset -- '-v' 'x'\n"],
    [['/app'], 'init=/app', "init='/app'\nset --\n"],
    [['sh', '-c', 'echo "$A" b'], `init=sh -c 'echo "$A" b'`, `init='sh'\nset -- '-c' 'echo "$A" b'\n`],
    [['/app', '--', 'root=x'], 'init=/app -- root=x', "init='/app'\nset -- '--' 'root=x'\n"],
  ])('has the entrypoint %j twice: raw on the command line, split in the seed', (words, cmdline, zosrc) => {
    expect(configured(['--', ...words], { kind })).toMatchObject({ cmdline, seed: { zosrc } })
  })

  test('has the entrypoint behind the user’s own keys, which its words would change', () => {
    const { cmdline } = configured(['--cmdline', 'zmachine.grace=3', '--', '/app', '--'], { kind })
    expect(cmdline).toBe('zmachine.grace=3 init=/app --')
  })

  test('has the variables of /.startup.toml in the seed, and not its entrypoint', () => {
    const { cmdline, seed } = configured([], { kind, startup })
    expect(cmdline).toBe('')
    expect(seed?.zosrc).toContain("export ROOT='of root'")
    expect(seed?.zosrc).not.toMatch(/init=|set --/)
  })

  test('our PID 1 starts the entrypoint as it was given, whatever the stray tokens are', () => {
    for (const words of [
      ['/app', '-v', 'x'],
      ['sh', '-c', 'echo "a  b" $C', '', 'd=e'],
      ['/app', '--', 'root=vdz', 'rw'],
      ['/app', 'say "', 'host=no', 'zmachine'],
    ]) {
      expect(summary(planned(['--', ...words], { kind }))).toMatchObject({
        init: words[0],
        args: words.slice(1),
      })
    }
  })

  test.each(['/app -- -v', '/app say "'])(
    'keys that the host puts behind %j are lost, and not missed',
    (text) => {
      const seed = { files: { zosrc: `init='/app'\nset -- 'x'\n` }, problems: [] }
      const host = 'console=ttyS0 root=vroot rootfstype=virtiofs rootdelay=30 rw panic=1'
      const { config, problems } = planOf({ cmdline: `init=${text} ${host}\n`, seed, readRoot: undefined })
      expect(config).toMatchObject({
        init: '/app',
        args: ['x'],
        root: { source: 'vroot', delay: 30, readOnly: false },
      })
      expect(problems).toEqual([])
    },
  )

  test.each([
    ['words', Array.from({ length: 33 }, (_, at) => `w${at}`)],
    ['variables', Array.from({ length: 32 }, (_, at) => `n${at}=x`)],
    ['words behind --', ['--', ...Array.from({ length: 33 }, () => 'w')]],
  ])('refuses more %s than a kernel takes', (_, words) => {
    expect(refusal(['--', '/app', ...words], { kind })).toMatch(/panics if there are more than 32 and 31/)
  })

  test('takes as many as a kernel does', () => {
    const words = [
      ...Array.from({ length: 32 }, () => 'w'),
      ...Array.from({ length: 31 }, (_, at) => `n${at}=x`),
      ...Array.from({ length: 40 }, (_, at) => `a.b${at}`),
    ]
    expect(refusal(['--', '/app', ...words], { kind })).toBe('none')
  })
})

test('the old protocol on a kernel of the image’s own', () => {
  const { cmdline, seed } = configured(['--protocol', 'cmdline', '--', 'sh'], { kind: 'kernel' })
  expect(seed).toBeUndefined()
  expect(cmdline).toMatch(/init=sh/)
  expect(cmdline).not.toContain('zmachine.on_exit')
})

test('any entrypoint and variables are carried by a seed as they are, or refused', () => {
  const unit = fc.constantFrom(...'ab=\'" \t\r\n\\$`#;-&\0\x7f\x85\xa0éà日\ufeff😀', '\ud800')
  const text = fc.string({ unit, maxLength: 12 })
  const pairs = fc.array(
    fc.tuple(text, text).map(([name, value]) => `${name}=${value}`),
    { maxLength: 4 },
  )
  fc.assert(
    fc.property(pairs, fc.array(text, { minLength: 1, maxLength: 4 }), (variables, words) => {
      const argv = [...variables.map((each) => `--env=${each}`), '--', ...words]
      try {
        const { init, args, environment } = summary(planned(argv))
        expect([init, ...args]).toEqual(words)
        const given = variables.map((each) => readVariable(each))
        expect(environment).toEqual(Object.fromEntries(given.map(([name, value]) => [name, value ?? ''])))
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
})
