import { describe, expect, it, test } from 'vitest'
import { parseKeys } from '../../src/config/keys.ts'
import type { MountConfig } from '../../src/config/machine.ts'
import { merge } from '../../src/config/merge.ts'
import * as MS from '../../src/lib/mount-flags.ts'
import {
  AUTHORIZED_KEYS,
  EARLY_MOUNTS,
  NEEDED_DIRECTORIES,
  plan,
  planEntry,
  planRoot,
  sortMounts,
} from '../../src/plan/plan.ts'
import {
  contentOf,
  describeNic,
  describeRoute,
  describe as describeStep,
  isFatal,
  type Step,
} from '../../src/plan/step.ts'

const planOf = (cmdline: string) => plan(merge([parseKeys(cmdline).layer]))

/** A plan that nothing is wrong with, as its steps print themselves. */
function lines(cmdline: string): string {
  const { steps, problems, refusals } = planOf(cmdline)
  expect([problems, refusals]).toEqual([[], []])
  return steps.map(describeStep).join('\n')
}

const only = <K extends Step['kind']>(steps: readonly Step[], kind: K): Extract<Step, { kind: K }>[] =>
  steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind)

/** What a file's text becomes. */
const file = (cmdline: string, path: string, present?: string): string | undefined =>
  textIn(planOf(cmdline).steps, path, present)

function textIn(steps: readonly Step[], path: string, present?: string): string | undefined {
  const step = only(steps, 'file').find((step) => step.path === path)
  return step && contentOf(step.content, present)
}

const mountOf = (options: string, target = '/data'): MountConfig => ({
  source: '/dev/vda',
  target,
  type: 'auto',
  options,
  from: 'test',
})

const planMounts = (...mounts: MountConfig[]) => plan(merge([{ source: 'test', mounts }]))

describe('plan', () => {
  it('closes root’s SSH keys, and a folder that is made for them, to others', () => {
    const { steps } = plan(merge([{ source: 'test', authorizedKeys: ['ssh-ed25519 KEY'] }]))
    expect(only(steps, 'file')).toContainEqual(
      expect.objectContaining({ path: '/root/.ssh/authorized_keys', mode: 0o600, directoryMode: 0o700 }),
    )
  })

  it('of the older generation’s example', () => {
    const cmdline =
      'rw console=ttyS0 reboot=k panic=1 root=vroot rootfstype=virtiofs rootdelay=30 boot.shell_on_fail net_eth0=10.1.1.3/24;fd39:775a:4846:1::3/64 net_eth1=302:82a8:705:e5cf::8/64 net_r4=default,10.1.1.1;10.1.0.0/16,10.1.1.1 net_r6=default,fd39:775a:4846:1::1;200::/7,302:82a8:705:e5cf::1 net_dns=8.8.8.8;1.1.1.1 vda=/opt/data host=azmy'
    expect(lines(cmdline)).toMatchInlineSnapshot(`
      "mount /dev/pts (devpts)
      mount /dev/shm (tmpfs)
      mount /dev/mqueue (mqueue)
      mount /run (tmpfs)
      mount /sys/fs/cgroup (cgroup2)
      link /dev/fd to /proc/self/fd
      link /dev/stdin to /proc/self/fd/0
      link /dev/stdout to /proc/self/fd/1
      link /dev/stderr to /proc/self/fd/2
      link /dev/ptmx to pts/ptmx
      hostname azmy
      network lo, eth0 10.1.1.3/24 fd39:775a:4846:1::3/64, eth1 302:82a8:705:e5cf::8/64, 4 routes
      SSH host keys start
      mount /dev/vda on /opt/data (auto)
      file /etc/hostname: azmy
      file /etc/hosts: localhost and azmy
      file /etc/resolv.conf: name servers 8.8.8.8, 1.1.1.1
      SSH host keys finish
      announce eth0, eth1
      free the initramfs"
    `)
    const [network] = only(planOf(cmdline).steps, 'network')
    expect(network?.routes.map(describeRoute)).toEqual([
      'default via 10.1.1.1 dev eth0',
      '10.1.0.0/16 via 10.1.1.1 dev eth0',
      'default via fd39:775a:4846:1::1 dev eth0',
      '200::/7 via 302:82a8:705:e5cf::1 dev eth1',
    ])
  })

  it('of an empty command line', () => {
    expect(lines('').split('\n').slice(-5)).toEqual([
      'network lo',
      'SSH host keys start',
      'file /etc/hosts: localhost',
      'SSH host keys finish',
      'free the initramfs',
    ])
  })

  it('begins with the root that the command line names, and the seed', () => {
    const [root, ...rest] = planRoot(
      parseKeys('root=LABEL=data rootfstype=ext4 rootflags=noatime ro rootdelay=3').layer,
    )
    expect(root).toEqual({
      kind: 'root',
      source: 'LABEL=data',
      type: 'ext4',
      flags: MS.MS_NOATIME | MS.MS_RDONLY,
      data: '',
      delay: 3,
    })
    expect(rest).toEqual([{ kind: 'seed' }])
    expect(planRoot(parseKeys('').layer).map(describeStep)).toEqual([
      'mount vroot on / (auto)',
      'read the seed',
    ])
  })

  it('enters a root that has what will be mounted on and written', () => {
    const [enter] = planEntry(
      merge([parseKeys('vda=/data').layer, { source: 'seed', authorizedKeys: ['ssh-ed25519 AAAA'] }]),
    )
    expect(enter).toMatchObject({ kind: 'enter', directories: NEEDED_DIRECTORIES, targets: ['/data'] })
    expect(enter).toMatchObject({ files: expect.arrayContaining(['/etc/hosts', AUTHORIZED_KEYS]) })
    expect(planEntry(merge([]))[0]).toMatchObject({ files: expect.not.arrayContaining([AUTHORIZED_KEYS]) })
  })

  it('ends with the entrypoint, and who runs it', () => {
    const { start } = planOf('init=/app zmachine.user=app zmachine.cwd=/srv zmachine.mode=exec -- -v "a b"')
    expect(start).toEqual({
      kind: 'start',
      init: '/app',
      args: ['-v', 'a b'],
      user: 'app',
      cwd: '/srv',
      mode: 'exec',
    })
  })

  it('says which failures end the boot: the root, disks without nofail, the entrypoint; everything if strict', () => {
    const { steps, start } = plan(
      merge([{ source: 'test', mounts: [mountOf('', '/a'), mountOf('nofail', '/b')] }]),
    )
    const all = [...EARLY_MOUNTS, ...planRoot(parseKeys('').layer), ...planEntry(merge([])), ...steps, start]
    expect(all.filter((step) => isFatal(step, false)).map(describeStep)).toEqual([
      'mount /proc (proc)',
      'mount /sys (sysfs)',
      'mount /dev (devtmpfs)',
      'mount vroot on / (auto)',
      'change to the root',
      'mount /dev/vda on /a (auto)',
      'free the initramfs',
      'start /sbin/init',
    ])
    expect(all.every((step) => isFatal(step, true))).toBe(true)
  })

  it('mounts the pseudo file systems with systemd’s flags (mount-setup.c, dev-mqueue.mount)', () => {
    const sealed = MS.MS_NOSUID | MS.MS_NODEV | MS.MS_NOEXEC
    const shared = MS.MS_NOSUID | MS.MS_NODEV | MS.MS_STRICTATIME
    const mounts = [...EARLY_MOUNTS, ...only(planOf('').steps, 'pseudo')]
    expect(mounts.map(({ target, type, flags, data }) => [target, type, flags, data])).toEqual([
      ['/proc', 'proc', sealed, ''],
      ['/sys', 'sysfs', sealed, ''],
      ['/dev', 'devtmpfs', MS.MS_NOSUID | MS.MS_STRICTATIME, 'mode=0755,size=4m,nr_inodes=64k'],
      ['/dev/pts', 'devpts', MS.MS_NOSUID | MS.MS_NOEXEC, 'mode=0620,gid=5,ptmxmode=0666'],
      ['/dev/shm', 'tmpfs', shared, 'mode=01777'],
      ['/dev/mqueue', 'mqueue', sealed, ''],
      ['/run', 'tmpfs', shared, 'mode=0755,size=20%,nr_inodes=800k'],
      ['/sys/fs/cgroup', 'cgroup2', sealed, 'nsdelegate,memory_recursiveprot'],
    ])
    expect(mounts.every(({ source }) => source !== '')).toBe(true)
  })

  it('boots without what a small kernel may lack, and not without the rest', () => {
    const optional = only(planOf('').steps, 'pseudo').filter(({ optional }) => optional)
    expect(optional.map(({ target }) => target)).toEqual(['/dev/mqueue', '/sys/fs/cgroup'])
    expect(EARLY_MOUNTS.some(({ optional }) => optional)).toBe(false)
  })

  it('gives an image without /proc, /sys and /dev what it needs', () => {
    for (const { target } of EARLY_MOUNTS) expect(NEEDED_DIRECTORIES).toContain(target)
    expect(NEEDED_DIRECTORIES).toEqual(expect.arrayContaining(['/run', '/etc', '/tmp']))
  })

  it('mounts and links before the network, the network before the user’s mounts, files last', () => {
    const kinds = planOf('host=a vda=/x net_eth0=10.0.0.2/24 net_dns=8.8.8.8').steps.map(({ kind }) => kind)
    expect([...new Set(kinds)]).toEqual([
      'pseudo',
      'symlink',
      'hostname',
      'network',
      'host-keys',
      'mount',
      'file',
      'announce',
      'free-initramfs',
    ])
    expect(kinds.lastIndexOf('mount')).toBeLessThan(kinds.indexOf('file'))
  })

  it('makes SSH host keys behind a mount that holds them', () => {
    const kinds = (cmdline: string) => planOf(cmdline).steps.map(({ kind }) => kind)
    expect(kinds('vda=/etc/ssh').indexOf('host-keys')).toBeGreaterThan(kinds('vda=/etc/ssh').indexOf('mount'))
    expect(kinds('vda=/data').indexOf('host-keys')).toBeLessThan(kinds('vda=/data').indexOf('mount'))
  })

  it('mounts parents before children, whatever their order', () => {
    const { steps } = planOf('vda=/a/b/c qsfs_x=/a vdb=/a/b vdc=/z vdd=/a/c')
    expect(only(steps, 'mount').map(({ target }) => target)).toEqual(['/a', '/z', '/a/b', '/a/c', '/a/b/c'])
  })

  it('honours a mount’s options', () => {
    const [step] = only(planMounts(mountOf('ro,noexec,nofail,subvol=/@')).steps, 'mount')
    expect(step).toMatchObject({ flags: MS.MS_RDONLY | MS.MS_NOEXEC, data: 'subvol=/@', nofail: true })
    expect(only(planMounts(mountOf('defaults')).steps, 'mount')[0]).toMatchObject({
      flags: 0,
      data: '',
      nofail: false,
    })
  })

  it('leaves out what is not to be mounted at boot', () => {
    expect(planMounts(mountOf('noauto')).steps.some(({ kind }) => kind === 'mount')).toBe(false)
  })

  it('refuses to boot where a disk has no place to go, each with its source', () => {
    const { refusals } = planOf('vda=/ vdb= vdc=/ok')
    expect(refusals).toEqual([expect.stringContaining('/dev/vda'), expect.stringContaining('/dev/vdb')])
    expect(refusals[0]).toContain('kernel command line')
  })

  it('boots without such a disk that says nofail', () => {
    const { refusals, steps } = planMounts(mountOf('nofail', ''))
    expect([refusals, only(steps, 'mount')]).toEqual([[], []])
  })

  it('tells of a route that leads nowhere, and boots', () => {
    const { problems, refusals } = planOf('net_r4=default,10.0.0.1')
    expect([problems.length, refusals.length]).toEqual([1, 0])
  })

  it('brings up a NIC without addresses', () => {
    const [network] = only(planOf('net_eth1= net_eth0=10.0.0.2/24').steps, 'network')
    expect(network?.nics.map(describeNic)).toEqual(['eth1', 'eth0 10.0.0.2/24'])
  })

  it('writes three name servers in their order, whatever was there', () => {
    const cmdline = 'net_dns=8.8.8.8;1.1.1.1;2001:4860:4860::8888'
    const text = 'nameserver 8.8.8.8\nnameserver 1.1.1.1\nnameserver 2001:4860:4860::8888\n'
    expect(file(cmdline, '/etc/resolv.conf')).toBe(text)
    expect(file(cmdline, '/etc/resolv.conf', 'nameserver 127.0.0.11\n')).toBe(text)
  })

  it('writes the search list', () => {
    const { steps } = plan(
      merge([parseKeys('net_dns=8.8.8.8').layer, { source: 'test', searchDomains: ['a.b', 'c'] }]),
    )
    expect(textIn(steps, '/etc/resolv.conf')).toBe('search a.b c\nnameserver 8.8.8.8\n')
  })

  it('leaves resolv.conf and hostname alone where nothing is said of them', () => {
    expect(only(planOf('').steps, 'file').map(({ path }) => path)).toEqual(['/etc/hosts'])
    expect(only(planOf('').steps, 'hostname')).toEqual([])
  })

  test.each([
    ['net_eth0=fd00::2/64 net_eth1=10.1.0.2/24', '10.1.0.2'],
    ['net_eth0=fd00::2/64', 'fd00::2'],
    ['', '127.0.1.1'],
  ])('names the machine by its IPv4 address, or IPv6, or none: %s', (nics, address) => {
    expect(file(`host=web ${nics}`, '/etc/hosts')).toContain(`${address}\tweb`)
  })

  it('renders every file the same after any number of boots', () => {
    for (const { content } of only(planOf('host=web net_eth0=10.0.0.2/24 net_dns=8.8.8.8').steps, 'file')) {
      const once = contentOf(content, undefined)
      expect(contentOf(content, once)).toBe(once)
      expect(once.endsWith('\n')).toBe(true)
    }
  })

  it('prints each step on one line', () => {
    for (const step of planOf('host=a vda=/x net_eth0= net_dns=8.8.8.8').steps) {
      expect(describeStep(step)).toMatch(/^[^\n]+$/)
    }
  })
})

describe('sortMounts', () => {
  it('keeps the order of what is equally deep', () => {
    const targets = ['/c', '/a/x', '/b', '/a', '/b/x']
    expect(sortMounts(targets.map((target) => mountOf('', target))).map(({ target }) => target)).toEqual([
      '/c',
      '/b',
      '/a',
      '/a/x',
      '/b/x',
    ])
  })
})
