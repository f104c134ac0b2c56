/** Seeds in which every optional part is broken: the entrypoint starts, and the console says what was skipped and why. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4 } from '../lib/files.ts'
import { makeSeed } from '../lib/images.ts'

describe('a seed of files that do not parse', () => {
  const boot = booted(async (folder) => ({
    disks: [
      await makeSeed(join(folder, 'seed'), {
        'meta-data': 'local-hostname: [unclosed\n',
        'network-config': 'version: 2\nethernets:\n\teth0: {\n',
        'user-data': '#cloud-config\nusers:\n- *nobody\n  name: root\n',
        zosrc: "export GOOD='kept'\ntouch /executed\nexport BAD='never closed\ninit='/nowhere'\n",
      }),
    ],
    nics: [{ backend: { kind: 'hub', hub: 0 } }],
    cmdline: 'host=plain net_eth0=10.1.1.3/24',
  }))

  test.each([
    ['meta-data', /zmachine: warning: seed\/meta-data:1:\d+: /],
    ['network-config', /zmachine: warning: seed\/network-config:3:\d+: /],
    ['user-data', /zmachine: warning: seed\/user-data:[34]:\d+: /],
    ['a command in zosrc', /zmachine: warning: seed\/zosrc:2\b.*touch/],
    ['an open quote in zosrc', /zmachine: warning: seed\/zosrc:[34]\b.*clos/],
  ])('%s is told with its line', (_, told) => expect(boot().console).toMatch(told))

  test('the entrypoint starts with what there is', () => {
    expect(boot().container?.code).toBe(0)
    const { hostname, env, addresses, rootEntries } = boot().report()
    expect(hostname).toBe('plain')
    expect(env).toContain('GOOD=kept')
    expect(addresses).toContainEqual({ nic: 'eth0', address: '10.1.1.3/24', state: 'usable' })
    expect(rootEntries).not.toContain('executed')
  })
})

const NETWORK = `version: 2
ethernets:
  eth0:
    match: {macaddress: "52:54:00:00:00:01"}
    addresses: [300.1.1.1/24, 10.1.1.3/24, "fd11::3/129"]
    gateway4: not-a-gateway
    mtu: sixteen
    routes:
    - {to: nonsense, via: 10.1.1.1}
    - {to: 10.40.0.0/16, via: 10.1.1.999}
    - {to: 10.50.0.0/16, via: 10.1.1.1, metric: soon}
    nameservers: {addresses: [1.2.3, 10.1.1.1]}
  eth7:
    match: {macaddress: "52:54:00:00:77:77"}
    addresses: [10.7.7.7/24]
  badmac:
    match: {macaddress: "52:54:zz"}
    addresses: [10.8.8.8/24]
    set-name: "a name/with everything wrong"
bonds: {bond0: {interfaces: [eth0]}}
`

const USER_DATA = `#cloud-config
mounts:
- [/dev/vda, /mnt/odd, nosuchfs, "nofail", "0", "0"]
- [/dev/vdx, /mnt/missing, auto, "nofail"]
- [/dev/vda, /mnt/options, ext4, "nofail,nosuchoption=1"]
- [/dev/vda, /file/below, ext4, nofail]
- not a list
- [/dev/vda, /data, auto, defaults]
users:
- name: root
  ssh_authorized_keys: [[], ssh-ed25519 AAAAGOOD good@example]
- name: somebody
runcmd: [reboot]
`

describe('a seed and an image whose every optional part is wrong', () => {
  const boot = booted(async (folder) => ({
    files: {
      'etc/resolv.conf/keep': '',
      'etc/hosts/keep': '',
      'etc/hostname/keep': '',
      'etc/ssh/ssh_config': '',
      'usr/bin/ssh-keygen': { text: 'no program', mode: 0o755 },
      root: 'no directory',
      file: 'no directory',
    },
    disks: [
      { file: await makeExt4(join(folder, 'data'), { 'd.txt': 'disk' }) },
      await makeSeed(join(folder, 'seed'), {
        'meta-data': 'local-hostname: "two words"\n',
        'network-config': NETWORK,
        'user-data': USER_DATA,
        zosrc: `export LARGE='${'x'.repeat(2 << 20)}'\n`,
      }),
    ],
    nics: [{ backend: { kind: 'hub', hub: 0 } }],
    cmdline: 'rootdelay=1',
    probe: 'report , cat /data/d.txt'.split(' '),
  }))

  test('the entrypoint starts, with the good parts', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).toContain('cat /data/d.txt: disk')
    const { addresses, routes } = boot().report()
    expect(addresses).toContainEqual({ nic: 'eth0', address: '10.1.1.3/24', state: 'usable' })
    expect(routes).toContainEqual(
      expect.objectContaining({ destination: '10.50.0.0/16', gateway: '10.1.1.1' }),
    )
  })

  test.each([
    ['a hostname with a blank', 'two words'],
    ['an address', '300.1.1.1/24'],
    ['an address with too long a prefix', 'fd11::3/129'],
    ['a gateway', 'not-a-gateway'],
    ['an MTU', 'sixteen'],
    ['a route’s destination', 'nonsense'],
    ['a route’s gateway', '10.1.1.999'],
    ['a metric', 'soon'],
    ['a name server', '1.2.3'],
    ['a NIC that is missing', '52:54:00:00:77:77'],
    ['a MAC', '52:54:zz'],
    ['a NIC’s name', 'with everything wrong'],
    ['a kind of interface', 'bonds'],
    ['a file system’s type', 'nosuchfs'],
    ['a disk that is missing', '/dev/vdx'],
    ['a mount option', '/mnt/options.*EINVAL'],
    ['a target below a file', '/file.*ENOTDIR'],
    ['a mount that is no list', 'not a list'],
    ['a user that is not root', 'somebody'],
    ['a key that is no text', 'user-data:11:'],
    ['what only cloud-init does', 'runcmd'],
    ['a file larger than 1 MB', 'zosrc.*larger than 1 MB'],
    ['resolv.conf that is a directory', '/etc/resolv.conf.*E[A-Z]+'],
    ['hosts that is a directory', '/etc/hosts.*E[A-Z]+'],
    ['a home that is no directory', '/root.*E[A-Z]+'],
    ['an ssh-keygen that is no program', 'ssh-keygen.*ENOEXEC'],
  ])('the console names %s', (_, told) =>
    expect(boot().console).toMatch(new RegExp(`zmachine: warning: .*${told}`)),
  )
})
