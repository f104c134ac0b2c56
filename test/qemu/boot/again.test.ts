/** Boots a root twice, and roots whose files in /etc are symlinks. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Boot, bootContainer, booted } from '../lib/boot.ts'
import { probeProgram } from '../lib/files.ts'
import { makeSeed, seedFixture } from '../lib/images.ts'
import { snapshot } from '../lib/snapshot.ts'
import { sshImage } from '../lib/ssh-image.ts'

const FILES = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'etc/passwd']

describe('a second boot of the same root', () => {
  let first: (string | undefined)[] = []
  let before = ''
  const boot = booted(async (folder) => {
    const options = {
      files: {
        'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
        'etc/resolv.conf': { link: '/run/somewhere/resolv.conf' },
        'etc/hostname': { link: '/keep/hostname' },
        'etc/hosts': { link: '../../../../keep/hosts' },
        'keep/hostname': 'untouched',
        'keep/hosts': 'untouched',
      },
      nics: [{ backend: { kind: 'hub', hub: 0 } }],
      cmdline: 'host=twice net_eth0=10.5.5.5/24 net_dns=10.5.5.1;10.5.5.2;10.5.5.3',
    } as const
    const { file, console } = await bootContainer(folder, { ...options, probe: ['exit', '3'] })
    first = FILES.map(file)
    before = console
    return options
  })

  test('leaves the files of /etc as the first one left them', () => {
    expect(FILES.map((path) => boot().file(path))).toEqual(first)
    expect(first.every((text) => text !== undefined)).toBe(true)
  })

  test('says in one line, before anything else, how the first one ended', () => {
    const [first] = boot()
      .console.split('\n')
      .filter((line) => line.startsWith('zmachine: '))
    expect(first?.trimEnd()).toMatch(
      /^zmachine: the previous run ended: code=3 signal=none reason=exit uptime=\d+\.\d{3}$/,
    )
    expect(before).not.toContain('previous run')
    expect(JSON.parse(boot().file('.zmachine/exit.json') ?? '{}')).toMatchObject({ code: 0 })
  })

  test('says in one line what it was given', () => {
    const lines = boot()
      .console.split('\n')
      .filter((line) => line.startsWith('zmachine: eth0 '))
    expect(lines.map((line) => line.trimEnd())).toEqual([
      'zmachine: eth0 10.5.5.5/24; name servers 10.5.5.1, 10.5.5.2, 10.5.5.3',
    ])
  })

  test('has files where the image had links, and left their ends alone', () => {
    const { files } = boot().report()
    for (const path of FILES) expect(files.get(`/${path}`)?.type ?? 'file').toBe('file')
    expect(boot().file('keep/hostname')).toBe('untouched')
    expect(boot().file('keep/hosts')).toBe('untouched')
    expect(boot().file('etc/hostname')).toBe('twice\n')
    expect(boot().file('etc/resolv.conf')).toMatch(
      /nameserver 10\.5\.5\.1\nnameserver 10\.5\.5\.2\nnameserver 10\.5\.5\.3/,
    )
  })
})

describe('three boots of one root with a seed', () => {
  const trees: Record<string, string>[] = []
  const boot = booted(async (folder) => {
    const options = {
      init: null,
      files: {
        ...(await sshImage()),
        'probe.commands': 'exit 0',
        'usr/bin/env': { copy: await probeProgram() },
        'etc/hosts': '127.0.0.1 localhost\n10.9.9.9 db\n',
        'root/.ssh/authorized_keys': { text: 'ssh-ed25519 AAAAOFTHEIMAGE image@example', mode: 0o600 },
      },
      disks: [await makeSeed(join(folder, 'seed'), seedFixture('quoting'))],
      nics: [{ mac: '02:00:00:00:00:01', backend: { kind: 'hub', hub: 0 } }],
    } as const
    for (let count = 0; count < 2; count++) trees.push(tree(await bootContainer(folder, options)))
    return options
  })

  /** exit.json has the uptime, which differs. */
  function tree({ root }: Boot): Record<string, string> {
    const { '.zmachine/exit.json': exit = '', ...rest } = snapshot(root)
    return { ...rest, exit: exit.slice(0, exit.indexOf('{')) }
  }

  test('leave the same files as one', () => {
    expect(trees[1]).toEqual(trees[0])
    expect(tree(boot())).toEqual(trees[0])
    expect(Object.keys(tree(boot()))).toEqual(
      expect.arrayContaining(['etc/resolv.conf', 'etc/hostname', 'etc/ssh/ssh_host_ed25519_key', 'exit']),
    )
  })

  test('leave each of root’s keys once, the image’s own too', () => {
    const keys = boot().file('root/.ssh/authorized_keys')?.trimEnd().split('\n')
    expect(keys?.map((key) => key.split(' ')[1])).toEqual([
      'AAAAOFTHEIMAGE',
      `AAAAC3NzaC1lZDI1NTE5AAAAI${'EXAMPLE'.repeat(6)}1`,
      'AAAAB3NzaC1yc2EAAAADAQABAAABgQEXAMPLEexampleEXAMPLE==',
    ])
  })
})
