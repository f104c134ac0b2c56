import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseKeys } from '../../src/config/keys.ts'
import type { RouteConfig } from '../../src/config/machine.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { hostnameProblem } from '../../src/lib/names.ts'
import { normalizeTarget } from '../../src/lib/paths.ts'
import { anyBytes, textOf, utf8 } from '../bytes.ts'
import { KEY_NAMES } from './key-names.ts'

/** The layer of a command line that has no mistake in it. */
function layer(text: string) {
  const { layer, problems } = parseKeys(text)
  expect(problems).toEqual([])
  return layer
}

const problems = (text: string) => parseKeys(text).problems.map(({ message }) => message)

const describeRoute = ({ destination, family, gateway, nic }: RouteConfig): string =>
  `${family} ${destination === undefined ? 'default' : formatCidr(destination)} ${gateway === undefined ? nic : formatIp(gateway)}`

const OLDER_GENERATION =
  'net_eth0=10.1.1.3/24;fd39:775a:4846:1::3/64 net_eth1=302:82a8:705:e5cf::8/64 net_r4=default,10.1.1.1;10.1.0.0/16,10.1.1.1 net_r6=default,fd39:775a:4846:1::1;200::/7,302:82a8:705:e5cf::1 net_dns=8.8.8.8;1.1.1.1 vda=/opt/data host=azmy'

const ALWAYS_PRESENT =
  'rw console=ttyS0 reboot=k panic=1 root=vroot rootfstype=virtiofs rootdelay=30 boot.shell_on_fail'

test('parseKeys shortens the name of an unknown key', () => {
  const [message = ''] = problems(`zmachine.${'x'.repeat(2000)}=1`)
  expect(message).toBe(`zmachine.${'x'.repeat(108)}...: unknown key`)
})

describe('KEY_NAMES', () => {
  it('has every key of the contract, and no other', () => {
    const contract = [
      ...['root', 'rootfstype', 'rootflags', 'ro', 'rw', 'rootdelay', 'rootwait', 'init', 'host'],
      ...['net_ethX', 'net_r4', 'net_r6', 'net_dns', 'vdX', 'qsfs_TAG'],
      ...[
        'mode',
        'on_exit',
        'grace',
        'env.KEY',
        'user',
        'cwd',
        'strict',
        'log',
        'log_file',
        'timeline',
        'shell',
        'inspect',
      ].map((name) => `zmachine.${name}`),
    ]
    expect([...KEY_NAMES].sort()).toEqual(contract.sort())
  })

  it.each(KEY_NAMES)('%s is read', (name) => {
    const key = name
      .replace('ethX', 'eth7')
      .replace('vdX', 'vdc')
      .replace('TAG', 'tag')
      .replace('env.KEY', 'env.A')
    const values = [
      '1',
      '/x',
      '8.8.8.8',
      'default,10.0.0.1',
      'default,fe80::1',
      '10.0.0.1/8',
      'exec',
      'halt',
      'debug',
    ]
    const nothing = JSON.stringify(parseKeys('').layer)
    const read = values.some((value) => {
      const { layer } = parseKeys(`${key}=${value}`)
      return JSON.stringify(layer) !== nothing || layer.environment?.size === 1
    })
    expect(read).toBe(true)
  })
})

describe('parseKeys', () => {
  it('reads what is always present on a zos host', () => {
    const { root, settings, mounts, nics, init } = layer(ALWAYS_PRESENT)
    expect(root).toEqual({ source: 'vroot', type: 'virtiofs', delay: 30, readOnly: false })
    expect([settings, mounts, nics, init]).toEqual([{}, [], [], undefined])
  })

  it('reads the older generation’s example', () => {
    const { nics, routes, nameServers, mounts, hostname } = layer(OLDER_GENERATION)
    expect(nics?.map(({ name, addresses }) => [name, ...addresses.map(formatCidr)])).toEqual([
      ['eth0', '10.1.1.3/24', 'fd39:775a:4846:1::3/64'],
      ['eth1', '302:82a8:705:e5cf::8/64'],
    ])
    expect(routes?.map(describeRoute)).toEqual([
      '4 default 10.1.1.1',
      '4 10.1.0.0/16 10.1.1.1',
      '6 default fd39:775a:4846:1::1',
      '6 200::/7 302:82a8:705:e5cf::1',
    ])
    expect(nameServers?.map(formatIp)).toEqual(['8.8.8.8', '1.1.1.1'])
    expect(mounts).toEqual([
      { source: '/dev/vda', target: '/opt/data', type: 'auto', options: '', from: 'kernel command line' },
    ])
    expect(hostname).toBe('azmy')
  })

  it('does not depend on the order of the keys', () => {
    const keys = `${ALWAYS_PRESENT} ${OLDER_GENERATION} zmachine.mode=exec init=/x`.split(' ')
    const routesFirst = keys.filter((key) => key.startsWith('net_r'))
    const others = keys.filter((key) => !key.startsWith('net_r'))
    const expected = parseKeys([...routesFirst, ...others].join(' ')).layer
    fc.assert(
      fc.property(fc.shuffledSubarray(others, { minLength: others.length }), (shuffled) => {
        const { nics, ...rest } = parseKeys([...routesFirst, ...shuffled].join(' ')).layer
        const { nics: expectedNics, ...expectedRest } = expected
        expect(rest).toEqual(expectedRest)
        expect(new Set(nics)).toEqual(new Set(expectedNics))
      }),
    )
  })

  test.each([
    ['root=/dev/vda', { source: '/dev/vda' }],
    ['root=LABEL=my-root', { source: 'LABEL=my-root' }],
    [
      'root=UUID=0c0ffee0-1111-2222-3333-444455556666',
      { source: 'UUID=0c0ffee0-1111-2222-3333-444455556666' },
    ],
    ['rootfstype=9p', { type: '9p' }],
    ['rootflags=subvol=/@,noatime', { options: 'subvol=/@,noatime' }],
    ['ro', { readOnly: true }],
    ['rw', { readOnly: false }],
    ['rootdelay=5', { delay: 5 }],
    ['rootwait=7', { delay: 7 }],
  ])('%s says how the root is mounted', (text, root) => {
    expect(layer(text).root).toEqual(root)
  })

  it('probes the root if rootfstype= is empty', () => {
    expect(layer('rootfstype=').root?.type).toBeUndefined()
  })

  it('waits much longer with rootwait alone than with the default', () => {
    expect(layer('rootwait').root?.delay).toBeGreaterThan(300)
  })

  test.each([
    ['root=a root=b', { root: { source: 'b' } }],
    ['ro rw ro', { root: { readOnly: true } }],
    ['rootdelay=1 rootwait=2 rootdelay=3', { root: { delay: 3 } }],
    ['init=/a init=/b', { init: '/b' }],
    ['host=a host=b', { hostname: 'b' }],
    ['zmachine.mode=exec zmachine.mode=supervise', { settings: { mode: 'supervise' } }],
  ])('the last one wins: %s', (text, expected) => {
    expect(layer(text)).toMatchObject(expected)
  })

  it('keeps all values of keys that may be repeated', () => {
    const { routes, nameServers, mounts } = layer(
      'net_r4=default,10.0.0.1 net_r4=10.9.0.0/16,10.0.0.1 net_dns=8.8.8.8 net_dns=1.1.1.1 vda=/a vda=/b',
    )
    expect(routes).toHaveLength(2)
    expect(nameServers?.map(formatIp)).toEqual(['8.8.8.8', '1.1.1.1'])
    expect(mounts?.map(({ target }) => target)).toEqual(['/a', '/b'])
  })

  it('reads the entrypoint and its arguments', () => {
    expect(layer('init=/bin/app -- -v "two words" a=b')).toMatchObject({
      init: '/bin/app',
      args: ['-v', 'two words', 'a=b'],
    })
    expect(layer('init=app').init).toBe('app')
    expect(layer('rw').init).toBeUndefined()
    expect(layer('rw')).not.toHaveProperty('args')
    expect(layer('rw --').args).toEqual([])
  })

  it('brings a link without addresses up', () => {
    expect(layer('net_eth0=').nics).toEqual([{ name: 'eth0', addresses: [] }])
    expect(layer('net_eth0').nics).toEqual([{ name: 'eth0', addresses: [] }])
  })

  it('takes 0.0.0.0/0 and ::/0 for default', () => {
    const { routes = [] } = layer('net_r4=0.0.0.0/0,10.0.0.1 net_r6=::/0,fe80::1')
    expect(routes.map(({ destination, family }) => [destination, family])).toEqual([
      [undefined, 4],
      [undefined, 6],
    ])
  })

  it('accepts routes through a NIC', () => {
    const { routes } = layer('net_r4=10.9.0.1/32,eth1;default,10.9.0.1 net_r6=default,eth0')
    expect(routes?.map(describeRoute)).toEqual(['4 10.9.0.1/32 eth1', '4 default 10.9.0.1', '6 default eth0'])
  })

  test.each([
    ['net_eth0=10.0.0.1/33;10.0.0.2/24', 1],
    ['net_eth0=nonsense', 1],
    ['net_r4=default', 1],
    ['net_r4=default,10.0.0.1,x', 1],
    ['net_r4=default,fe80::1', 1],
    ['net_r4=fe80::/64,10.0.0.1', 1],
    ['net_r6=default,10.0.0.1', 1],
    ['net_r6=10.0.0.0/8,fe80::1', 1],
    ['net_r4=10.0.0.0/8,10.0.0.256', 1],
    ['net_dns=8.8.8.8;nonsense;1.1.1', 2],
    ['rootdelay=soon', 1],
    ['init=', 1],
    ['host=-x', 1],
    ['net_eth0123456789012=10.0.0.1/8', 1],
    ['net_eth/../../x=10.0.0.1/8', 1],
    ['qsfs_=/x', 1],
    ['vda=', 1],
    ['zmachine.mode=fast', 1],
    ['zmachine.on_exit=never', 1],
    ['zmachine.grace=-1', 1],
    ['zmachine.log=loud', 1],
    ['zmachine.cwd=srv', 1],
  ])('%s: reported and skipped, and the rest is read', (text, count) => {
    const key = text.slice(0, text.indexOf('='))
    const { layer, problems } = parseKeys(`${text} host=here net_dns=9.9.9.9`)
    expect(problems).toHaveLength(count)
    for (const problem of problems) {
      expect(problem).toMatchObject({ source: 'kernel command line', column: 1 })
      expect(problem.message).toContain(key)
    }
    expect(layer.hostname).toBe('here')
    expect(layer.nameServers?.map(formatIp).at(-1)).toBe('9.9.9.9')
  })

  it('keeps the good addresses of a NIC next to a bad one', () => {
    const { nics } = parseKeys('net_eth0=nonsense;10.0.0.2/24;fe80::zz').layer
    expect(nics?.[0]?.addresses.map(formatCidr)).toEqual(['10.0.0.2/24'])
  })

  it('ignores a repeated address', () => {
    expect(layer('net_eth0=10.0.0.2/24;10.0.0.2/24').nics?.[0]?.addresses).toHaveLength(1)
  })

  it('mounts shares at targets with spaces and equals signs', () => {
    for (const text of ['qsfs_data="/mnt/a b=c"', '"qsfs_data=/mnt/a b=c"']) {
      expect(layer(text).mounts).toEqual([
        { source: 'data', target: '/mnt/a b=c', type: 'virtiofs', options: '', from: 'kernel command line' },
      ])
    }
  })

  it('mounts each of 26 disks, and those after vdz', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const text = [...letters].map((letter) => `vd${letter}=/${letter}`).join(' ')
    expect(layer(`${text} vdaa=/aa`).mounts?.map(({ source, target }) => [source, target])).toEqual([
      ...[...letters].map((letter) => [`/dev/vd${letter}`, `/${letter}`]),
      ['/dev/vdaa', '/aa'],
    ])
  })

  it('keeps a disk without a valid target, so that the plan can refuse it', () => {
    for (const target of ['', '/', '..', '/a/..']) {
      const { layer, problems } = parseKeys(`vdb=${target}`)
      expect(layer.mounts).toMatchObject([{ source: '/dev/vdb', target: '' }])
      expect(problems).toHaveLength(1)
    }
  })

  test.each([
    ['zmachine.mode=auto', { mode: 'auto' }],
    ['zmachine.mode=supervise', { mode: 'supervise' }],
    ['zmachine.mode=exec', { mode: 'exec' }],
    ['zmachine.on_exit=reboot', { onExit: 'reboot' }],
    ['zmachine.on_exit=poweroff', { onExit: 'poweroff' }],
    ['zmachine.on_exit=halt', { onExit: 'halt' }],
    ['zmachine.on_exit=restart', { onExit: 'restart' }],
    ['zmachine.grace=0', { grace: 0 }],
    ['zmachine.grace=3', { grace: 3 }],
    ['zmachine.user=app:www', { user: 'app:www' }],
    ['zmachine.cwd=/srv', { cwd: '/srv' }],
    ['zmachine.strict', { strict: true }],
    ['zmachine.strict=1', { strict: true }],
    ['zmachine.strict=0', { strict: false }],
    ['zmachine.log=info', { log: 'info' }],
    ['zmachine.log=quiet', { log: 'quiet' }],
    ['zmachine.log=debug', { log: 'debug' }],
    ['zmachine.timeline', { timeline: true }],
    ['zmachine.log_file', { logFile: 1 << 20 }],
    ['zmachine.log_file=yes', { logFile: 1 << 20 }],
    ['zmachine.log_file=65536', { logFile: 65536 }],
    ['zmachine.log_file=64k', { logFile: 65536 }],
    ['zmachine.log_file=3M', { logFile: 3 << 20 }],
    ['zmachine.log_file=1g', { logFile: 1 << 30 }],
    ['zmachine.shell', { shell: true }],
    ['zmachine.inspect=9229', { inspect: 9229 }],
    ['zmachine.inspect=65535', { inspect: 65_535 }],
  ])('%s', (text, settings) => {
    expect(layer(text).settings).toEqual(settings)
  })

  it('reads environment variables of any name and value', () => {
    const { environment } = layer(
      `zmachine.env.A=1 zmachine.env.MY-VAR=x=y zmachine.env.a.b= "zmachine.env.S=two words" zmachine.env.N zmachine.env.U=${utf8('voilà')}`,
    )
    expect(Object.fromEntries(environment ?? [])).toEqual({
      A: '1',
      'MY-VAR': 'x=y',
      'a.b': '',
      S: 'two words',
      N: '',
      U: utf8('voilà'),
    })
  })

  it('leaks nothing from the kernel command line into the environment', () => {
    const text = `${ALWAYS_PRESENT} ${OLDER_GENERATION} A=1 quiet init=/x zmachine.mode=auto`
    expect(layer(text).environment?.size).toBe(0)
  })

  test.each([
    ['zmachine.mod=exec', 'zmachine.mode'],
    ['zmachine.on-exit=halt', 'zmachine.on_exit'],
    ['zmachine.usr=1', 'zmachine.user'],
    ['zmachine.strikt', 'zmachine.strict'],
    ['zmachine.env=1', 'zmachine.env.KEY'],
    ['zmachine.env.=1', 'zmachine.env.KEY'],
    ['zmachine.timeilne', 'zmachine.timeline'],
  ])('%s is unknown, and most likely meant %s', (text, meant) => {
    expect(problems(text)).toEqual([expect.stringMatching(/unknown key/)])
    expect(problems(text)[0]).toContain(meant)
  })

  it('reports the column of an unknown key, and suggests nothing that is far off', () => {
    expect(parseKeys('rw zmachine.filesystem=1').problems).toEqual([
      { source: 'kernel command line', column: 4, message: 'zmachine.filesystem: unknown key' },
    ])
  })

  it('ignores the kernel’s keys, unknown ones, and names that objects inherit', () => {
    expect(problems('quiet foo=1 vd=1 vd1=/x vdA=/x net=1 constructor=1 __proto__=1')).toEqual([])
    expect(problems('zmachine.constructor=1 zmachine.__proto__=1')).toHaveLength(2)
  })

  it('never throws, whatever it reads', () => {
    const keys = KEY_NAMES.map((name) => name.replace('KEY', 'A').replace('X', '0').replace('vd0', 'vda'))
    const value = fc.oneof(anyBytes(40), textOf('0123456789./:;,abcdef"= '))
    const line = fc
      .array(fc.tuple(fc.constantFrom(...keys), value), { maxLength: 6 })
      .map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join(' '))
    fc.assert(
      fc.property(fc.oneof(line, anyBytes(400)), (text) => {
        const { layer } = parseKeys(text)
        for (const { target } of layer.mounts ?? [])
          expect(target === '' || normalizeTarget(target) === target).toBe(true)
        if (layer.hostname !== undefined) expect(hostnameProblem(layer.hostname)).toBeUndefined()
      }),
      { numRuns: 1000 },
    )
  })
})

/** An absolute path below /, with nothing in it to resolve. */
