/** A root that boots twice, and files of /etc that lead elsewhere (protocol, sections 4 and 6). */

import { describe, expect, test } from 'vitest'
import { bootContainer, booted } from './boot.ts'

const FILES = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'etc/passwd']

describe('a second boot of the same root', () => {
  let first: (string | undefined)[] = []
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
    const { file } = await bootContainer(folder, options)
    first = FILES.map(file)
    return options
  })

  test('leaves the files of /etc as the first one left them', () => {
    expect(FILES.map((path) => boot().file(path))).toEqual(first)
    expect(first.every((text) => text !== undefined)).toBe(true)
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
