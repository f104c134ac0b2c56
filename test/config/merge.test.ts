import { describe, expect, it, test } from 'vitest'
import { parseEnvironment } from '../../src/config/environment.ts'
import { parseKeys } from '../../src/config/keys.ts'
import type { Layer, MountConfig } from '../../src/config/machine.ts'
import { merge } from '../../src/config/merge.ts'
import { parseZosrc } from '../../src/config/zosrc.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { seedFile } from '../bytes.ts'
import { cidr, ip } from '../netlink/hex.ts'

const ENVIRONMENT = parseEnvironment('A=environment\nB=environment\nC=environment\nD=environment').layer
const ZOSRC = parseZosrc('export B=zosrc C=zosrc D=zosrc\ninit=/zosrc\nset -- z', '/.zosrc').layer
const CMDLINE = parseKeys('zmachine.env.C=cmdline zmachine.env.D=cmdline init=/cmdline host=cmdline').layer
const SEED = parseZosrc('export D=seed\ninit=/seed\nset -- s', 'seed').layer

const mount = (source: string, target: string, options = ''): MountConfig => ({
  source,
  target,
  type: 'auto',
  options,
  from: 'test',
})

describe('merge', () => {
  it('replaces a weaker source’s route by a stronger one’s to the same destination', () => {
    const low = parseKeys('net_r4=default,10.0.0.1;10.1.2.3/16,10.0.0.1;10.9.0.0/16,10.0.0.1').layer
    const high = parseKeys('net_r4=default,10.0.0.254;10.1.0.0/16,10.0.0.254').layer
    const { routes } = merge([low, high])
    expect(routes.map(({ gateway }) => gateway && formatIp(gateway))).toEqual([
      '10.0.0.1',
      '10.0.0.254',
      '10.0.0.254',
    ])
  })

  it('has the contract’s defaults', () => {
    const config = merge([])
    expect(config.settings).toEqual({
      mode: 'auto',
      onExit: 'reboot',
      grace: 10,
      user: undefined,
      cwd: '/',
      strict: false,
      log: 'info',
      timeline: false,
      shell: false,
      inspect: undefined,
    })
    expect(config.init).toBe('/sbin/init')
    expect(config.args).toEqual([])
    expect(config.root.type).toBeUndefined()
    expect([...config.environment.keys()]).toEqual(['PATH', 'TERM'])
    expect(config.origins.size).toBe(0)
  })

  it('lays default < /etc/environment < /.zosrc < kernel command line < seed', () => {
    const { environment, init, args, hostname, origins } = merge([ENVIRONMENT, ZOSRC, CMDLINE, SEED])
    expect(Object.fromEntries(environment)).toMatchObject({
      A: 'environment',
      B: 'zosrc',
      C: 'cmdline',
      D: 'seed',
      TERM: 'linux',
    })
    expect([init, args, hostname]).toEqual(['/seed', ['s'], 'cmdline'])
    expect(Object.fromEntries(origins)).toEqual({
      'env.A': '/etc/environment',
      'env.B': '/.zosrc',
      'env.C': 'kernel command line',
      'env.D': 'seed',
      init: 'seed',
      args: 'seed',
      hostname: 'kernel command line',
    })
  })

  it('lets any source replace the default PATH', () => {
    expect(merge([parseEnvironment('PATH=/opt/app/bin').layer]).environment.get('PATH')).toBe('/opt/app/bin')
  })

  it('drops the arguments that came with another entrypoint', () => {
    expect(merge([ZOSRC, CMDLINE])).toMatchObject({ init: '/cmdline', args: [] })
    expect(merge([ZOSRC, CMDLINE]).origins.has('args')).toBe(false)
    expect(merge([ZOSRC, parseKeys('-- c').layer])).toMatchObject({ init: '/zosrc', args: ['c'] })
  })

  it('gives the arguments of a /.zosrc without init to the command line’s entrypoint', () => {
    const zosrc = parseZosrc("set -- 'a' 'b'", '/.zosrc').layer
    const config = merge([zosrc, CMDLINE])
    expect(config).toMatchObject({ init: '/cmdline', args: ['a', 'b'] })
    expect(config.origins.get('args')).toBe('/.zosrc')
  })

  it('merges the root and the settings field by field', () => {
    const config = merge([
      parseKeys('root=a rootfstype=ext4 zmachine.grace=3 zmachine.mode=exec').layer,
      parseKeys('root=b ro zmachine.mode=supervise').layer,
    ])
    expect(config.root).toMatchObject({ source: 'b', type: 'ext4', readOnly: true, delay: 30 })
    expect(config.settings).toMatchObject({ grace: 3, mode: 'supervise', onExit: 'reboot' })
    expect(config.origins.get('settings.grace')).toBe('kernel command line')
    expect(config.origins.has('settings.onExit')).toBe(false)
  })

  it('replaces a NIC by its name, keeps the others and the order', () => {
    const { nics } = merge([
      parseKeys('net_eth1=10.1.0.1/24 net_eth0=10.0.0.1/24').layer,
      parseKeys('net_eth1=10.1.0.9/24 net_eth2=').layer,
    ])
    expect(nics.map(({ name, addresses }) => [name, ...addresses.map(formatCidr)])).toEqual([
      ['eth1', '10.1.0.9/24'],
      ['eth0', '10.0.0.1/24'],
      ['eth2'],
    ])
  })

  it('replaces a mount by its target and keeps two of one source', () => {
    const { mounts } = merge([
      { source: 'low', mounts: [mount('/dev/vda', '/a'), mount('/dev/vda', '/b')] },
      { source: 'high', mounts: [mount('/dev/vdb', '/a')] },
    ])
    expect(mounts.map(({ source, target }) => [source, target])).toEqual([
      ['/dev/vdb', '/a'],
      ['/dev/vda', '/b'],
    ])
  })

  it('keeps every mount without a valid target: each is refused on its own', () => {
    const layers: Layer[] = [
      { source: 'low', mounts: [mount('/dev/vda', '')] },
      { source: 'high', mounts: [mount('/dev/vdb', '', 'nofail')] },
    ]
    expect(merge(layers).mounts.map(({ source }) => source)).toEqual(['/dev/vda', '/dev/vdb'])
  })

  it('adds routes and authorized keys up, each key once', () => {
    const route = {
      family: 4,
      gateway: ip('10.0.0.1'),
      nic: undefined,
      metric: undefined,
      onLink: false,
    } as const
    const config = merge([
      { source: 'low', routes: [{ ...route, destination: undefined }], authorizedKeys: ['a', 'b'] },
      {
        source: 'high',
        routes: [{ ...route, destination: cidr('10.9.0.0/16') }],
        authorizedKeys: ['b', 'c'],
      },
    ])
    expect(config.routes.map(({ destination }) => destination && formatCidr(destination))).toEqual([
      undefined,
      '10.9.0.0/16',
    ])
    expect(config.authorizedKeys).toEqual(['a', 'b', 'c'])
  })

  it('keeps the order of name servers, and takes one source’s whole list', () => {
    const low = parseKeys('net_dns=9.9.9.9').layer
    const high = parseKeys('net_dns=8.8.8.8;1.1.1.1;2001:4860:4860::8888').layer
    expect(merge([low, high]).dns.servers.map(formatIp)).toEqual([
      '8.8.8.8',
      '1.1.1.1',
      '2001:4860:4860::8888',
    ])
    expect(merge([high, parseKeys('rw').layer]).dns.servers).toHaveLength(3)
  })

  test.each(['private-mycelium', 'quoting', 'minimal-nil-gateway'])(
    'a seed’s zosrc wins over the root’s own: %s',
    (seed) => {
      const layer = parseZosrc(seedFile(seed, 'zosrc'), 'seed').layer
      const config = merge([ZOSRC, CMDLINE, layer])
      expect(config.init).toBe(layer.init ?? '/cmdline')
      expect(config.args).toEqual(layer.args ?? [])
      for (const [key, value] of layer.environment ?? []) expect(config.environment.get(key)).toBe(value)
    },
  )
})
