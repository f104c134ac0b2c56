import { describe, expect, it, test } from 'vitest'
import type { Parsed } from '../../src/config/keys.ts'
import { parseNetplan } from '../../src/config/netplan.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { formatProblem } from '../../src/lib/problem.ts'

/** A layer as text, which is easier to read than the bytes of addresses. */
function words({ layer, problems }: Parsed) {
  return {
    nics: layer.nics?.map(({ addresses, ...nic }) => ({ ...nic, addresses: addresses.map(formatCidr) })),
    routes: layer.routes?.map(({ destination, family, gateway, nic, metric, onLink }) =>
      [
        destination === undefined ? `default${family}` : formatCidr(destination),
        ...(gateway === undefined ? [] : ['via', formatIp(gateway)]),
        'dev',
        nic,
        ...(metric === undefined ? [] : ['metric', metric]),
        ...(onLink ? ['onlink'] : []),
      ].join(' '),
    ),
    servers: layer.nameServers?.map(formatIp),
    search: layer.searchDomains,
    problems: problems.map(formatProblem),
  }
}

const read = (text: string) => words(parseNetplan(text, 'f'))

/** One NIC, its lines indented by two. */
const nic = (...lines: string[]): string =>
  `version: 2\nethernets:\n  eth0:\n${lines.map((line) => `    ${line}\n`).join('')}`

describe('parseNetplan', () => {
  it('reads every key of the contract', () => {
    const { problems, ...rest } = read(`
version: 2
ethernets:
  uplink:
    match:
      macaddress: "52:54:00:AA:BB:CC"
    set-name: wan0
    mtu: 1400
    dhcp4: yes
    addresses: [10.0.0.2/24, "fd00::2/64", 10.0.0.2/24]
    gateway4: 10.0.0.1
    gateway6: fe80::1
    routes:
    - {to: default, via: 10.0.0.254, metric: 50}
    - to: 0.0.0.0/0
      via: 10.0.0.253
      on-link: true
    - to: ::/0
      via: fd00::1
      metric: "1024"
    - to: 10.9.0.0/16
      via: 10.0.0.9
      on-link: no
    nameservers:
      addresses: [9.9.9.9, 2620:fe::fe]
      search: [a.example, b.example]
  eth1:
    nameservers:
      addresses:
      - 9.9.9.9
      - 1.1.1.1
`)
    expect(problems).toEqual([])
    expect(rest).toEqual({
      nics: [
        {
          name: 'uplink',
          mac: '52:54:00:aa:bb:cc',
          setName: 'wan0',
          mtu: 1400,
          dhcp4: true,
          addresses: ['10.0.0.2/24', 'fd00::2/64'],
        },
        { name: 'eth1', addresses: [] },
      ],
      routes: [
        'default4 via 10.0.0.1 dev uplink',
        'default6 via fe80::1 dev uplink',
        'default4 via 10.0.0.254 dev uplink metric 50',
        'default4 via 10.0.0.253 dev uplink onlink',
        'default6 via fd00::1 dev uplink metric 1024',
        '10.9.0.0/16 via 10.0.0.9 dev uplink',
      ],
      servers: ['9.9.9.9', '2620:fe::fe', '1.1.1.1'],
      search: ['a.example', 'b.example'],
    })
  })

  it('accepts files with and without the wrapper', () => {
    const text = nic('addresses: [10.0.0.2/24]')
    const wrapped = `network:\n${text.replace(/^(?=.)/gm, '  ')}`
    expect(read(wrapped)).toEqual(read(text))
    expect(read(`${wrapped}ethernets: {}\n`).problems).toEqual([
      "f:6:1: 'ethernets' is not supported; ignored",
    ])
  })

  test.each(['<nil>', '"<nil>"', '', 'null'])('a route via %j goes through the NIC', (via) => {
    expect(read(nic('routes:', '- to: 10.99.0.0/16', `  via: ${via}`))).toMatchObject({
      routes: ['10.99.0.0/16 dev eth0'],
      problems: [],
    })
  })

  it('a route without a gateway goes through the NIC', () => {
    expect(read(nic('routes: [{to: 10.99.0.0/16}, {to: fd00::/8}, {to: default}]')).routes).toEqual([
      '10.99.0.0/16 dev eth0',
      'fd00::/8 dev eth0',
      'default4 dev eth0',
    ])
  })

  it('routes use the layer’s name for the NIC', () => {
    const { nics, routes } = read(
      'ethernets:\n  id0:\n    match: {name: eth3}\n    gateway4: 10.0.0.1\n  id1:\n    match: {macaddress: 52-54-00-00-00-01, name: eth9}\n    gateway4: 10.0.0.2\n',
    )
    expect(nics?.map(({ name }) => name)).toEqual(['eth3', 'id1'])
    expect(routes).toEqual(['default4 via 10.0.0.1 dev eth3', 'default4 via 10.0.0.2 dev id1'])
  })

  it('ignores keys that change nothing', () => {
    const text = nic(
      'optional: true',
      'renderer: networkd',
      'dhcp6: false',
      'accept-ra: no',
      'link-local: []',
      'dhcp-identifier: mac',
    )
    expect(read(`renderer: networkd\n${text}`).problems).toEqual([])
    expect(read('network: {config: disabled}').problems).toEqual([])
    expect(read('').problems).toEqual([])
  })

  it('keeps an address whose options it ignores', () => {
    expect(read(nic('addresses:', '- 10.0.0.2/24:', '    lifetime: 0'))).toMatchObject({
      nics: [{ addresses: ['10.0.0.2/24'] }],
      problems: ['f:5:7: eth0: options of an address are not supported; ignored'],
    })
  })

  test.each<[text: string, problem: string]>([
    [
      'version: 1\nconfig: []\n',
      "f:1:1: version '1' is not supported, only 2 (netplan); no NIC is configured",
    ],
    ['version: 2\nbonds: {}\n', "f:2:1: 'bonds' is not supported; ignored"],
    ['[]\n', 'f:1:1: the network is not a mapping; ignored'],
    ['ethernets: []\n', 'f:1:1: ethernets is not a mapping; ignored'],
    ['ethernets: {eth0: text}\n', 'f:1:13: eth0: the NIC is not a mapping; ignored'],
    [nic('dhcp6: true'), "f:4:5: eth0: 'dhcp6' is not supported; ignored"],
    [nic('accept-ra: true'), "f:4:5: eth0: 'accept-ra' is not supported; ignored"],
    [nic('dhcp4: perhaps'), "f:4:5: eth0: dhcp4: 'perhaps' is not a boolean; ignored"],
    [nic('mtu: 12'), "f:4:5: eth0: mtu: '12' is not a number from 68 to 65535; ignored"],
    [nic('set-name: a name'), "f:4:5: eth0: set-name: 'a name' is not an interface name; ignored"],
    [nic('match: {macaddress: 52:54}'), "f:4:13: eth0: '52:54' is not a MAC; the NIC is skipped"],
    [
      nic('match: {name: en*}'),
      "f:4:13: eth0: match by name: 'en*' is not a complete interface name; ignored",
    ],
    [nic('match: {driver: virtio_net}'), "f:4:13: eth0: 'driver' is not supported; ignored"],
    [
      nic('addresses: [10.0.0.300/24]'),
      "f:4:17: eth0: '10.0.0.300/24' is not an address like 10.0.0.2/24; skipped",
    ],
    [nic('addresses: 10.0.0.2/24'), 'f:4:5: eth0: not a list; taken as a list of one item'],
    [nic('gateway4: fe80::1'), "f:4:5: eth0: gateway4: 'fe80::1' is not an IPv4 address; ignored"],
    [nic('gateway6: <nil>'), "f:4:5: eth0: gateway6: '<nil>' is not an IPv6 address; ignored"],
    [nic('routes: [text]'), 'f:4:14: eth0: a route is not a mapping; ignored'],
    [
      nic('routes: [{via: 10.0.0.1}]'),
      "f:4:14: eth0: '' is not a network like 10.0.0.0/8; the route is skipped",
    ],
    [
      nic('routes: [{to: here}]'),
      "f:4:14: eth0: 'here' is not a network like 10.0.0.0/8; the route is skipped",
    ],
    [
      nic('routes: [{to: default, via: there}]'),
      "f:4:14: eth0: 'there' is not a gateway's IP address; the route is skipped",
    ],
    [
      nic('routes: [{to: 10.0.0.0/8, via: fe80::1}]'),
      'f:4:14: eth0: network and gateway are not both IPv4; the route is skipped',
    ],
    [nic('routes: [{to: default, metric: much}]'), "f:4:28: eth0: metric: 'much' is not a number; ignored"],
    [
      nic('routes: [{to: default, on-link: here}]'),
      "f:4:28: eth0: on-link: 'here' is not a boolean; ignored",
    ],
    [nic('routes: [{to: default, scope: link}]'), "f:4:28: eth0: 'scope' is not supported; ignored"],
    [
      nic('routes: [{to: default, table: 7}]'),
      "f:4:28: eth0: table '7' is not supported; the route is skipped",
    ],
    [
      nic('routes: [{to: default, type: blackhole}]'),
      "f:4:28: eth0: type 'blackhole' is not supported; the route is skipped",
    ],
    [
      nic('nameservers: {addresses: [dns.example]}'),
      "f:4:31: eth0: 'dns.example' is not a name server's IP address; skipped",
    ],
    [nic('nameservers: {search: [a b]}'), "f:4:28: eth0: 'a b' is not a search domain; skipped"],
    [nic('nameservers: {server: []}'), "f:4:19: eth0: 'server' is not supported; ignored"],
    [nic('wakeup: 1'), "f:4:5: eth0: 'wakeup' is not supported; ignored"],
    [
      'ethernets: {a-very-long-name-indeed: {}}',
      'f:1:13: a-very-long-name-indeed: has neither a MAC nor an interface name to match; skipped',
    ],
  ])('reports: %s', (text, problem) => {
    expect(read(text).problems).toEqual([problem])
  })

  it('keeps the rest if one part is broken', () => {
    const { nics, routes } = read(
      nic(
        'mtu: x',
        'addresses: [bad, 10.0.0.2/24]',
        'gateway4: bad',
        'routes:',
        '- to: bad',
        '- to: 10.0.0.0/8',
        '  table: 7',
        '- to: 11.0.0.0/8',
      ),
    )
    expect(nics).toEqual([{ name: 'eth0', addresses: ['10.0.0.2/24'] }])
    expect(routes).toEqual(['11.0.0.0/8 dev eth0'])
  })
})
