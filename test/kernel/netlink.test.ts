/** The netlink session against this machine's kernel, in a network namespace of its own (see `namespace.ts`). */

import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatCidr, formatIp, linkLocalOf } from '../../src/lib/ip.ts'
import { addressAdd } from '../../src/netlink/address.ts'
import { IFF_UP, linkChange, RTMGRP_LINK } from '../../src/netlink/link.ts'
import { nextMessage, type Request, walk } from '../../src/netlink/message.ts'
import { closeMonitor, drainMonitor, OVERRUN, openMonitor, readMonitor } from '../../src/netlink/monitor.ts'
import { RT_TABLE_MAIN, RTPROT_STATIC, routeAdd } from '../../src/netlink/route.ts'
import { closeSession, openSession, type Session, transact } from '../../src/netlink/session.ts'
import { parseUevent, UEVENT_GROUP } from '../../src/netlink/uevent.ts'
import { NETLINK_KOBJECT_UEVENT, NETLINK_ROUTE, POLLIN, SO_RCVBUF, SOL_SOCKET } from '../../src/sys/flags.ts'
import { poll, SYS_recvfrom, SYS_sendto, setsockopt, text } from '../../src/sys/linux.ts'
import { cidr, ip } from '../netlink/hex.ts'
import {
  decodeLink,
  dumpAddresses,
  dumpLinks,
  dumpRoutes,
  IFA_F_TENTATIVE,
  type Link,
} from '../netlink/lists.ts'
import { calls, enterNetworkNamespace } from './namespace.ts'
import { capture } from './packets.ts'
import { vethAdd } from './veth.ts'

let session: Session
let links = 0

beforeAll(() => {
  enterNetworkNamespace()
  session = openSession()
})

afterAll(() => closeSession(session))

function linkNamed(name: string): Link {
  const link = dumpLinks(session).find((link) => link.name === name)
  if (link === undefined) throw new Error(`no link ${name}`)
  return link
}

function make(...requests: Request[]): void {
  for (const failure of transact(session, requests)) if (failure !== undefined) throw failure
}

/** A fresh link, down; its other end, `peerN`, is up. */
function freshLink(): Link {
  const n = ++links
  make(vethAdd(`eth${n}`, `peer${n}`, [2, 0, 0, 0, 0, n]))
  make(linkChange({ index: linkNamed(`peer${n}`).index, up: true }))
  return linkNamed(`eth${n}`)
}

const addressesOf = ({ index }: Link): string[] =>
  dumpAddresses(session)
    .filter((address) => address.index === index)
    .map(({ cidr, flags }) => `${formatCidr(cidr)}${(flags & IFA_F_TENTATIVE) === 0 ? '' : ' tentative'}`)

/** As ip-route(8) would print ours. */
const routesOf = ({ index }: Link): string[] =>
  dumpRoutes(session)
    .filter(
      (route) => route.index === index && route.table === RT_TABLE_MAIN && route.protocol === RTPROT_STATIC,
    )
    .map(({ destination, gateway, metric }) =>
      [
        destination === undefined ? 'default' : formatCidr(destination),
        gateway === undefined ? 'direct' : formatIp(gateway),
        metric,
      ].join(' '),
    )
    .sort()

const said = (requests: Request[]): (string | undefined)[] =>
  transact(session, requests).map((failure) => failure?.message)

describe('links', () => {
  it('are listed with what identifies them', () => {
    const { index } = freshLink()
    expect(linkNamed(`eth${links}`)).toEqual({
      index,
      name: `eth${links}`,
      mac: `02:00:00:00:00:0${links}`,
      mtu: 1500,
      flags: 0x1002,
      operstate: 2,
      kind: 'veth',
    })
  })

  it('take name, MTU and state', () => {
    const { index } = freshLink()
    make(linkChange({ index, name: 'wan0', mtu: 1400 }), linkChange({ index, up: true }))
    const changed = linkNamed('wan0')
    expect([changed.index, changed.mtu, changed.flags & IFF_UP]).toEqual([index, 1400, IFF_UP])
    make(linkChange({ index, up: false }))
    expect(linkNamed('wan0').flags & IFF_UP).toBe(0)
  })

  it('take arp_notify without a file in /proc', () => {
    const { index, name } = freshLink()
    make(linkChange({ index, arpNotify: true }))
    expect(readFileSync(`/proc/sys/net/ipv4/conf/${name}/arp_notify`, 'latin1')).toBe('1\n')
  })
})

describe('addresses', () => {
  it('are usable at once after the link goes up, also the link-local one', () => {
    const link = freshLink()
    const { index, mac = '' } = link
    make(
      linkChange({ index, linkLocal: false }),
      addressAdd({ index, cidr: linkLocalOf(mac) }),
      addressAdd({ index, cidr: cidr('10.1.1.3/24') }),
      addressAdd({ index, cidr: cidr('fd00::3/64') }),
      linkChange({ index, up: true }),
    )
    const expected = ['10.1.1.3/24', 'fd00::3/64', `fe80::ff:fe00:${links}/64`]
    expect(addressesOf(link).sort()).toEqual(expected)
  })

  it('which the kernel makes itself are tentative: the test can tell', () => {
    const link = freshLink()
    make(linkChange({ index: link.index, up: true }))
    expect(addressesOf(link)).toEqual([`fe80::ff:fe00:${links}/64 tentative`])
  })

  it('added twice are there once', () => {
    const link = freshLink()
    const { index } = link
    const requests = [
      addressAdd({ index, cidr: cidr('10.2.0.1/31') }),
      addressAdd({ index, cidr: cidr('10.2.0.9/32') }),
      addressAdd({ index, cidr: cidr('fd02::1/128') }),
    ]
    make(...requests)
    make(...requests)
    expect(addressesOf(link)).toEqual(['10.2.0.1/31', '10.2.0.9/32', 'fd02::1/128'])
  })

  it('are told to the network when the link goes up', () => {
    const link = freshLink()
    const { index } = link
    // The other end is quiet, so that all packets are ours.
    writeFileSync(`/proc/sys/net/ipv6/conf/peer${links}/disable_ipv6`, '1')
    writeFileSync('/proc/sys/net/ipv6/conf/all/ndisc_notify', '1')
    const packets = capture(linkNamed(`peer${links}`).index)
    make(
      linkChange({ index, arpNotify: true, linkLocal: false }),
      addressAdd({ index, cidr: cidr('10.3.0.1/24') }),
      addressAdd({ index, cidr: cidr('fd03::1/64') }),
      linkChange({ index, up: true }),
    )
    expect(packets()).toEqual(expect.arrayContaining(['arp 10.3.0.1', 'neighbour advertisement fd03::1']))
  })
})

describe('routes', () => {
  function linkWithAddresses(): Link {
    const link = freshLink()
    const { index } = link
    make(
      addressAdd({ index, cidr: cidr('10.1.1.3/24') }),
      addressAdd({ index, cidr: cidr('fd01::3/64') }),
      linkChange({ index, up: true }),
    )
    return link
  }

  it('go through gateways, devices and gateways on-link, with and without metric, and twice is as once', () => {
    const link = linkWithAddresses()
    const { index } = link
    make(addressAdd({ index, cidr: cidr('10.66.0.1/24') }))
    const requests = [
      routeAdd({ family: 4, destination: undefined, gateway: ip('10.1.1.1'), index }),
      routeAdd({ family: 4, destination: cidr('10.7.9.9/16'), index }),
      routeAdd({
        family: 4,
        destination: cidr('10.8.0.0/16'),
        gateway: ip('172.16.0.1'),
        index,
        onLink: true,
      }),
      routeAdd({ family: 4, destination: cidr('10.9.0.0/16'), gateway: ip('10.66.0.9'), metric: 50 }),
      routeAdd({ family: 6, destination: undefined, gateway: ip('fe80::1'), index, metric: 100 }),
      routeAdd({ family: 6, destination: cidr('200::/7'), gateway: ip('fd01::1'), index }),
      routeAdd({ family: 6, destination: cidr('fd77::1/64'), index }),
      routeAdd({ family: 6, destination: cidr('fd78::/64'), gateway: ip('fd99::1'), index, onLink: true }),
    ]
    const expected = [
      '10.7.0.0/16 direct 0',
      '10.8.0.0/16 172.16.0.1 0',
      '10.9.0.0/16 10.66.0.9 50',
      '200::/7 fd01::1 1024',
      'default 10.1.1.1 0',
      'default fe80::1 100',
      'fd77::/64 direct 1024',
      'fd78::/64 fd99::1 1024',
    ]
    make(...requests)
    expect(routesOf(link)).toEqual(expected)
    make(...requests)
    expect(routesOf(link)).toEqual(expected)
  })

  it('replace the one of the same destination and metric', () => {
    const link = linkWithAddresses()
    const { index } = link
    for (const gateway of ['10.1.1.1', '10.1.1.2']) {
      make(routeAdd({ family: 4, destination: cidr('10.50.0.0/16'), gateway: ip(gateway), index }))
    }
    expect(routesOf(link)).toEqual(['10.50.0.0/16 10.1.1.2 0'])
  })

  it('stand beside one another where appended, also if appended twice', () => {
    const link = linkWithAddresses()
    const { index } = link
    const requests = ['10.1.1.1', '10.1.1.2'].map((gateway, i) =>
      routeAdd({ family: 4, destination: cidr('10.60.0.0/16'), gateway: ip(gateway), index, append: i > 0 }),
    )
    make(...requests)
    make(...requests)
    expect(routesOf(link)).toEqual(['10.60.0.0/16 10.1.1.1 0', '10.60.0.0/16 10.1.1.2 0'])
  })
})

describe('transact', () => {
  it('says what failed and why, in the kernel’s words, and does the rest', () => {
    const link = freshLink()
    const { index } = link
    expect(
      said([
        linkChange({ index, up: true }),
        routeAdd({ family: 4, destination: undefined, gateway: ip('10.99.1.1'), index, nic: 'eth0' }),
        linkChange({ index: 9999, up: true }),
        linkChange({ index, nic: 'eth0', mtu: 10 }),
        addressAdd({ index, cidr: cidr('10.4.0.1/24') }),
      ]),
    ).toEqual([
      undefined,
      'add route default via 10.99.1.1 dev eth0: ENETUNREACH (network is unreachable): Nexthop has invalid gateway',
      'set link 9999 up: ENODEV (no such device)',
      'set eth0 mtu 10: EINVAL (invalid argument): mtu less than device minimum',
      undefined,
    ])
    expect(addressesOf(link)).toContain('10.4.0.1/24')
  })

  it('does nothing where nothing is asked', () => {
    calls.clear()
    expect(transact(session, [])).toEqual([])
    expect(calls.size).toBe(0)
  })

  /** 60 routes on each of 4 links, all in one call. */
  function manyRoutes(): Request[] {
    const requests: Request[] = []
    for (let n = 0; n < 4; n++) {
      const { index } = freshLink()
      make(addressAdd({ index, cidr: cidr(`10.${100 + n}.0.1/24`) }), linkChange({ index, up: true }))
      for (let i = 0; i < 60; i++) {
        const gateway = ip(`10.${100 + n}.0.2`)
        requests.push(
          routeAdd({ family: 4, destination: cidr(`10.${100 + n}.${i + 1}.0/24`), gateway, index }),
        )
      }
    }
    return requests
  }

  it('makes 240 routes in four system calls', () => {
    const requests = manyRoutes()
    calls.clear()
    expect(transact(session, requests).filter((failure) => failure !== undefined)).toEqual([])
    expect([...calls.entries()].sort()).toEqual([
      [SYS_sendto, 2],
      [SYS_recvfrom, 2],
    ])
    expect(
      dumpRoutes(session).filter(({ gateway }) => gateway && /^10\.10[0-3]\.0\.2$/.test(formatIp(gateway))),
    ).toHaveLength(240)
  })

  it('tells of each of many failures', () => {
    const requests = Array.from({ length: 300 }, (_, i) => linkChange({ index: 10000 + i, up: true }))
    expect(said(requests)).toEqual(
      requests.map((_, i) => `set link ${10000 + i} up: ENODEV (no such device)`),
    )
  })

  it('fails by name where answers were lost, and works again', () => {
    const small = openSession()
    setsockopt(small.fd, SOL_SOCKET, SO_RCVBUF, 0)
    const requests = Array.from({ length: 100 }, (_, i) => linkChange({ index: 10000 + i, up: true }))
    const messages = transact(small, requests).map((failure) => failure?.message)
    expect(messages[0]).toBe('set link 10000 up: ENODEV (no such device)')
    expect(messages[99]).toBe(
      'set link 10099 up: ENOBUFS (no buffer space available): no answer from the kernel',
    )
    expect(transact(small, [linkChange({ index: 1, up: true })])).toEqual([undefined])
    closeSession(small)
  })
})

describe('a monitor', () => {
  it('sees a link that appears late, and then nothing more', () => {
    const monitor = openMonitor(NETLINK_ROUTE, RTMGRP_LINK)
    expect(readMonitor(monitor)).toBe(0)
    expect(poll([{ fd: monitor.fd, events: POLLIN }], 0)).toEqual([0])
    const { name } = freshLink()
    expect(poll([{ fd: monitor.fd, events: POLLIN }], 5000)).toEqual([POLLIN])
    const names: string[] = []
    for (let length = readMonitor(monitor); length > 0; length = readMonitor(monitor)) {
      const messages = walk(monitor.buffer, length)
      while (nextMessage(messages)) {
        names.push(decodeLink(messages.bytes, messages.start, messages.end)?.name ?? '')
      }
    }
    expect(names).toContain(name)
    expect(drainMonitor(monitor)).toBe(false)
    closeMonitor(monitor)
  })

  it('sees the kernel’s device events', () => {
    const monitor = openMonitor(NETLINK_KOBJECT_UEVENT, UEVENT_GROUP)
    const { name } = freshLink()
    const seen: string[] = []
    for (let length = readMonitor(monitor); length > 0; length = readMonitor(monitor)) {
      const event = parseUevent(text(monitor.buffer, 0, length))
      seen.push(`${event?.action} ${event?.subsystem} ${event?.interface}`)
    }
    expect(seen).toContain(`add net ${name}`)
    closeMonitor(monitor)
  })

  it('says so where announcements were lost', () => {
    const monitor = openMonitor(NETLINK_ROUTE, RTMGRP_LINK)
    setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUF, 0)
    const { index } = freshLink()
    for (let i = 0; i < 20; i++) make(linkChange({ index, mtu: 1300 + i }))
    expect(readMonitor(monitor)).toBe(OVERRUN)
    expect(drainMonitor(monitor)).toBe(true)
    expect(drainMonitor(monitor)).toBe(false)
    closeMonitor(monitor)
  })
})
