/** Inputs that other inits get wrong; docs/protocol.md lists them. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Nic } from '../../../src/host/machine/options.ts'
import { bootContainer, booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, type Tree } from '../lib/files.ts'
import { makeSeed } from '../lib/images.ts'

const program = await probeProgram()
const hub = (index: number): Nic => ({ backend: { kind: 'hub', hub: index } })
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIONE one@example'

const SEED: Tree = {
  'meta-data': 'instance-id: "1"\nlocal-hostname: rows\n',
  'network-config': `ethernets:
  eth0:
    match:
      macaddress: "52:54:00:00:00:01"
    addresses:
    - 10.1.1.3/24
    - fd11::3/64
    gateway4: 10.1.1.1
    gateway6: fd11::1
    nameservers:
      addresses:
      - 9.9.9.9
      - 2001:db8::1
  eth1:
    match:
      macaddress: "52:54:00:00:00:02"
    addresses:
    - 10.2.2.3/24
    - fd22::3/64
    nameservers:
      addresses:
      - 1.1.1.1
version: 2
`,
  'user-data': `#cloud-config
mounts:
- [/dev/vda, /link/data, auto, defaults, "0", "0"]
users:
- name: root
  ssh_authorized_keys:
  - ${KEY}
`,
  zosrc: `export MY-VAR='dash'
export PATH='/opt/app/bin'
export break='1'
export init='2'
export root='3'
init='/entry'
`,
}

describe('a seed that a host may well write, booted twice', () => {
  const boot = booted(async (folder) => {
    const options = {
      init: null,
      files: {
        'probe.commands': 'report , cat /real/data/d.txt',
        'opt/app/bin/tool': { copy: program },
        entry: { link: '/opt/app/bin/tool' },
        real: { directory: true },
        link: { link: '/real' },
        'etc/resolv.conf': { link: '/run/systemd/resolve/stub-resolv.conf' },
      },
      disks: [
        { file: await makeExt4(join(folder, 'data'), { 'd.txt': 'disk' }) },
        await makeSeed(join(folder, 'seed'), SEED),
        { ...(await makeSeed(join(folder, 'named'), { 'photo.txt': 'mine' })), readOnly: false },
      ],
      nics: [hub(0), hub(1)],
    } as const
    await bootContainer(folder, options)
    return options
  })

  test('variable named MY-VAR', () => expect(boot().report().env).toContain('MY-VAR=dash'))

  test('variable PATH=/opt/app/bin', () => {
    expect(boot().report().env).toContain('PATH=/opt/app/bin')
    expect(boot().container).toMatchObject({ code: 0, reason: 'exit' })
  })

  test('variables named break, init, root', () =>
    expect(boot().report().env).toEqual(expect.arrayContaining(['break=1', 'init=2', 'root=3'])))

  test('entrypoint an absolute symlink in the image', () => expect(boot().report().argv).toEqual(['/entry']))

  test('mount target below an absolute symlink', () => {
    expect(boot().report().mounts).toContainEqual(expect.objectContaining({ target: '/real/data' }))
    expect(boot().console).toContain('cat /real/data/d.txt: disk')
  })

  test('/etc/resolv.conf a dangling symlink', () =>
    expect(boot().report().files.get('/etc/resolv.conf')).toMatchObject({
      type: 'file',
      content: expect.stringContaining('nameserver 9.9.9.9'),
    }))

  test('image without /proc, /sys, /dev', () => {
    const targets = boot()
      .report()
      .mounts.map(({ target }) => target)
    expect(targets).toEqual(expect.arrayContaining(['/proc', '/sys', '/dev']))
  })

  test('second boot', () => expect(boot().file('root/.ssh/authorized_keys')).toBe(`${KEY}\n`))

  test('three name servers, two NICs', () => {
    const text = boot().report().files.get('/etc/resolv.conf')?.content ?? ''
    const servers = [...text.matchAll(/^nameserver (\S+)$/gm)].map(([, server]) => server)
    expect(servers).toEqual(['9.9.9.9', '2001:db8::1', '1.1.1.1'])
  })

  test('data disk whose label is also cidata', () => expect(boot().report().hostname).toBe('rows'))

  test('IPv6 addresses, fast boot', () => {
    const { addresses, tentative } = boot().report()
    expect(addresses).toContainEqual({ nic: 'eth0', address: 'fd11::3/64', state: 'usable' })
    expect(addresses).toContainEqual({ nic: 'eth1', address: 'fd22::3/64', state: 'usable' })
    expect(tentative).toEqual([])
  })

  test('gateway that does not answer', () => {
    const begun = Number(/^\[ *(\d+\.\d+)\] Run \/init as init process/m.exec(boot().console)?.[1])
    expect(boot().report().started - begun).toBeLessThan(5)
    expect(boot().report().routes).toContainEqual(
      expect.objectContaining({ destination: '0.0.0.0/0', gateway: '10.1.1.1' }),
    )
  })

  test('standard streams', () => {
    const { descriptors, terminals, devTty, pid } = boot().report()
    expect([...descriptors]).toEqual([0, 1, 2].map((fd) => [fd, '/dev/ttyS0']))
    expect(terminals).toEqual(Array(3).fill({ terminal: true, session: pid }))
    expect(devTty).toBe('opens')
  })
})

describe('first mount fails', () => {
  const seed = (options: string): Tree => ({
    'user-data': `#cloud-config
mounts:
- [/dev/vdx, /first, auto, "${options}", "0", "0"]
- [/dev/vda, /second, auto, defaults, "0", "0"]
users:
- {name: root, ssh_authorized_keys: [${KEY}]}
`,
  })

  describe('with nofail', () => {
    const boot = booted(async (folder) => ({
      disks: [
        { file: await makeExt4(join(folder, 'data'), {}) },
        await makeSeed(join(folder, 'seed'), seed('defaults,nofail')),
      ],
      cmdline: 'rootdelay=1',
    }))

    test('first mount fails: each mount on its own', () => {
      expect(boot().container?.code).toBe(0)
      expect(boot().console).toMatch(/zmachine: warning: .*\/dev\/vdx/)
      const { mounts, files } = boot().report()
      expect(mounts).toContainEqual(expect.objectContaining({ target: '/second', type: 'ext4' }))
      expect(files.get('/root/.ssh/authorized_keys')?.content).toBe(`${KEY}\n`)
    })
  })

  describe('without nofail', () => {
    const boot = booted(async (folder) => ({
      disks: [
        { file: await makeExt4(join(folder, 'data'), {}) },
        await makeSeed(join(folder, 'seed'), seed('defaults')),
      ],
      cmdline: 'rootdelay=1',
      probe: ['say', 'ran'],
    }))

    test('first mount fails: fatal', () => {
      expect(boot().console).toMatch(/zmachine: fatal: .*\/dev\/vdx/)
      expect(boot().console).not.toContain('probe: ran')
      expect(boot().container?.code).toBe(125)
    })
  })
})

describe('no seed disk', () => {
  const boot = booted(async (folder) => ({
    init: 'bin/tool',
    files: {
      'bin/tool': { link: '/probe' },
      'etc/resolv.conf': { link: '/etc/real.conf' },
      'etc/real.conf': 'nameserver 127.0.0.53\n',
    },
    disks: [{ file: await makeExt4(join(folder, 'data'), {}) }],
    nics: [hub(0)],
    cmdline: 'vda=/data host=older net_eth0=10.1.1.3/24 net_dns=10.1.1.1',
  }))

  test('no seed disk: boots by the command line', () => {
    const { hostname, mounts } = boot().report()
    expect(hostname).toBe('older')
    expect(mounts).toContainEqual(expect.objectContaining({ target: '/data' }))
    expect(boot().console).not.toContain('zmachine: warning')
  })

  test('entrypoint relative', () => expect(boot().report().argv).toEqual(['bin/tool']))

  test('/etc/resolv.conf an absolute symlink', () => {
    expect(boot().report().files.get('/etc/resolv.conf')).toMatchObject({
      type: 'file',
      content: 'nameserver 10.1.1.1\n',
    })
    expect(boot().file('etc/real.conf')).toBe('nameserver 127.0.0.53\n')
  })
})

describe('root tag unknown', () => {
  const boot = booted({
    root: 'none',
    cmdline: 'root=no-such-tag rootfstype=virtiofs rootdelay=1 zmachine.on_exit=halt',
  })

  test('root tag unknown: an error that names it and what was tried, then the exit policy', () => {
    expect(boot().console).toMatch(/zmachine: fatal: .*no-such-tag.*virtiofs/)
    expect(boot().container?.code).toBe(125)
    expect(boot().container?.uptime).toBeLessThan(15)
    expect(boot().exit.reason).toBe('halt')
  })
})
