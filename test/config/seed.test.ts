import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { merge } from '../../src/config/merge.ts'
import { parseSeed, SEED_FILE_NAMES, type SeedFiles } from '../../src/config/seed.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { formatProblem } from '../../src/lib/problem.ts'

const SEEDS = join(import.meta.dirname, '../fixtures/seeds')

const fixture = (name: string): SeedFiles =>
  Object.fromEntries(
    SEED_FILE_NAMES.map(([key, file]) => [key, readFileSync(join(SEEDS, name, file), 'latin1')]),
  )

function configOf(name: string) {
  const { layers, problems } = parseSeed(fixture(name), 'seed')
  expect(problems).toEqual([])
  return merge(layers)
}

const utf8 = (text: string | undefined): string => Buffer.from(text ?? '', 'latin1').toString('utf8')

describe('parseSeed', () => {
  it('reads private-mycelium', () => {
    const config = configOf('private-mycelium')
    expect(config.hostname).toBe('webapp')
    expect(config.nics.map(({ name, mac, addresses }) => [name, mac, ...addresses.map(formatCidr)])).toEqual([
      ['eth0', '54:43:83:2b:2f:8f', '10.20.2.2/24', 'fd39:775a:4846:2::2/64'],
      ['eth1', 'fe:1a:39:0c:77:21', '5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64'],
    ])
    expect(config.routes).toHaveLength(5)
    expect(config.dns.servers.map(formatIp)).toEqual(['8.8.8.8', '1.1.1.1', '2001:4860:4860::8888'])
    expect(config.mounts.map(({ source, target, type }) => [source, target, type])).toEqual([
      ['/dev/vda', '/data', 'auto'],
      ['shared', '/mnt/shared', 'virtiofs'],
    ])
    expect(config.authorizedKeys).toEqual([
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE1 ops@example',
    ])
    expect([config.init, ...config.args]).toEqual(['/sbin/zinit', 'init'])
  })

  it('reads minimal-nil-gateway', () => {
    const config = configOf('minimal-nil-gateway')
    expect(config.hostname).toBe('bare')
    expect(config.nics[0]?.mac).toBe('aa:bb:cc:00:00:02')
    expect(config.routes[1]).toMatchObject({ gateway: undefined, nic: 'eth0' })
    expect(config.dns.servers).toEqual([])
    expect(config.init).toBe('/sbin/init')
  })

  it('reads quoting', () => {
    const config = configOf('quoting')
    expect(config.nics[0]?.mac).toBe('02:00:00:00:00:01')
    expect(config.authorizedKeys[1]).toMatch(/== second key with spaces$/)
    expect(utf8(config.environment.get('UNICODE'))).toBe('h\u00e9llo \u2192 \u4e16\u754c \u{1f680}')
    expect(config.environment.get('LINES')).toBe('one\ntwo\n\nfour')
    expect(config.environment.get('QUOTE')).toBe('it\'s "quoted" $HOME `id` \\n')
    expect(config.args).toEqual(['a b', 'single quoted', 'dq "inner" end', 'plain space', ''])
  })

  it('reads light, with an address twice and two default routes', () => {
    const config = configOf('light')
    expect(config.hostname).toBe('vm')
    expect(config.nics.map(({ name, mac, addresses }) => [name, mac, ...addresses.map(formatCidr)])).toEqual([
      ['eth0', '54:43:83:2b:2f:8f', '10.20.2.2/24'],
      ['eth1', 'fe:1a:39:0c:77:21', '5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64'],
    ])
    expect(
      config.routes.map(({ destination, gateway, nic }) => [
        destination && formatCidr(destination),
        gateway && formatIp(gateway),
        nic,
      ]),
    ).toEqual([
      [undefined, '10.20.2.1', 'eth0'],
      [undefined, '10.20.2.1', 'eth0'],
      ['10.20.0.0/16', '10.20.2.1', 'eth0'],
      ['400::/7', '5d3:9c3b:4f2b:8b3e::1', 'eth1'],
    ])
    expect(config.environment.get('SSH_KEY')).toBe('')
    expect(config.init).toBe('/sbin/init')
  })

  it('reads selftest, whose hostname is empty', () => {
    const config = configOf('selftest')
    expect(config.hostname).toBeUndefined()
    expect([config.nics, config.routes, config.mounts]).toEqual([[], [], []])
    expect(config.init).toBe('/sbin/init')
  })

  it('says which file a value came from', () => {
    const { origins, mounts } = configOf('private-mycelium')
    expect(Object.fromEntries(origins)).toMatchObject({
      hostname: 'seed/meta-data',
      'nic.eth0': 'seed/network-config',
      dns: 'seed/network-config',
      'mount./data': 'seed/user-data',
      'env.APP_MODE': 'seed/zosrc',
      init: 'seed/zosrc',
    })
    expect(mounts[0]?.from).toBe('seed/user-data')
  })

  it('says in which file, line and column a problem is', () => {
    const { problems } = parseSeed({ userData: 'a: 1\n', zosrc: 'rm -rf /\n' }, '/dev/vdc')
    expect(problems.map(formatProblem)).toEqual([
      "/dev/vdc/user-data:1:1: 'a' is not supported; ignored",
      "/dev/vdc/zosrc:1: 'rm' is not export, init= or set --; it is never run",
    ])
  })

  it('has a layer for each file', () => {
    expect(parseSeed({}, 'seed')).toEqual({ layers: [], problems: [] })
    expect(parseSeed({ zosrc: '' }, 'seed').layers).toHaveLength(1)
  })
})

/** Flipped bytes, files cut off, lines lost, doubled and swapped. */
const mutation = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'drop', 'double', 'swap', 'insert'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  byte: fc.integer({ min: 0, max: 255 }),
})

function mutate(text: string, { kind, at, byte }: { kind: string; at: number; byte: number }): string {
  const place = Math.floor(at * text.length)
  const char = String.fromCharCode(byte)
  if (kind === 'flip') return text.slice(0, place) + char + text.slice(place + 1)
  if (kind === 'insert') return text.slice(0, place) + char + text.slice(place)
  if (kind === 'cut') return text.slice(0, place)
  const lines = text.split('\n')
  const row = Math.floor(at * lines.length)
  const line = lines[row] ?? ''
  if (kind === 'drop') lines.splice(row, 1)
  else if (kind === 'double') lines.splice(row, 0, line)
  else lines.splice(row, 1, lines[byte % lines.length] ?? '', line)
  return lines.join('\n')
}

describe('a damaged seed', () => {
  test.each(['private-mycelium', 'minimal-nil-gateway', 'quoting', 'light', 'selftest'])(
    '%s ends in data and problems',
    (name) => {
      const files = fixture(name)
      const present = SEED_FILE_NAMES.map(([key]) => key)
      const start = performance.now()
      fc.assert(
        fc.property(
          fc.constantFrom(...present),
          fc.array(mutation, { minLength: 1, maxLength: 6 }),
          (key, mutations) => {
            const text = mutations.reduce(mutate, files[key] ?? '')
            const { layers, problems } = parseSeed({ ...files, [key]: text }, 'seed')
            merge(layers)
            for (const problem of problems)
              expect(formatProblem(problem)).toMatch(/^seed\/[-a-z]+(:\d+(:\d+)?)?: ./)
          },
        ),
        { numRuns: 3400 },
      )
      expect(performance.now() - start).toBeLessThan(10_000)
    },
  )

  it('turns any bytes into data and problems', () => {
    const bytes = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
      maxLength: 300,
    })
    fc.assert(
      fc.property(bytes, (text) => {
        parseSeed({ metaData: text, networkConfig: text, userData: text, zosrc: text }, 'seed')
      }),
      { numRuns: 2000 },
    )
  })
})

/** Four NICs with sixty routes each and four hundred variables, or a multiple of that. */
function large(times: number): SeedFiles {
  const nics = Array.from({ length: 4 * times }, (_, i) => {
    const routes = Array.from(
      { length: 60 },
      (_, j) => `    - to: 10.${i % 256}.${j}.0/24\n      via: 10.0.${i % 256}.1\n`,
    )
    const mac = `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i % 256).toString(16).padStart(2, '0')}`
    return `  eth${i}:\n    match:\n      macaddress: ${mac}\n    addresses:\n    - 10.0.${i % 256}.2/24\n    routes:\n${routes.join('')}`
  })
  const variables = Array.from(
    { length: 400 * times },
    (_, i) => `export VAR_${i}='a "b" $HOME \`id\`\n'"'"'c'\n`,
  )
  return { networkConfig: `ethernets:\n${nics.join('')}version: 2\n`, zosrc: variables.join('') }
}

describe('a large seed', () => {
  it('is read completely', () => {
    const { layers, problems } = parseSeed(large(1), 'seed')
    const { nics, routes, environment } = merge(layers)
    expect(problems).toEqual([])
    expect([nics.length, routes.length]).toEqual([4, 240])
    expect(environment.get('VAR_399')).toBe('a "b" $HOME `id`\n\'c')
  })

  it('takes time in proportion to its size', () => {
    // The kernel counts processor time in ticks of a few milliseconds, so measure many runs at once.
    const milliseconds = (times: number): number => {
      const files = large(times)
      const start = process.threadCpuUsage()
      for (let run = 0; run < 15; run++) parseSeed(files, 'seed')
      const { user, system } = process.threadCpuUsage(start)
      return (user + system) / 1000
    }
    milliseconds(4)
    // Four times as much; a quadratic reader would take 16 times as long. Processor time, since the machine may be busy.
    const ratios = Array.from({ length: 3 }, () => milliseconds(16) / milliseconds(4))
    expect(Math.min(...ratios)).toBeLessThan(10)
  })
})
