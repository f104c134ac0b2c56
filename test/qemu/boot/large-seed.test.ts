/** A very large seed: many routes and variables, mounts in the wrong order, the seed between the disks. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { makeExt4 } from '../lib/files.ts'
import { makeSeed } from '../lib/images.ts'

const NICS = [0, 1, 2, 3]
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** Forty IPv4 and twenty IPv6 routes for each NIC. */
const NETWORK = [
  'ethernets:',
  ...NICS.flatMap((nic) => [
    `  eth${nic}:`,
    '    match:',
    `      macaddress: 52:54:00:00:00:0${nic + 1}`,
    '    dhcp4: false',
    '    addresses:',
    `    - 10.${nic}.0.2/24`,
    `    - fd0${nic}::2/64`,
    '    routes:',
    ...numbers(40).flatMap((n) => [`    - to: 172.${16 + nic}.${n}.0/24`, `      via: 10.${nic}.0.1`]),
    ...numbers(20).flatMap((n) => [`    - to: fd0${nic}:${n + 1}::/48`, `      via: fe80::${nic + 1}`]),
  ]),
  'version: 2',
  '',
].join('\n')

const SHELL_SYNTAX = [
  '$HOME',
  '$(reboot -f)',
  '`halt`',
  "it's",
  '"double"',
  'a\nb\n\nc',
  '\\n \\\\ \\',
  '; rm -rf / #',
  `\${x:-y}`,
  "'\"'\"'",
  '  ',
  '!history',
  '<<EOF\nEOF\n',
  '> /dev/null 2>&1 &',
  '*?[a-z]{1,2}~',
  "export X='1'\ninit='/bin/false'\nset -- ''",
  'é → 世界 🚀',
  '\t\r\x01\x7f',
  '='.repeat(200),
  '',
]

/** Including names that a shell would not accept. */
const VARIABLES = numbers(400).map((n): [string, string] => [
  n % 7 === 0 ? `odd-name.${n}` : `VARIABLE_${n}`,
  `${SHELL_SYNTAX[n % SHELL_SYNTAX.length]}${n % 3 === 0 ? SHELL_SYNTAX[(n * 7) % SHELL_SYNTAX.length] : ''}`,
])

/** As the host's serializer quotes. */
const shellQuote = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`

const ZOSRC = [
  ...VARIABLES.map(([key, value]) => `export ${key}=${shellQuote(value)}`),
  "init='/probe'",
  `set -- ${SHELL_SYNTAX.map(shellQuote).join(' ')}`,
  '',
].join('\n')

const MOUNTS = ['/a/b/c/d', '/a/b', '/a/b/c', '/a']

const USER_DATA = [
  '#cloud-config',
  'mounts:',
  ...MOUNTS.flatMap((target, index) => [
    `- - /dev/vd${'abde'.charAt(index)}`,
    `  - ${target}`,
    ...['  - auto', '  - defaults', '  - "0"', '  - "0"'],
  ]),
  '',
].join('\n')

describe('a large seed in the middle of the disks', () => {
  const boot = booted(async (folder) => {
    const disk = async (target: string) => ({
      file: await makeExt4(join(folder, target.replaceAll('/', '-')), { name: target }),
    })
    const [first, second, third, fourth] = await Promise.all(MOUNTS.map(disk))
    if (!(first && second && third && fourth)) throw new Error('a disk is missing')
    const files = { 'network-config': NETWORK, 'user-data': USER_DATA, zosrc: ZOSRC }
    return {
      init: null,
      files: { 'probe.commands': `report , cat ${MOUNTS.map((target) => `${target}/name`).join(' ')}` },
      disks: [first, second, await makeSeed(join(folder, 'seed'), files), third, fourth],
      nics: NICS.map((hub) => ({ backend: { kind: 'hub', hub } })),
    }
  })

  const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

  test('gives four hundred variables, byte for byte', () => {
    const given = boot()
      .report()
      .env.filter((entry) => /^(VARIABLE_|odd-name)/.test(entry))
    expect(given).toEqual(VARIABLES.map(([key, value]) => latin1(`${key}=${value}`)))
  })

  test('gives its arguments, byte for byte', () =>
    expect(boot().report().argv).toEqual(['/probe', ...SHELL_SYNTAX.map(latin1)]))

  test.each(NICS)('has all sixty routes of eth%i', (nic) => {
    const { routes, routes6 } = boot().report()
    for (const n of numbers(40))
      expect(routes).toContainEqual({
        nic: `eth${nic}`,
        destination: `172.${16 + nic}.${n}.0/24`,
        gateway: `10.${nic}.0.1`,
        metric: 0,
      })
    const via = routes6.filter(
      ({ gateway, ...route }) => route.nic === `eth${nic}` && gateway === `fe80${'0'.repeat(27)}${nic + 1}`,
    )
    expect(via).toHaveLength(20)
  })

  test('has its mounts one below another', () => {
    const own = boot()
      .report()
      .mounts.map(({ target }) => target)
      .filter((target) => target.startsWith('/a'))
    expect(own).toEqual(['/a', '/a/b', '/a/b/c', '/a/b/c/d'])
    for (const target of MOUNTS) expect(boot().console).toContain(`cat ${target}/name: ${target}`)
  })

  test('is all right: no warning', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).not.toContain('zmachine: warning')
  })
})
