/** Mistakes of hosts and people: the boot continues, or ends with one clear error. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Boot, booted } from '../lib/boot.ts'
import { makeExt4 } from '../lib/files.ts'

function endsInOrder({ exit }: Boot): void {
  expect(exit.reason).toBe('powerdown')
}

describe('keys that nobody knows', () => {
  const boot = booted({
    cmdline:
      'zmachine.moed=exec zmachine.grace=soon zmachine.on_exit=explode nonsense === =x net_=y vd=/x qsfs_=/y ""',
    probe: ['exit', '2'],
  })

  test('are passed over, with a hint at what was meant', () => {
    expect(boot().container?.code).toBe(2)
    expect(boot().console).toMatch(/zmachine: .*zmachine\.moed.*zmachine\.mode/)
  })
})

describe('bytes that are no text', () => {
  const boot = booted({
    cmdline: 'host=\u0001\u001b[31m\u007f net_dns=\u0002;\u00ff\u0100 "unclosed \u0003\u65e5 net_eth0=\u0007',
    probe: ['exit', '2'],
  })

  test('do not stop the boot, nor reach the terminal as they are', () => {
    expect(boot().exit.reason).not.toBe('panic')
    const ours = boot()
      .console.split('\n')
      .filter((line) => line.includes('zmachine: '))
    for (const line of ours) expect(line).not.toContain('\u001b')
  })
})

describe('addresses, routes and name servers that do not parse, and a NIC that is not there', () => {
  const boot = booted({
    nics: [{ backend: { kind: 'hub', hub: 0 } }],
    cmdline: [
      'net_eth0=300.1.1.1/24;10.0.0.1/33;fe80:::1/64;10.4.4.4/24;fd44::4/129;fd44::5/64 net_eth7=10.7.7.7/24',
      'net_r4=default,foo;nonsense;,;10.6.0.0/16,10.4.4.1 net_r6=;;x net_dns=1.2.3;10.4.4.2 rootdelay=2',
    ].join(' '),
    probe: 'report , exit 2'.split(' '),
  })

  test('leave the good ones in place', () => {
    expect(boot().container?.code).toBe(2)
    const { addresses, routes, files } = boot().report()
    const own = addresses.filter(({ nic, address }) => nic === 'eth0' && !address.startsWith('fe80:'))
    expect(own.map(({ address }) => address).sort()).toEqual(['10.4.4.4/24', 'fd44::5/64'])
    expect(routes).toContainEqual(
      expect.objectContaining({ destination: '10.6.0.0/16', gateway: '10.4.4.1' }),
    )
    expect(files.get('/etc/resolv.conf')?.content).toContain('nameserver 10.4.4.2')
  })

  test('are named in warnings', () => {
    for (const bad of ['300.1.1.1/24', 'fe80:::1/64', 'eth7', 'nonsense', '1.2.3']) {
      expect(boot().console).toMatch(new RegExp(`zmachine: .*${bad.replaceAll('.', '\\.')}`))
    }
  })
})

describe('a file of /etc that is too large to be kept, and one that need not be', () => {
  const hosts = '10.1.1.1 somebody\n'.repeat(70_000)
  const boot = booted({
    files: { 'etc/hosts': hosts, 'etc/hostname': hosts },
    cmdline: 'host=named',
    probe: ['exit', '2'],
  })

  test('are left as it is with a warning, and replaced', () => {
    expect(boot().container?.code).toBe(2)
    expect(boot().console).toMatch(/zmachine: warning: .*read \/etc\/hosts: .*it is left unchanged/)
    expect(boot().file('etc/hosts') === hosts).toBe(true)
    expect(boot().file('etc/hostname')).toBe('named\n')
  })
})

describe('26 disks asked for, with none attached', () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz']
  const boot = booted({
    cmdline: `rootdelay=2 ${letters.map((letter) => `vd${letter}=/d/${letter}`).join(' ')}`,
    probe: ['say', 'ran'],
  })

  test('end with an error that names the disk, within rootdelay', () => {
    expect(boot().console).toMatch(/zmachine: .*vda/)
    expect(boot().console).not.toContain('probe: ran')
    expect(boot().container?.code).toBe(125)
    expect(boot().container?.uptime).toBeLessThan(20)
    endsInOrder(boot())
  })
})

describe('a disk that holds no file system', () => {
  const boot = booted(async (folder) => {
    const file = join(folder, 'zero')
    await writeFile(file, new Uint8Array(1 << 20))
    return { disks: [{ file }], cmdline: 'vda=/data rootdelay=2', probe: ['say', 'ran'] }
  })

  test('ends with an error that names it', () => {
    expect(boot().console).toMatch(/zmachine: .*vda/)
    expect(boot().console).not.toContain('probe: ran')
    expect(boot().container?.code).toBe(125)
    endsInOrder(boot())
  })
})

describe('a share that is not there', () => {
  const boot = booted({ cmdline: 'qsfs_nothere=/share rootdelay=2', probe: ['say', 'ran'] })

  test('ends with an error that names it', () => {
    expect(boot().console).toMatch(/zmachine: .*nothere/)
    expect(boot().console).not.toContain('probe: ran')
    expect(boot().container?.code).toBe(125)
    endsInOrder(boot())
  })
})

describe.each(['/', '../../x', '', 'relative', '/proc/self', '/a/../../b', '/loop'])(
  'a mount target %j',
  (target) => {
    const boot = booted(async (folder) => ({
      files: { loop: { link: '/loop' } },
      disks: [{ file: await makeExt4(join(folder, 'd.ext4'), { 'd.txt': 'disk' }) }],
      cmdline: `vda=${target}`,
      probe: ['report', ',', 'exit', '2'],
    }))

    test('boots on inside the root, or is one clear error', () => {
      const code = boot().container?.code
      if (code === 2) expect(boot().report().rootEntries).toContain('probe')
      else expect(boot().console).toMatch(/zmachine: .*(vda|target|mount)/)
      endsInOrder(boot())
    })
  },
)
