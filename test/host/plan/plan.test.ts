import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { COLOURS, PLAIN } from '../../../src/host/lib/sections.ts'
import { planDocument } from '../../../src/host/plan/plan-json.ts'
import { planOf } from '../../../src/host/plan/plan-result.ts'
import { formatPlan } from '../../../src/host/plan/plan-text.ts'
import { anyBytes, utf8 } from '../../bytes.ts'
import {
  canMakeFat,
  canMakeIso,
  makeFat,
  makeIso,
  run,
  SEEDS,
  seedNames,
  temporaryFolder,
  writeFiles,
} from './plan-helpers.ts'

const folder = temporaryFolder()

/** What every zos host passes. */
const HOST =
  'rw console=ttyS0 reboot=k panic=1 root=vroot rootfstype=virtiofs rootdelay=30 boot.shell_on_fail'

const OLDER =
  'net_eth0=10.1.1.3/24;fd39:775a:4846:1::3/64 net_eth1=302:82a8:705:e5cf::8/64 net_r4=default,10.1.1.1;10.1.0.0/16,10.1.1.1 net_r6=default,fd39:775a:4846:1::1;200::/7,302:82a8:705:e5cf::1 net_dns=8.8.8.8;1.1.1.1 vda=/opt/data host=azmy'

describe.each(seedNames)('the plan of the seed %s', (name) => {
  const golden = join(import.meta.dirname, 'plans', `${name}.txt`)
  const seed = join(SEEDS, name)
  const planFor = (path: string) => run('plan', '--cmdline', HOST, '--seed', path)

  it('out of its folder', async () => {
    const { code, out, errors } = planFor(seed)
    expect([code, errors]).toEqual([0, ''])
    await expect(out).toMatchFileSnapshot(golden)
  })

  it.runIf(canMakeFat)('is the same out of a FAT image', () => {
    expect(planFor(makeFat(seed, join(folder, `${name}.fat`)))).toEqual(planFor(seed))
  })

  it.runIf(canMakeIso).each([
    ['Rock Ridge and Joliet', '-R', '-J'],
    ['Joliet', '-J'],
  ])('is the same out of an ISO image with %s', (_, ...extensions) => {
    const image = makeIso(seed, join(folder, `${name}${extensions.join('')}.iso`), ...extensions)
    expect(planFor(image)).toEqual(planFor(seed))
  })
})

test('the plan of the older generation’s example', async () => {
  const root = join(folder, 'older')
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFiles(root, { '.zosrc': "export GREETING='hello, world'\ninit='/app'\nset -- '-v' 'a b'\n" })
  writeFiles(join(root, 'etc'), { environment: 'LANG="C.UTF-8"\n', hostname: 'image\n' })
  const { code, out } = run('plan', '--cmdline', `${HOST} ${OLDER}`, '--root', root)
  expect(code).toBe(0)
  await expect(out).toMatchFileSnapshot(join(import.meta.dirname, 'plans/older-generation.txt'))
})

test('the entrypoint’s directory of /.startup.toml counts if the root has it', () => {
  const root = join(folder, 'startup')
  mkdirSync(root)
  writeFiles(root, {
    '.startup.toml': '[startup.entry]\nname = "core.base"\nargs = { name = "app", dir = "/srv" }\n',
  })
  const missing = run('plan', '--root', root)
  expect(missing.out).toMatch(/directory +\/ +default/)
  expect(missing.out).toContain("'/srv' is not a directory of the root")
  mkdirSync(join(root, 'real'))
  symlinkSync('/real', join(root, 'srv'))
  const { out } = run('plan', '--root', root)
  expect(out).toMatch(/program +app +\/\.startup\.toml\n +user .*\n +directory +\/srv +\/\.startup\.toml/)
})

test('an empty plan is a plan', () => {
  const { code, out, errors } = run('plan')
  expect([code, errors]).toEqual([0, ''])
  expect(out).toMatch(/program +\/sbin\/init +default/)
  expect(out).toMatch(/problems\n {2}none\n$/)
})

interface Given {
  readonly cmdline?: string
  readonly root?: Readonly<Record<string, string>>
  readonly seed?: Readonly<Record<string, string>>
}

/** A plan of texts, without any file. */
function planText({ cmdline = '', root, seed }: Given) {
  return planOf({
    cmdline: utf8(cmdline),
    seed: seed && { files: seed, problems: [] },
    readRoot: root && ((path) => root[path]),
  })
}

const documentOf = (given: Given) => planDocument(planText(given), undefined)

describe('precedence', () => {
  const root = {
    '/etc/hostname': 'of-the-root\n',
    '/etc/environment': 'A=environment\nB=environment\nC=environment\nD=environment\nPATH=/environment\n',
    '/.zosrc': 'export B=zosrc C=zosrc D=zosrc\ninit=/of/the/root\nset -- root\n',
  }
  const cmdline =
    'host=of-the-host zmachine.env.C=cmdline zmachine.env.D=cmdline init=/of/the/host net_dns=1.1.1.1 -- host'
  const seed = {
    metaData: 'local-hostname: of-the-seed\n',
    networkConfig: 'version: 2\nethernets: {eth0: {nameservers: {addresses: [9.9.9.9]}}}\n',
    zosrc: "export D='seed'\ninit='/of/the/seed'\nset -- seed\n",
  }
  type Doc = ReturnType<typeof documentOf>
  const variable = (name: string) => (doc: Doc) => {
    const { value, from } = doc.environment.find((each) => each.name === name) ?? { value: null, from: '' }
    return { value, from }
  }

  test.each<[string, Given, (doc: Doc) => unknown, unknown, string]>([
    ['hostname', {}, (doc) => doc.hostname, null, 'default'],
    ['hostname', { root }, (doc) => doc.hostname, 'of-the-root', '/etc/hostname'],
    ['hostname', { root, cmdline }, (doc) => doc.hostname, 'of-the-host', 'kernel command line'],
    ['hostname', { root, cmdline, seed }, (doc) => doc.hostname, 'of-the-seed', 'seed/meta-data'],
    ['program', {}, (doc) => doc.entrypoint.program, '/sbin/init', 'default'],
    ['program', { root }, (doc) => doc.entrypoint.program, '/of/the/root', '/.zosrc'],
    ['program', { root, cmdline }, (doc) => doc.entrypoint.program, '/of/the/host', 'kernel command line'],
    ['program', { root, cmdline, seed }, (doc) => doc.entrypoint.program, '/of/the/seed', 'seed/zosrc'],
    ['arguments', {}, (doc) => doc.entrypoint.arguments, [], 'default'],
    ['arguments', { root }, (doc) => doc.entrypoint.arguments, ['root'], '/.zosrc'],
    ['arguments', { root, cmdline }, (doc) => doc.entrypoint.arguments, ['host'], 'kernel command line'],
    ['arguments', { root, cmdline, seed }, (doc) => doc.entrypoint.arguments, ['seed'], 'seed/zosrc'],
    ['name servers', { cmdline }, (doc) => doc.dns.servers, ['1.1.1.1'], 'kernel command line'],
    ['name servers', { cmdline, seed }, (doc) => doc.dns.servers, ['9.9.9.9'], 'seed/network-config'],
    ['TERM', { root, cmdline, seed }, variable('TERM'), 'linux', 'default'],
    ['PATH', { root, cmdline, seed }, variable('PATH'), '/environment', '/etc/environment'],
    ['A', { root, cmdline, seed }, variable('A'), 'environment', '/etc/environment'],
    ['B', { root, cmdline, seed }, variable('B'), 'zosrc', '/.zosrc'],
    ['C', { root, cmdline, seed }, variable('C'), 'cmdline', 'kernel command line'],
    ['D', { root, cmdline, seed }, variable('D'), 'seed', 'seed/zosrc'],
  ])('of the %s (%j)', (_, given, of, value, from) => {
    expect(of(documentOf(given))).toEqual({ value, from })
  })

  it('holds for NICs by name, mounts by target, and tells whose a route is', () => {
    const { nics, mounts, routes } = documentOf({
      cmdline: 'net_eth0=10.0.0.2/24 net_eth1=10.1.0.2/24 net_r4=10.9.0.0/16,10.1.0.1 vda=/a vdb=/b',
      seed: {
        networkConfig:
          'version: 2\nethernets:\n  eth0:\n    addresses: [10.5.0.2/24]\n    gateway4: 10.5.0.1\n',
        userData: '#cloud-config\nmounts: [[/dev/vdz, /b, ext4, nofail]]\n',
      },
    })
    expect(nics.map(({ name, addresses, from }) => [name, addresses, from])).toEqual([
      ['eth0', ['10.5.0.2/24'], 'seed/network-config'],
      ['eth1', ['10.1.0.2/24'], 'kernel command line'],
    ])
    expect(mounts.map(({ source, target, nofail, from }) => [source, target, nofail, from])).toEqual([
      ['/dev/vda', '/a', false, 'kernel command line'],
      ['/dev/vdz', '/b', true, 'seed/user-data'],
    ])
    expect(routes.map(({ destination, nic, from }) => [destination, nic, from])).toEqual([
      ['10.9.0.0/16', 'eth1', 'kernel command line'],
      ['default', 'eth0', 'seed/network-config'],
    ])
  })
})

describe('problems and refusals', () => {
  it('come with source, line and column, in the order of the sources', () => {
    const { problems } = planText({
      cmdline: 'rw zmachine.graec=3',
      root: { '/etc/hostname': 'a b', '/etc/environment': 'A=1\nnonsense\n', '/.zosrc': 'A=1\nrm -rf /\n' },
      seed: {
        metaData: 'instance-id: x\nlocal-hostname: "a b"\n',
        networkConfig: 'version: 2\nethernets:\n  eth0:\n    mtu: large\n',
        zosrc: "export A='1'\n\n$(reboot)\n",
      },
    })
    expect(problems.map(({ source, line, column }) => [source, line, column])).toEqual([
      ['kernel command line', undefined, 4],
      ['seed/meta-data', 2, expect.any(Number)],
      ['seed/network-config', 4, expect.any(Number)],
      ['seed/zosrc', 3, undefined],
      ['/etc/hostname', undefined, undefined],
      ['/etc/environment', 2, undefined],
      ['/.zosrc', 1, undefined],
      ['/.zosrc', 2, undefined],
    ])
  })

  it('are printed with their places', () => {
    const seed = writeFiles(temporaryFolder(), { 'meta-data': 'local-hostname: "a b"\n' })
    const { code, out } = run('plan', '--seed', seed, '--cmdline', 'zmachine.graec=3')
    expect(code).toBe(0)
    expect(out).toContain(
      '  kernel command line:1: zmachine.graec: unknown key; did you mean zmachine.grace?\n',
    )
    expect(out).toMatch(/ {2}seed\/meta-data:1:\d+: 'a b' contains ' '/)
  })

  test.each([
    ['a disk without a place', { cmdline: 'vda=/' }, /^\/dev\/vda has no usable mount target/],
    [
      'a user whom the root has not',
      { cmdline: 'zmachine.user=eve', root: {} },
      /^zmachine.user: no user 'eve'/,
    ],
  ])('%s is a refusal', (_, given, message) => {
    const { refusals, boots } = documentOf(given)
    expect(boots).toBe(false)
    expect(refusals.map((refusal) => refusal.message)).toEqual([expect.stringMatching(message)])
  })

  test.each([
    [
      'a disk without a place that says nofail',
      { seed: { userData: '#cloud-config\nmounts: [[vda, /, auto, nofail]]' } },
    ],
    ['a user, where the root is not known', { cmdline: 'zmachine.user=eve' }],
    ['broken YAML', { seed: { userData: 'a: [', networkConfig: '\t', metaData: '- {', zosrc: "'" } }],
  ])('%s is none', (_, given) => {
    expect(documentOf(given).refusals).toEqual([])
  })
})

describe('who runs the entrypoint', () => {
  const root = { '/etc/passwd': 'app:x:1000:100::/home/app:/bin/sh\n' }
  it('has the HOME of the root’s passwd', () => {
    const { environment, identity } = planText({ cmdline: 'zmachine.user=app', root })
    expect(environment[0]).toEqual({ value: ['HOME', '/home/app'], from: 'default' })
    expect(identity).toMatchObject({ uid: 1000, gid: 100 })
  })
  it('has none where no root is given, and the one that a source sets', () => {
    const homes = (given: Given) => planText(given).environment.filter(({ value }) => value[0] === 'HOME')
    expect(homes({ cmdline: 'zmachine.user=app' })).toEqual([])
    expect(homes({ cmdline: 'zmachine.env.HOME=/x' })).toEqual([
      { value: ['HOME', '/x'], from: 'kernel command line' },
    ])
  })
})

describe('--json', () => {
  it('is one document with everything in it', () => {
    const seed = join(SEEDS, 'private-mycelium')
    const { code, out } = run(
      'plan',
      '--json',
      '--cmdline',
      `${HOST} zmachine.on_exit=poweroff`,
      '--seed',
      seed,
    )
    const document = JSON.parse(out)
    expect(code).toBe(0)
    expect(document).toMatchObject({
      version: 1,
      boots: true,
      root: {
        source: { value: 'vroot', from: 'kernel command line' },
        options: { value: '', from: 'default' },
      },
      hostname: { value: 'webapp', from: 'seed/meta-data' },
      entrypoint: { program: { value: '/sbin/zinit' }, arguments: { value: ['init'], from: 'seed/zosrc' } },
      settings: {
        onExit: { value: 'poweroff', from: 'kernel command line' },
        user: { value: null, from: 'default' },
      },
      problems: [],
      refusals: [],
    })
    expect(document.nics[1]).toEqual({
      name: 'eth1',
      mac: 'fe:1a:39:0c:77:21',
      setName: null,
      mtu: null,
      dhcp4: false,
      addresses: ['5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64'],
      from: 'seed/network-config',
    })
    expect(document.routes).toContainEqual({
      destination: 'default',
      family: 6,
      gateway: 'fe80::1',
      nic: 'eth0',
      metric: null,
      onLink: false,
      append: false,
      from: 'seed/network-config',
    })
    expect(document.mounts[0]).toEqual({
      source: '/dev/vda',
      target: '/data',
      type: 'auto',
      options: 'defaults',
      nofail: false,
      noauto: false,
      from: 'seed/user-data',
    })
  })

  it('has the steps in order, with their fields and the text of files', () => {
    const { steps } = documentOf({ cmdline: 'host=web net_eth0=10.0.0.2/24 net_dns=8.8.8.8 init=/app' })
    expect(steps.slice(0, 4).map(({ description }) => description)).toEqual([
      'mount /proc (proc)',
      'mount /sys (sysfs)',
      'mount /dev (devtmpfs)',
      'mount vroot on / (auto)',
    ])
    expect(steps.at(-1)).toEqual({
      kind: 'start',
      description: 'start /app',
      init: '/app',
      args: [],
      user: null,
      cwd: '/',
      mode: 'auto',
    })
    const network = steps.find(({ kind }) => kind === 'network')
    expect(network?.['nics']).toEqual([expect.objectContaining({ name: 'eth0', addresses: ['10.0.0.2/24'] })])
    const resolv = steps.find((step) => step['path'] === '/etc/resolv.conf')
    expect(resolv).toMatchObject({ kind: 'file', content: 'nameserver 8.8.8.8\n' })
  })

  it('loses no byte: what is not UTF-8 is Base64', () => {
    const { environment } = planDocument(
      planOf({
        cmdline:
          'zmachine.env.BROKEN=\xff\xfe zmachine.env.GOOD=\xc3\xa9 zmachine.env.\xff=x zmachine.env.BOM=\xef\xbb\xbfx',
        seed: undefined,
        readRoot: undefined,
      }),
      undefined,
    )
    expect(environment.slice(3).map(({ name, value }) => [name, value])).toEqual([
      ['BROKEN', { bytes: '//4=' }],
      ['GOOD', 'é'],
      [{ bytes: '/w==' }, 'x'],
      ['BOM', '\ufeffx'],
    ])
  })
})

describe('whatever is given', () => {
  const CONTROL = /(?!\n)\p{Cc}/u
  const asTerminal = (bytes: string): string => Buffer.from(bytes, 'latin1').toString()

  const anyInput = fc.record({
    cmdline: anyBytes(),
    seed: fc.record({
      files: fc.record({
        metaData: anyBytes(),
        networkConfig: anyBytes(),
        userData: anyBytes(),
        zosrc: anyBytes(),
      }),
      problems: fc.constant([]),
    }),
    readRoot: anyBytes().map((text) => () => text),
  })

  it('ends in a plan, in text without a control character, and in JSON', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const result = planOf(input)
        expect(asTerminal(formatPlan(result, PLAIN))).not.toMatch(CONTROL)
        expect(() => JSON.parse(JSON.stringify(planDocument(result, input.readRoot)))).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })

  it('is quoted, also in the middle of a step and a problem', () => {
    const hostile = '\x1b]0;x\x07\xc2\x9b31m'
    const result = planOf({
      cmdline: `init=/${hostile} vda=/${hostile} zmachine.${hostile}=1 zmachine.env.${hostile}=${hostile} root=${hostile}`,
      seed: { files: { userData: `mounts: [["a\\e", "/b\\e[m", "t\\e", "o\\e"]]` }, problems: [] },
      readRoot: undefined,
    })
    expect(asTerminal(formatPlan(result, PLAIN))).not.toMatch(CONTROL)
  })

  it('is the same with colours, but for the colours', () => {
    const result = planText({ cmdline: `${OLDER} vdb=/ zmachine.x=1` })
    const coloured = formatPlan(result, COLOURS)
    expect(coloured).not.toBe(formatPlan(result, PLAIN))
    expect(coloured.replace(/\p{Cc}\[\d+m/gu, '')).toBe(formatPlan(result, PLAIN))
  })
})
