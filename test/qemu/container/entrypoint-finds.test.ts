/** What the entrypoint finds, in one boot as the older generation of hosts does it. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4, writeTree } from '../lib/files.ts'
import { ofNodeBuild } from '../lib/kernel.ts'
import { announcement, readFrames } from '../lib/pcap.ts'
import type { MountEntry } from '../lib/report.ts'

const FEC0_15 = 'fec00000000000000000000000000015'
const FD77_5 = 'fd770000000000000000000000000005'

let folder = ''

describe('an entrypoint under the older generation’s command line', () => {
  const boot = booted(async (own) => {
    folder = own
    writeTree(join(own, 'share'), { 'hello.txt': 'from the host' })
    writeTree(join(own, 'odd'), { 'odd.txt': 'odd' })
    return {
      files: {
        'run/app/deep': { directory: true },
        'real/keep': '',
        link: { link: '/real' },
        'etc/environment': 'FROM_ETC=1\n',
      },
      shares: [
        { tag: 'share', directory: join(own, 'share') },
        { tag: 'odd', directory: join(own, 'odd') },
      ],
      disks: [
        { file: await makeExt4(join(own, 'a.ext4'), { 'a.txt': 'disk a' }) },
        { file: await makeExt4(join(own, 'b.ext4'), { 'b.txt': 'disk b' }) },
      ],
      nics: [
        { backend: { kind: 'user' }, capture: join(own, 'eth0.pcap') },
        { backend: { kind: 'user' }, capture: join(own, 'eth1.pcap') },
      ],
      // Keys come in random order; here, each comes before what it depends on.
      cmdline: [
        'vdb=/data/nested qsfs_share=/link/below qsfs_odd="/mnt/gr\u00f6\u00dfe of=two words" vda=/data',
        'net_r4=default,10.0.2.2;10.9.0.0/16,192.168.77.1;10.8.0.0/16,eth1 net_dns=10.0.2.3;1.1.1.1;fec0::3',
        'net_r6=default,fec0::2;200::/7,fd77::1',
        'net_eth1=192.168.77.5/24;fd77::5/64 net_eth0=10.0.2.15/24;fec0::15/64 host=azmy',
      ].join(' '),
      probe: [
        'report , cat /data/a.txt /data/nested/b.txt /real/below/hello.txt ,',
        'write /real/below/back.txt written , write /run/app/deep/pid 1 , exit 3',
      ],
    }
  })

  const mounted = (target: string): MountEntry | undefined =>
    boot()
      .report()
      .mounts.find((m) => m.target === target)

  test('gives its exit code on the last line and in /.zmachine/exit.json', () => {
    expect(boot().container).toMatchObject({ code: 3, signal: 'none', reason: 'exit' })
    expect(boot().exit.reason).toBe('powerdown')
    const json = JSON.parse(boot().file('.zmachine/exit.json') ?? '{}')
    expect(json).toMatchObject({ code: 3, reason: 'exit' })
    expect(Math.abs(json.uptime - (boot().container?.uptime ?? 0))).toBeLessThan(1)
  })

  test.each([
    ['/proc', 'proc', ['nosuid', 'nodev', 'noexec']],
    ['/sys', 'sysfs', ['nosuid', 'nodev', 'noexec']],
    ['/dev', 'devtmpfs', ['nosuid']],
    ['/dev/pts', 'devpts', ['nosuid', 'noexec']],
    ['/dev/shm', 'tmpfs', ['nosuid', 'nodev']],
    ['/dev/mqueue', 'mqueue', ['nosuid', 'nodev', 'noexec']],
    ['/run', 'tmpfs', ['nosuid', 'nodev']],
    ['/sys/fs/cgroup', 'cgroup2', ['nosuid', 'nodev', 'noexec']],
  ])('has %s of type %s with systemd’s flags', (target, type, flags) => {
    expect(mounted(target)?.type).toBe(type)
    expect(mounted(target)?.options).toEqual(expect.arrayContaining(flags))
  })

  test('has the directories that the image has in /run', () => {
    expect(boot().console).toContain('probe: wrote /run/app/deep/pid')
  })

  test('has the links in /dev', () => {
    const { files } = boot().report()
    expect(files.get('/dev/fd')?.link).toBe('/proc/self/fd')
    expect(files.get('/dev/stdin')?.link).toMatch(/^(\/proc\/self\/)?fd\/0$/)
    expect(files.get('/dev/stdout')?.link).toMatch(/^(\/proc\/self\/)?fd\/1$/)
    expect(files.get('/dev/stderr')?.link).toMatch(/^(\/proc\/self\/)?fd\/2$/)
    expect(files.get('/dev/ptmx')).toBeDefined()
    expect(files.get('/dev/null')?.type).toBe('char')
  })

  test('has the virtiofs directory as its writable root', () => {
    expect(mounted('/')).toMatchObject({ type: 'virtiofs', options: expect.arrayContaining(['rw']) })
    expect(boot().report().rootEntries).not.toContain('init')
  })

  test('has every disk and share mounted, parents before children', () => {
    expect(mounted('/data')).toMatchObject({ type: 'ext4' })
    expect(mounted('/data/nested')).toMatchObject({ type: 'ext4' })
    expect(boot().console).toContain('probe: cat /data/a.txt: disk a')
    expect(boot().console).toContain('probe: cat /data/nested/b.txt: disk b')
  })

  test('has a target below an absolute symlink resolved inside the root', () => {
    expect(mounted('/real/below')).toMatchObject({ type: 'virtiofs' })
    expect(boot().console).toContain('probe: cat /real/below/hello.txt: from the host')
    expect(boot().console).toContain('probe: wrote /real/below/back.txt')
  })

  test('has a target with Unicode, spaces and an equals sign', () => {
    const target = Buffer.from('/mnt/größe of=two words').toString('latin1')
    expect(mounted(target)).toMatchObject({ type: 'virtiofs', source: 'odd' })
  })

  test('has its links up and its addresses usable, and no others', () => {
    const { nics, addresses, tentative } = boot().report()
    const global = addresses.filter(({ address }) => !address.startsWith('fe80:'))
    expect(global).toEqual(
      expect.arrayContaining([
        { nic: 'lo', address: '127.0.0.1/8', state: 'usable' },
        { nic: 'lo', address: '::1/128', state: 'usable' },
        { nic: 'eth0', address: '10.0.2.15/24', state: 'usable' },
        { nic: 'eth0', address: 'fec0::15/64', state: 'usable' },
        { nic: 'eth1', address: '192.168.77.5/24', state: 'usable' },
        { nic: 'eth1', address: 'fd77::5/64', state: 'usable' },
      ]),
    )
    expect(global).toHaveLength(6)
    expect(tentative).toEqual([])
    for (const name of ['lo', 'eth0', 'eth1'])
      expect(nics).toContainEqual(expect.objectContaining({ name, up: true }))
  })

  test('has its routes, by gateway and by device', () => {
    const { routes, routes6 } = boot().report()
    expect(routes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ nic: 'eth0', destination: '0.0.0.0/0', gateway: '10.0.2.2' }),
        expect.objectContaining({ nic: 'eth1', destination: '10.9.0.0/16', gateway: '192.168.77.1' }),
        expect.objectContaining({ nic: 'eth1', destination: '10.8.0.0/16', gateway: '0.0.0.0' }),
      ]),
    )
    expect(routes6).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          nic: 'eth0',
          destination: `${'0'.repeat(32)}/0`,
          gateway: 'fec00000000000000000000000000002',
        }),
        expect.objectContaining({
          nic: 'eth1',
          destination: `02${'0'.repeat(30)}/7`,
          gateway: 'fd770000000000000000000000000001',
        }),
      ]),
    )
  })

  test('has router advertisements off where addresses are given', () => {
    const { sysctls } = boot().report()
    for (const nic of ['eth0', 'eth1']) expect(sysctls.get(`net/ipv6/conf/${nic}/accept_ra`)).toBe('0')
  })

  test('has told the network of its addresses', () => {
    const seen = ['eth0', 'eth1'].flatMap((nic) =>
      readFrames(join(folder, `${nic}.pcap`)).flatMap((frame) => announcement(frame) ?? []),
    )
    const [arp, advert] = ['gratuitous ARP', 'unsolicited neighbour advertisement']
    for (const wanted of [
      { kind: arp, address: '10.0.2.15', mac: '52:54:00:00:00:01' },
      { kind: arp, address: '192.168.77.5', mac: '52:54:00:00:00:02' },
      { kind: advert, address: FEC0_15, mac: '52:54:00:00:00:01' },
      { kind: advert, address: FD77_5, mac: '52:54:00:00:00:02' },
    ]) {
      expect(seen).toContainEqual(wanted)
    }
  })

  test('has its name and its name servers, in the given order', () => {
    const { hostname, files } = boot().report()
    expect(hostname).toBe('azmy')
    expect(files.get('/etc/hostname')?.content).toBe('azmy\n')
    expect(files.get('/etc/hosts')?.content).toMatch(/^127\.0\.0\.1\s+localhost/m)
    expect(files.get('/etc/hosts')?.content).toMatch(/\bazmy\b/)
    const servers = [...(files.get('/etc/resolv.conf')?.content ?? '').matchAll(/^nameserver (\S+)$/gm)]
    expect(servers.map((found) => found[1])).toEqual(['10.0.2.3', '1.1.1.1', 'fec0::3'])
  })

  test('is a child in a session of its own, whose controlling terminal is the console', () => {
    const { pid, ppid, pgid, sid, tpgid, terminals, devTty } = boot().report()
    expect(pid).not.toBe(1)
    expect({ ppid, pgid, sid, tpgid }).toEqual({ ppid: 1, pgid: pid, sid: pid, tpgid: pid })
    expect(terminals).toEqual(Array(3).fill({ terminal: true, session: pid }))
    expect(devTty).toBe('opens')
  })

  test('has three descriptors, all of the real terminal', () => {
    expect([...boot().report().descriptors]).toEqual([0, 1, 2].map((fd) => [fd, '/dev/ttyS0']))
  })

  test('has default signals, a usual umask, and systemd’s limit of open files', () => {
    const { status, umask, limits } = boot().report()
    for (const key of ['SigBlk', 'SigIgn', 'SigCgt', 'SigPnd', 'ShdPnd'])
      expect(status.get(key)).toMatch(/^0+$/)
    expect(umask).toBe('0022')
    expect(limits.get('Max open files')).toEqual(['1024', '524288'])
  })

  test('has PATH, HOME, TERM and what was given, and nothing of the command line', () => {
    const names = boot()
      .report()
      .env.map((entry) => entry.slice(0, entry.indexOf('=')))
    expect(names.sort()).toEqual(['FROM_ETC', 'HOME', 'PATH', 'TERM'])
  })

  test('has its arguments, and / for a working directory', () => {
    const { argv, cwd, uid, gid } = boot().report()
    expect(argv.slice(0, 4)).toEqual(['/probe', 'report', ',', 'cat'])
    expect({ cwd, uid, gid }).toEqual({ cwd: '/', uid: 0, gid: 0 })
  })

  // Of the lean build it is 1,096 to 1,104 KB: where the kernel puts its heap decides on a page or two.
  test('shares its memory with a small PID 1', () => {
    const rss = boot().report().pid1Status.get('VmRSS') ?? 'nothing'
    expect(Number.parseInt(rss, 10)).toBeLessThanOrEqual(ofNodeBuild ? 64_000 : 1120)
  })
})
