/** Boots with seeds as today's hosts attach them: what the entrypoint finds of each file. */

import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Nic } from '../../../src/host/machine/options.ts'
import { type Boot, booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, type Tree, writeTree } from '../lib/files.ts'
import { DISK_TYPES, makeDisk, makeSeed, type SeedKind, seedFixture } from '../lib/images.ts'
import type { MountEntry } from '../lib/report.ts'

const program = await probeProgram()
const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
const nic = (mac: string, hub = 0): Nic => ({ mac, backend: { kind: 'hub', hub } })

/** A root whose probe takes its commands from a file, since the fixtures' arguments are not for it. */
const scripted = (commands: string, more: Tree = {}): Tree => ({ 'probe.commands': commands, ...more })

const variables = (boot: Boot): Record<string, string> =>
  Object.fromEntries(
    boot
      .report()
      .env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )

const addressesOf = (boot: Boot, name: string): string[] =>
  boot
    .report()
    .addresses.filter((a) => a.nic === name && a.state === 'usable' && !a.address.startsWith('fe80:'))
    .map(({ address }) => address)
    .sort()

const mounted = (boot: Boot, target: string): MountEntry | undefined =>
  boot.report().mounts.find((mount) => mount.target === target)

const nameServers = (boot: Boot): (string | undefined)[] => {
  const text = boot.report().files.get('/etc/resolv.conf')?.content ?? ''
  return [...text.matchAll(/^nameserver (\S+)$/gm)].map(([, server]) => server)
}

/** Neither mounted, nor left as a directory, nor held open. */
function expectNoTrace(boot: Boot, device: string): void {
  const { mounts, rootEntries, pid1Descriptors } = boot.report()
  expect(mounts.filter(({ source }) => source === device)).toEqual([])
  expect(rootEntries).not.toContain('seed')
  expect([...pid1Descriptors.values()].filter((target) => target.includes(device))).toEqual([])
}

describe.each<[SeedKind, string]>([
  ['fat16', 'CIDATA'],
  ['iso', 'cidata'],
])('the fixture private-mycelium as %s with the label %s', (kind, label) => {
  const boot = booted(async (folder) => {
    writeTree(join(folder, 'shared'), { 'hello.txt': 'from the host' })
    return {
      init: null,
      files: scripted('report , cat /data/d.txt /mnt/shared/hello.txt', { 'sbin/zinit': { copy: program } }),
      shares: [{ tag: 'shared', directory: join(folder, 'shared') }],
      disks: [
        { file: await makeExt4(join(folder, 'data'), { 'd.txt': 'disk' }) },
        await makeSeed(join(folder, 'seed'), seedFixture('private-mycelium'), { kind, label }),
      ],
      // In another order than in the seed.
      nics: [nic('fe:1a:39:0c:77:21'), nic('54:43:83:2b:2f:8f')],
      last: /probe: pid 1 ends, code 0/,
    }
  })

  test('starts its zinit as PID 1, with the seed’s environment and nothing else', () => {
    const { argv, pid } = boot().report()
    expect({ argv, pid }).toEqual({ argv: ['/sbin/zinit', 'init'], pid: 1 })
    const env = variables(boot())
    expect(Object.keys(env).sort()).toEqual(['APP_MODE', 'HOME', 'PATH', 'SSH_KEY', 'TERM'])
    expect(env).toMatchObject({
      APP_MODE: 'production',
      SSH_KEY: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'EXAMPLE'.repeat(6)}1 ops@example`,
    })
  })

  test('gives each address to the NIC that has its MAC, usable at once', () => {
    const { hostname, nics, tentative } = boot().report()
    expect(hostname).toBe('webapp')
    const byMac = (mac: string): string => nics.find((some) => some.mac === mac)?.name ?? ''
    expect(addressesOf(boot(), byMac('54:43:83:2b:2f:8f'))).toEqual([
      '10.20.2.2/24',
      'fd39:775a:4846:2::2/64',
    ])
    expect(addressesOf(boot(), byMac('fe:1a:39:0c:77:21'))).toEqual([
      '5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64',
    ])
    expect(tentative).toEqual([])
  })

  test('has its routes, one by a link-local gateway', () => {
    const { routes, routes6 } = boot().report()
    for (const destination of ['0.0.0.0/0', '10.20.0.0/16', '100.64.0.0/16'])
      expect(routes).toContainEqual(expect.objectContaining({ destination, gateway: '10.20.2.1' }))
    const gateways = [
      [`${'0'.repeat(32)}/0`, `fe80${'0'.repeat(27)}1`],
      [`04${'0'.repeat(30)}/7`, '05d39c3b4f2b8b3e0000000000000001'],
    ]
    for (const [destination, gateway] of gateways)
      expect(routes6).toContainEqual(expect.objectContaining({ destination, gateway }))
  })

  test('has its name servers in the seed’s order', () =>
    expect(nameServers(boot())).toEqual(['8.8.8.8', '1.1.1.1', '2001:4860:4860::8888']))

  test('has its disk and its share', () => {
    expect(mounted(boot(), '/data')).toMatchObject({ type: 'ext4', source: '/dev/vda' })
    expect(mounted(boot(), '/mnt/shared')).toMatchObject({ type: 'virtiofs', source: 'shared' })
    expect(boot().console).toContain('probe: cat /data/d.txt: disk')
    expect(boot().console).toContain('probe: cat /mnt/shared/hello.txt: from the host')
  })

  test('has root’s keys, readable by nobody else', () => {
    const { files } = boot().report()
    expect(files.get('/root/.ssh')).toMatchObject({ type: 'directory', mode: '0700', owner: '0 0' })
    expect(files.get('/root/.ssh/authorized_keys')).toMatchObject({
      type: 'file',
      mode: '0600',
      owner: '0 0',
      content: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'EXAMPLE'.repeat(6)}1 ops@example\n`,
    })
  })

  test('sees nothing of the seed', () => expectNoTrace(boot(), '/dev/vdb'))
})

describe('the fixture light, with an address and a default route twice', () => {
  const boot = booted(async (folder) => ({
    files: scripted('report'),
    disks: [await makeSeed(join(folder, 'seed'), seedFixture('light'))],
    nics: [nic('54:43:83:2b:2f:8f'), nic('fe:1a:39:0c:77:21', 1)],
  }))

  test('has one of each', () => {
    expect(addressesOf(boot(), 'eth0')).toEqual(['10.20.2.2/24'])
    expect(addressesOf(boot(), 'eth1')).toEqual(['5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64'])
    const { routes, routes6 } = boot().report()
    const through = routes.filter(({ gateway }) => gateway !== '0.0.0.0')
    expect(through.map(({ destination, gateway, nic }) => [destination, gateway, nic]).sort()).toEqual([
      ['0.0.0.0/0', '10.20.2.1', 'eth0'],
      ['10.20.0.0/16', '10.20.2.1', 'eth0'],
    ])
    expect(routes6.filter(({ destination }) => destination === `04${'0'.repeat(30)}/7`)).toHaveLength(1)
  })

  test('boots without a warning', () => {
    expect(boot().container).toMatchObject({ code: 0, reason: 'exit' })
    expect(boot().console).not.toMatch(/zmachine: (warning|error)/)
  })
})

/** A read-only root as a host's file server shows it: mounted read-only below it. Only root may mount. */
describe.skipIf(process.getuid?.() !== 0)(
  'the node’s self-test: no NIC, and a root that is read-only although the command line says rw',
  () => {
    let root = ''
    const boot = booted(async (folder) => {
      root = join(folder, 'root')
      writeTree(root, { probe: { copy: program }, 'etc/hosts': 'old\n', 'etc/hostname': 'image\n' })
      execFileSync('mount', ['--bind', root, root])
      execFileSync('mount', ['-o', 'remount,bind,ro', root])
      return {
        memoryMB: 512,
        cmdline: 'rw',
        disks: [await makeSeed(join(folder, 'seed'), seedFixture('selftest'))],
        probe: 'report - , write /etc/more text , exit 4'.split(' '),
      }
    })
    // Before the folder is removed, which would empty the mount.
    afterAll(() => {
      execFileSync('umount', [root])
    })

    test('starts the entrypoint, without a warning, and tells its exit code', () => {
      expect(boot().container).toMatchObject({ code: 4, reason: 'exit' })
      expect(boot().console).toContain('probe: write /etc/more: Read-only file system')
      expect(boot().console).not.toMatch(/zmachine: (warning|error|fatal)/)
    })

    test('keeps the image’s hostname, since the seed’s is empty', () => {
      const { hostname, files, mounts } = boot().report()
      expect(hostname).toBe('image')
      expect(files.get('/etc/hosts')?.content).toContain('image')
      expect(mounts.map(({ target }) => target)).toEqual(
        expect.arrayContaining(['/proc', '/sys', '/dev', '/run']),
      )
    })
  },
)

describe.each<[SeedKind, string]>([
  ['fat12', 'cidata'],
  ['iso', 'CIDATA'],
])('the fixture quoting as %s with the label %s, before another disk', (kind, label) => {
  const boot = booted(async (folder) => ({
    init: null,
    files: scripted('report', { 'usr/bin/env': { copy: program } }),
    disks: [
      await makeSeed(join(folder, 'seed'), seedFixture('quoting'), { kind, label }),
      { file: await makeExt4(join(folder, 'other'), {}) },
    ],
    nics: [nic('02:00:00:00:00:01')],
  }))

  test('has its variables byte for byte', () => {
    const { HOME, PATH, TERM, ...given } = variables(boot())
    expect([HOME, PATH, TERM]).not.toContain(undefined)
    expect(given).toEqual({
      EMPTY: '',
      QUOTE: `it's "quoted" $HOME \`id\` \\n`,
      UNICODE: latin1('héllo → 世界 🚀'),
      LINES: 'one\ntwo\n\nfour',
      EQ: 'a=b=c',
      SPACES: '  lead and trail  ',
      SSH_KEY: [
        `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'EXAMPLE'.repeat(6)}1 ops@example`,
        'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQEXAMPLEexampleEXAMPLE== second key with spaces',
      ].join('\n'),
    })
  })

  test('has its arguments, empty ones too', () =>
    expect(boot().report().argv).toEqual([
      '/usr/bin/env',
      'a b',
      'single quoted',
      'dq "inner" end',
      'plain space',
      '',
    ]))

  test('has both keys, each on one line', () => {
    const keys = boot().report().files.get('/root/.ssh/authorized_keys')?.content?.split('\n')
    expect(keys?.map((key) => key.split(' ').slice(2).join(' '))).toEqual([
      'ops@example',
      'second key with spaces',
      '',
    ])
  })

  test('has its name, its address by a quoted MAC, and its route', () => {
    expect(boot().report().hostname).toBe('q-1')
    expect(addressesOf(boot(), 'eth0')).toEqual(['192.168.123.5/24'])
    expect(boot().report().routes).toContainEqual(
      expect.objectContaining({ destination: '0.0.0.0/0', gateway: '192.168.123.1' }),
    )
  })

  test('sees nothing of the seed', () => expectNoTrace(boot(), '/dev/vda'))
})

describe.each<[SeedKind, string]>([
  ['fat32', 'cidata'],
  ['joliet', 'CIDATA'],
])('the fixture minimal-nil-gateway as %s', (kind, label) => {
  const boot = booted(async (folder) => ({
    disks: [await makeSeed(join(folder, 'seed'), seedFixture('minimal-nil-gateway'), { kind, label })],
    nics: [nic('aa:bb:cc:00:00:02')],
  }))

  test('boots the command line’s entrypoint, with a MAC in upper case and a route on the link', () => {
    expect(boot().container?.code).toBe(0)
    const { hostname, routes, files } = boot().report()
    expect(hostname).toBe('bare')
    expect(addressesOf(boot(), 'eth0')).toEqual(['10.1.1.3/24'])
    expect(routes).toContainEqual(
      expect.objectContaining({ nic: 'eth0', destination: '10.99.0.0/16', gateway: '0.0.0.0' }),
    )
    expect(routes).toContainEqual(
      expect.objectContaining({ nic: 'eth0', destination: '0.0.0.0/0', gateway: '10.1.1.1' }),
    )
    expect(files.get('/root/.ssh/authorized_keys')).toBeUndefined()
  })
})

const NETWORK = `network:
  version: 2
  ethernets:
    eth0:
      match: {macaddress: '52:54:00:AA:00:01'}
      set-name: eth1
      mtu: 1400
      addresses: [10.1.0.2/24]
      routes:
      - {to: default, via: 10.1.0.1, metric: 300}
      nameservers: {addresses: [9.9.9.9, '2001:db8::53'], search: [example.org]}
    eth1:
      match:
        macaddress: 52:54:00:aa:00:02
      set-name: eth0
      addresses:
      - 10.2.0.2/24
      - fd02::2/64
      gateway6: fe80::1
      routes:
      - {to: 0.0.0.0/0, via: 10.2.0.1, metric: 100}
      - {to: 10.50.0.0/16, via: 172.16.5.1, on-link: true}
      - {to: 'fd50::/16', via: 'fd02::1', metric: 77}
      nameservers: {addresses: [8.8.8.8], search: [corp.example, example.org]}
    third:
      match: {macaddress: "52:54:00:aa:00:03"}
      set-name: lan0
      addresses: [10.3.0.2/32]
      gateway4: 192.0.2.1
      routes:
      - {to: default, via: 192.0.2.1, metric: 200}
    fourth:
      match: {macaddress: "52:54:00:aa:00:04"}
      mtu: 9000
      addresses: [10.4.0.2/24]
`

describe('every key of network-config', () => {
  const boot = booted(async (folder) => ({
    disks: [
      await makeSeed(join(folder, 'seed'), {
        'meta-data': 'local-hostname: net\n',
        'network-config': NETWORK,
      }),
    ],
    nics: [1, 2, 3, 4].map((index) => nic(`52:54:00:aa:00:0${index}`, index)),
    probe: 'report , cat /sys/class/net/eth1/mtu /sys/class/net/eth3/mtu /sys/class/net/lan0/mtu'.split(' '),
  }))

  test('set-name swaps two names and makes a new one', () => {
    const names = boot()
      .report()
      .nics.filter(({ mac }) => mac.startsWith('52:54:'))
      .map(({ name, mac, up }) => [mac.slice(-2), name, up])
    expect(names.sort()).toEqual([
      ['01', 'eth1', true],
      ['02', 'eth0', true],
      ['03', 'lan0', true],
      ['04', 'eth3', true],
    ])
  })

  test('addresses go with the MAC, whatever the name', () => {
    expect(addressesOf(boot(), 'eth1')).toEqual(['10.1.0.2/24'])
    expect(addressesOf(boot(), 'eth0')).toEqual(['10.2.0.2/24', 'fd02::2/64'])
    expect(addressesOf(boot(), 'lan0')).toEqual(['10.3.0.2/32'])
    expect(addressesOf(boot(), 'eth3')).toEqual(['10.4.0.2/24'])
  })

  test('mtu', () => {
    expect(boot().console).toContain('cat /sys/class/net/eth1/mtu: 1400')
    expect(boot().console).toContain('cat /sys/class/net/eth3/mtu: 9000')
    expect(boot().console).toContain('cat /sys/class/net/lan0/mtu: 1500')
  })

  test('several default routes with their metrics, also by a gateway that no prefix covers', () => {
    const defaults = boot()
      .report()
      .routes.filter(({ destination }) => destination === '0.0.0.0/0')
      .map(({ nic: name, gateway, metric }) => [metric, name, gateway])
    expect(defaults.sort((a, b) => Number(a[0]) - Number(b[0]))).toEqual([
      [0, 'lan0', '192.0.2.1'],
      [100, 'eth0', '10.2.0.1'],
      [200, 'lan0', '192.0.2.1'],
      [300, 'eth1', '10.1.0.1'],
    ])
  })

  test('on-link', () =>
    expect(boot().report().routes).toContainEqual(
      expect.objectContaining({ nic: 'eth0', destination: '10.50.0.0/16', gateway: '172.16.5.1' }),
    ))

  test('IPv6: a link-local gateway, and a metric', () => {
    const { routes6 } = boot().report()
    const zeros = (count: number): string => '0'.repeat(count)
    expect(routes6).toContainEqual(
      expect.objectContaining({ nic: 'eth0', destination: `${zeros(32)}/0`, gateway: `fe80${zeros(27)}1` }),
    )
    expect(routes6).toContainEqual({
      nic: 'eth0',
      destination: `fd50${zeros(28)}/16`,
      gateway: `fd02${zeros(27)}1`,
      metric: 77,
    })
  })

  test('name servers and search domains of all NICs, in the seed’s order, each once', () => {
    expect(nameServers(boot())).toEqual(['9.9.9.9', '2001:db8::53', '8.8.8.8'])
    expect(boot().report().files.get('/etc/resolv.conf')?.content).toMatch(
      /^search example\.org corp\.example$/m,
    )
  })

  test('is all right: no warning', () => expect(boot().console).not.toContain('zmachine: warning'))
})

const MOUNTS = `#cloud-config
mounts:
- [LABEL=child, /data/deep/nested, ext4, defaults, "0", "0"]
- [/dev/vdz, /mnt/missing, auto, "defaults,nofail", "0", "0"]
- [/dev/vda, /mnt/odd, nosuchfs, nofail, "0", "0"]
- [nosuchtag, /mnt/notag, virtiofs, nofail, "0", "0"]
- [/dev/vdj, /link, auto, defaults]
- [/dev/vda, /data, ext4, "noexec,nodev,noatime", "0", "2"]
- [/dev/vdb, /disks/btrfs, auto, ro, "0", "0"]
- [/dev/vdc, /disks/xfs, xfs, defaults]
- [/dev/vdd, /disks/vfat, auto, "umask=077"]
- [/dev/vdf, /disks/erofs, auto]
- [/dev/vdg, /disks/squashfs, squashfs, ro]
- [/dev/vdh, /disks/iso9660, auto, defaults]
- [shared, "/mnt/sh ared", virtiofs, "ro,nosuid", "0", "0"]
`

describe('mounts of user-data, with the seed in the middle of the disks', () => {
  const boot = booted(async (folder) => {
    const tree = join(folder, 'tree')
    writeTree(tree, { 'hello.txt': 'hello' })
    writeTree(join(folder, 'shared'), { 'hello.txt': 'hello' })
    const disks = []
    for (const type of DISK_TYPES) disks.push({ file: await makeDisk(join(folder, type.type), type, tree) })
    const [btrfs, xfs, vfat, erofs, squashfs, iso] = disks
    if (!(btrfs && xfs && vfat && erofs && squashfs && iso)) throw new Error('a disk is missing')
    return {
      disks: [
        { file: await makeExt4(join(folder, 'parent'), { 'hello.txt': 'parent' }) },
        btrfs,
        xfs,
        vfat,
        await makeSeed(join(folder, 'seed'), { 'user-data': MOUNTS }),
        erofs,
        squashfs,
        iso,
        { file: await makeExt4(join(folder, 'nested'), { 'hello.txt': 'nested' }, { label: 'child' }) },
        { file: await makeExt4(join(folder, 'linked'), { 'hello.txt': 'linked' }) },
      ],
      shares: [{ tag: 'shared', directory: join(folder, 'shared') }],
      cmdline: 'rootdelay=1',
      files: {
        link: { link: '/data/more/linked' },
        'probe.commands': [
          'report , cat /data/hello.txt /data/deep/nested/hello.txt /link/hello.txt ,',
          'write /disks/btrfs/x x , say done',
        ].join(' '),
      },
    }
  })

  test.each([
    ['/data', 'ext4', ['rw', 'noexec', 'nodev', 'noatime']],
    ['/data/deep/nested', 'ext4', ['rw']],
    ['/disks/btrfs', 'btrfs', ['ro']],
    ['/disks/xfs', 'xfs', ['rw']],
    ['/disks/vfat', 'vfat', ['rw', 'fmask=0077', 'dmask=0077']],
    ['/disks/erofs', 'erofs', ['ro']],
    ['/disks/squashfs', 'squashfs', ['ro']],
    ['/disks/iso9660', 'iso9660', ['ro']],
    ['/mnt/sh ared', 'virtiofs', ['ro', 'nosuid']],
  ])('%s is there as %s with its options', (target, type, options) =>
    expect(mounted(boot(), target)).toMatchObject({ type, options: expect.arrayContaining(options) }),
  )

  test('parents come before children, though the seed has them the other way round', () => {
    expect(boot().console).toContain('cat /data/hello.txt: parent')
    expect(boot().console).toContain('cat /data/deep/nested/hello.txt: nested')
  })

  test('the same, where a symlink of the image leads below another mount', () =>
    expect(boot().console).toContain('cat /link/hello.txt: linked'))

  test('ro is honoured', () =>
    expect(boot().console).toContain('write /disks/btrfs/x: Read-only file system'))

  test.each([
    ['a disk that is missing', /zmachine: .*\/dev\/vdz/],
    ['a type that nobody knows', /zmachine: .*nosuchfs/],
    ['a share that is missing', /zmachine: .*nosuchtag/],
  ])('%s is told, and with nofail no reason to stop', (_, told) => {
    expect(boot().console).toMatch(told)
    expect(boot().console).toContain('probe: done')
    const targets = boot()
      .report()
      .mounts.map(({ target }) => target)
    for (const target of ['/mnt/missing', '/mnt/odd', '/mnt/notag']) expect(targets).not.toContain(target)
  })

  test('the entrypoint sees nothing of the seed', () => expectNoTrace(boot(), '/dev/vde'))
})

describe('a seed between data disks of the same label, over all other sources', () => {
  const boot = booted(async (folder) => ({
    files: {
      'etc/environment': 'ONE=etc\nTWO=etc\nTHREE=etc\nFOUR=etc\n',
      'etc/hostname': 'from-the-image\n',
      '.zosrc': "export TWO='zosrc'\nexport THREE='zosrc'\nexport FOUR='zosrc'\ninit='/zosrc-tool'\n",
      'seed-tool': { link: '/probe' },
    },
    init: '/cmdline-tool',
    disks: [
      await makeSeed(join(folder, 'first'), { 'album/photo.txt': 'data' }, { label: 'CIDATA' }),
      await makeSeed(join(folder, 'seed'), {
        'meta-data': 'local-hostname: of-the-seed\n',
        'network-config': `version: 2\nethernets:\n  eth0:\n    match: {macaddress: "52:54:00:00:00:01"}\n    addresses: [10.9.9.2/24]\n    nameservers: {addresses: [10.9.9.9]}\n`,
        'user-data': '#cloud-config\nmounts:\n- [/dev/vdc, /data, auto, defaults, "0", "0"]\n',
        zosrc: "export FOUR='seed'\ninit='/seed-tool'\n",
      }),
      { ...(await makeSeed(join(folder, 'last'), { 'notes.txt': 'mine' })), readOnly: false },
    ],
    nics: [nic('52:54:00:00:00:01')],
    cmdline:
      'host=of-the-cmdline net_eth0=10.8.8.2/24 net_dns=10.8.8.8 zmachine.env.THREE=cmdline zmachine.env.FOUR=cmdline',
  }))

  test('the seed’s values win over the command line’s, these over /.zosrc, and that over /etc/environment', () => {
    expect(variables(boot())).toMatchObject({ ONE: 'etc', TWO: 'zosrc', THREE: 'cmdline', FOUR: 'seed' })
    const { argv, hostname } = boot().report()
    expect({ argv0: argv[0], hostname }).toEqual({ argv0: '/seed-tool', hostname: 'of-the-seed' })
    expect(addressesOf(boot(), 'eth0')).toEqual(['10.9.9.2/24'])
    expect(nameServers(boot())).toEqual(['10.9.9.9'])
  })

  test('the data disk is a data disk', () => expect(mounted(boot(), '/data')).toMatchObject({ type: 'vfat' }))
})

describe('a seed over a read-only root that has no .ssh', () => {
  const boot = booted(async (folder) => {
    const directory = { directory: true } as const
    const folders = { proc: directory, sys: directory, dev: directory, run: directory, tmp: directory }
    const etc = { 'etc/hosts': 'old', 'etc/hostname': 'old', 'etc/resolv.conf': 'old' }
    const bin = { 'usr/bin/env': { copy: program }, 'probe.commands': 'report -' }
    const root = await makeExt4(join(folder, 'root.ext4'), { ...folders, ...etc, ...bin, root: directory })
    return {
      root: 'none',
      init: null,
      disks: [{ file: root, readOnly: true }, await makeSeed(join(folder, 'seed'), seedFixture('quoting'))],
      nics: [nic('02:00:00:00:00:01')],
      cmdline: 'root=/dev/vda rootfstype=ext4 ro',
    }
  })

  test('has root’s keys, its name and its name server all the same', () => {
    const { files } = boot().report()
    expect(files.get('/root/.ssh/authorized_keys')).toMatchObject({
      type: 'file',
      mode: '0600',
      content: expect.stringContaining('ops@example\nssh-rsa '),
    })
    expect(files.get('/root/.ssh')?.mode).toBe('0700')
    expect(files.get('/etc/hostname')?.content).toBe('q-1\n')
    expect(files.get('/etc/resolv.conf')?.content).toBe('nameserver 9.9.9.9\n')
  })

  test('leaves / read-only', () =>
    expect(mounted(boot(), '/')?.options).toEqual(expect.arrayContaining(['ro'])))
})

describe('seeds that can’t be read', () => {
  const boot = booted(async (folder) => {
    const tree = { 'meta-data': 'local-hostname: lost\n' }
    const truncated = await makeSeed(join(folder, 'truncated'), tree)
    truncateSync(truncated.file, 65536)
    const garbage = await makeSeed(join(folder, 'garbage'), tree)
    overwrite(garbage.file, 512)
    const iso = await makeSeed(join(folder, 'iso'), tree, { kind: 'iso' })
    truncateSync(iso.file, 34 << 10)
    const header = await makeSeed(join(folder, 'header'), tree)
    // Bytes per sector and what follows; the label stays.
    overwrite(header.file, 11, 25)
    return { disks: [truncated, garbage, iso, header], cmdline: 'host=plain' }
  })

  test.each([
    ['a FAT that ends early', 'vda'],
    ['a FAT with garbage after its first sector', 'vdb'],
    ['an ISO that ends early', 'vdc'],
    ['a FAT with a garbage header', 'vdd'],
  ])('%s is an error that names the device', (_, device) =>
    expect(boot().console).toMatch(new RegExp(`zmachine: .*/dev/${device}`)),
  )

  test('the boot goes on with what the command line says', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().report().hostname).toBe('plain')
  })
})

/** Overwrites a file with meaningless bytes, up to its end or for a length. */
function overwrite(file: string, from: number, length?: number): void {
  const bytes = readFileSync(file)
  bytes.fill(0xa5, from, length === undefined ? bytes.length : from + length)
  writeFileSync(file, bytes)
}
