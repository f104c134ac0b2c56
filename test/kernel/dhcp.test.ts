/**
 * The DHCP client against real servers. Two network namespaces of our own, joined by a veth pair: this thread lives in the
 * client's, and goes to the server's only to start a server.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeDatagram } from '../../src/dhcp/datagram.ts'
import { type DhcpChange, type DhcpClient, deadlineOf, handle, startDhcp } from '../../src/dhcp/dhcp.ts'
import type { Lease } from '../../src/dhcp/lease.ts'
import { leaseRequests } from '../../src/dhcp/requests.ts'
import { openDhcpSocket, sendTo } from '../../src/dhcp/socket.ts'
import { formatCidr, formatIp, type Ip } from '../../src/lib/ip.ts'
import { addressAdd } from '../../src/netlink/address.ts'
import { linkChange, RTM_SETLINK } from '../../src/netlink/link.ts'
import {
  buildMessage,
  FAMILY_HEADER,
  finishMessage,
  putU32Attribute,
  type Request,
} from '../../src/netlink/message.ts'
import { RT_TABLE_MAIN, RTPROT_STATIC } from '../../src/netlink/route.ts'
import { closeSession, openSession, type Session, transact } from '../../src/netlink/session.ts'
import { must } from '../../src/sys/errno.ts'
import { POLLIN } from '../../src/sys/flags.ts'
import { close, poll, syscall, uptime } from '../../src/sys/linux.ts'
import { cidr, ip } from '../netlink/hex.ts'
import { dumpAddresses, dumpLinks, dumpRoutes, type Link } from '../netlink/lists.ts'
import { enterNetworkNamespace } from './namespace.ts'
import { vethAdd } from './veth.ts'

const SYS_setns = 308
const CLONE_NEWNET = 0x40000000
const IFLA_NET_NS_FD = 28
const CLIENT_MAC = [2, 0, 0, 0, 0x77, 2]

interface Side {
  readonly namespace: number
  readonly session: Session
}

/** A namespace of its own, which this thread is in from now on. */
function enter(): Side {
  enterNetworkNamespace()
  return { namespace: openSync('/proc/thread-self/ns/net', 'r'), session: openSession() }
}

let server: Side
let client: Side
let folder: string
let eth0: Link
let running: DhcpClient | undefined
const children = new Set<ChildProcess>()

function make({ session }: Side, ...requests: Request[]): void {
  for (const failure of transact(session, requests)) if (failure !== undefined) throw failure
}

function linkNamed({ session }: Side, name: string): Link {
  const link = dumpLinks(session).find((link) => link.name === name)
  if (link === undefined) throw new Error(`no link ${name}`)
  return link
}

function moveTo(index: number, namespace: number): Request {
  const builder = buildMessage(RTM_SETLINK, 0, 4)
  builder.words[FAMILY_HEADER + 1] = index
  putU32Attribute(builder, IFLA_NET_NS_FD, namespace)
  return { message: finishMessage(builder), describe: () => `move link ${index}` }
}

beforeAll(() => {
  server = enter()
  client = enter()
})

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dhcp-'))
  make(server, vethAdd('eth0', 'peer0', CLIENT_MAC))
  make(server, moveTo(linkNamed(server, 'eth0').index, client.namespace))
  const { index } = linkNamed(server, 'peer0')
  make(server, addressAdd({ index, cidr: cidr('10.77.0.1/24') }), linkChange({ index, up: true }))
  eth0 = linkNamed(client, 'eth0')
  make(client, linkChange({ index: eth0.index, up: true }))
})

afterEach(() => {
  for (const child of children) stop(child)
  if (running !== undefined) close(running.fd)
  running = undefined
  // With one end the other goes.
  const builder = buildMessage(17, 0, 4)
  builder.words[FAMILY_HEADER + 1] = eth0.index
  make(client, { message: finishMessage(builder), describe: () => 'delete eth0' })
  rmSync(folder, { recursive: true })
})

afterAll(() => {
  for (const { namespace, session } of [server, client]) {
    closeSession(session)
    closeSync(namespace)
  }
})

/** Does something in the server's namespace. A child process stays there. */
function atServer<T>(action: () => T): T {
  must(syscall(SYS_setns, server.namespace, CLONE_NEWNET), () => 'setns')
  try {
    return action()
  } finally {
    must(syscall(SYS_setns, client.namespace, CLONE_NEWNET), () => 'setns')
  }
}

function launch(program: string, args: string[]): ChildProcess {
  const log = openSync(join(folder, 'log'), 'a')
  const child = atServer(() => spawn(program, args, { stdio: ['ignore', log, log] }))
  closeSync(log)
  children.add(child)
  return child
}

/** Ends a server by its id, and waits until its port is free: until it is a zombie, which Node buries later. */
function stop(child: ChildProcess): void {
  children.delete(child)
  child.kill('SIGKILL')
  for (let i = 0; i < 500 && !readFileSync(`/proc/${child.pid}/stat`, 'latin1').includes(') Z '); i++)
    poll([], 10)
}

const log = (): string => readFileSync(join(folder, 'log'), 'latin1')

/** BusyBox's, which knows leases of a few seconds. */
function udhcpd(seconds: number): ChildProcess {
  const conf = join(folder, 'udhcpd.conf')
  writeFileSync(join(folder, 'leases'), '')
  writeFileSync(
    conf,
    `interface peer0
start 10.77.0.20
end 10.77.0.20
lease_file ${folder}/leases
pidfile ${folder}/pid
min_lease 1
option lease ${seconds}
option subnet 255.255.255.0
option router 10.77.0.1
option dns 10.77.0.53 9.9.9.9
option mtu 1400
option hostname box
option domain example.org
`,
  )
  return launch('busybox', ['udhcpd', '-f', '-a', '1', '-I', '10.77.0.1', conf])
}

/** Whose leases take two minutes at least. */
function dnsmasq(...more: string[]): ChildProcess {
  return launch('dnsmasq', [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--user=root',
    '--port=0',
    '--no-ping',
    '--log-dhcp',
    '--log-facility=-',
    '--interface=peer0',
    '--dhcp-authoritative',
    `--pid-file=${folder}/pid`,
    '--dhcp-leasefile=/dev/null',
    ...more,
  ])
}

const DNSMASQ = [
  '--dhcp-range=10.77.0.30,10.77.0.30,255.255.255.0,5m',
  '--dhcp-option=option:router,10.77.0.1',
  '--dhcp-option=option:dns-server,10.77.0.53,9.9.9.9',
  '--dhcp-option=option:mtu,1400',
  '--dhcp-host=02:00:00:00:77:02,box',
]

function begin(): DhcpClient {
  running = startDhcp({ nic: 'eth0', index: eth0.index, mac: eth0.mac ?? '' }, clock())
  return running
}

/** How far the client's clock is before the kernel's. */
let ahead = 0
const clock = (): number => uptime() + ahead

/** Lets the time pass until the client wants to do something. */
function skip(client: DhcpClient): void {
  ahead += deadlineOf(client) - clock()
}

/** Lets the client work until there is something to tell, or `done`, or the time is over. */
function run(client: DhcpClient, milliseconds: number, done = () => false): DhcpChange | undefined {
  const end = clock() + milliseconds
  for (let now = clock(); now < end && !done(); now = clock()) {
    poll([{ fd: client.fd, events: POLLIN }], Math.max(0, Math.min(deadlineOf(client), end) - now))
    const change = handle(client, clock())
    if (change !== undefined) return change
  }
  return undefined
}

/** A lease within some tries: a server takes a moment to start. */
function obtain(client: DhcpClient): Lease {
  const change = run(client, 20_000)
  if (change?.is !== 'lease') throw new Error(`no lease; the server says:\n${log()}`)
  return change.lease
}

const ips = (list: readonly Ip[]): string[] => list.map(formatIp)

const addresses = (): string[] =>
  dumpAddresses(client.session)
    .filter(({ index, cidr }) => index === eth0.index && cidr.address.length === 4)
    .map(({ cidr }) => formatCidr(cidr))

const routes = (): string[] =>
  dumpRoutes(client.session)
    .filter(({ table, protocol }) => table === RT_TABLE_MAIN && protocol === RTPROT_STATIC)
    .map(
      ({ destination, gateway, metric }) =>
        `${destination === undefined ? 'default' : formatCidr(destination)} ${gateway === undefined ? 'direct' : formatIp(gateway)} ${metric - eth0.index}`,
    )
    .sort()

const put = (lease: Lease | undefined, previous?: Lease): void =>
  make(client, ...leaseRequests(eth0.index, 'eth0', lease, previous))

describe('a lease', () => {
  it.each([
    ['BusyBox', () => udhcpd(120), '10.77.0.20/24', 120, ['example.org']],
    ['dnsmasq', () => dnsmasq(...DNSMASQ), '10.77.0.30/24', 300, []],
  ] as const)(
    'of %s is obtained, with all that it says, and put into the kernel',
    (_, launch, address, seconds, domains) => {
      launch()
      const lease = obtain(begin())
      expect({ ...lease, address: formatCidr(lease.address), routers: ips(lease.routers) }).toMatchObject({
        address,
        routers: ['10.77.0.1'],
        mtu: 1400,
        hostname: 'box',
        searchDomains: domains,
        seconds,
      })
      expect(ips(lease.nameServers)).toEqual(['10.77.0.53', '9.9.9.9'])
      expect(formatIp(lease.serverId)).toBe('10.77.0.1')
      for (let twice = 0; twice < 2; twice++) {
        put(lease)
        expect(addresses()).toEqual([address])
        expect(routes()).toEqual(['default 10.77.0.1 100'])
        expect(linkNamed(client, 'eth0').mtu).toBe(1400)
      }
      expect(
        execFileSync('busybox', ['ping', '-c', '1', '-W', '5', '10.77.0.1'], { encoding: 'latin1' }),
      ).toContain('1 packets received')
      put(undefined, lease)
      expect(addresses()).toEqual([])
      expect(routes()).toEqual([])
    },
  )

  it('brings classless routes and search domains, and an address of its own behind a gateway on the link', () => {
    dnsmasq(
      '--dhcp-range=10.77.0.30,10.77.0.30,255.255.255.0,5m',
      '--dhcp-option=option:netmask,255.255.255.255',
      '--dhcp-option=option:router,10.77.0.9',
      '--dhcp-option=121,10.77.0.1/32,0.0.0.0,0.0.0.0/0,10.77.0.1,172.16.0.0/12,10.77.0.2',
      '--dhcp-option=option:domain-search,eng.example.org,example.org',
    )
    const lease = obtain(begin())
    expect(formatCidr(lease.address)).toBe('10.77.0.30/32')
    expect(lease.routers).toEqual([])
    expect(lease.searchDomains).toEqual(['eng.example.org', 'example.org'])
    put(lease)
    expect(routes()).toEqual([
      '10.77.0.1/32 direct 100',
      '172.16.0.0/12 10.77.0.2 100',
      'default 10.77.0.1 100',
    ])
    // The same address, and other routes.
    put({ ...lease, routes: lease.routes.slice(0, 2) }, lease)
    expect(routes()).toEqual(['10.77.0.1/32 direct 100', 'default 10.77.0.1 100'])
  })

  it('with another address takes the place of the one before, in the same network and in another', () => {
    const lease = (address: string, gateway: string): Lease => ({
      address: cidr(address),
      routers: [ip(gateway)],
      nameServers: [],
      searchDomains: [],
      routes: [{ destination: undefined, gateway: ip(gateway) }],
      serverId: ip(gateway),
      seconds: 60,
    })
    const leases = [
      lease('10.77.0.40/24', '10.77.0.1'),
      lease('10.77.0.41/24', '10.77.0.1'),
      lease('10.78.0.41/24', '10.78.0.1'),
    ]
    leases.forEach((lease, index) => {
      put(lease, leases[index - 1])
      expect(addresses()).toEqual([formatCidr(lease.address)])
      expect(routes()).toEqual([`default ${ips(lease.routers)[0]} 100`])
    })
  })
})

describe('a client', () => {
  const expiry = ({ state }: DhcpClient): number =>
    'binding' in state.phase ? state.phase.binding.expireAt : 0

  it('renews a lease of a few seconds, loses it without a server, and obtains it again', () => {
    const server = udhcpd(6)
    const dhcp = begin()
    const lease = obtain(dhcp)
    expect(lease.seconds).toBe(6)
    put(lease)
    const before = expiry(dhcp)
    const seen = new Set<string>()
    const renewed = (): boolean => {
      seen.add(dhcp.state.phase.is)
      return expiry(dhcp) > before
    }
    expect(run(dhcp, 6000, renewed)).toBeUndefined()
    expect(expiry(dhcp)).toBeGreaterThan(before)
    // Its answer to the unicast one, not to the broadcast at T2.
    expect([...seen]).not.toContain('rebinding')
    stop(server)
    expect(run(dhcp, 8000)).toEqual({ is: 'lost' })
    expect(clock()).toBeGreaterThanOrEqual(before + 2800)
    put(undefined, lease)
    expect(addresses()).toEqual([])
    udhcpd(60)
    expect(formatCidr(obtain(dhcp).address)).toBe('10.77.0.20/24')
  })

  it('renews a longer lease at its time, and starts anew where the server refuses', () => {
    const first = dnsmasq(...DNSMASQ)
    const dhcp = begin()
    const lease = obtain(dhcp)
    put(lease)
    const before = expiry(dhcp)
    skip(dhcp)
    expect(run(dhcp, 5000, () => expiry(dhcp) > before)).toBeUndefined()
    expect(expiry(dhcp)).toBeGreaterThan(before)
    stop(first)
    rmSync(join(folder, 'log'))
    dnsmasq('--dhcp-range=10.77.0.60,10.77.0.60,255.255.255.0,5m')
    for (let i = 0; i < 500 && !log().includes('IP range'); i++) poll([], 10)
    skip(dhcp)
    expect(run(dhcp, 5000)).toEqual({ is: 'lost' })
    put(undefined, lease)
    expect(formatCidr(obtain(dhcp).address)).toBe('10.77.0.60/24')
  })

  it('is not woken by anything but datagrams to its port', () => {
    const dhcp = begin()
    const peer = linkNamed(server, 'peer0').index
    const sender = atServer(() => openDhcpSocket(peer))
    // The link may take a moment.
    const readable = (): boolean => (poll([{ fd: dhcp.fd, events: POLLIN }], 50) as number[])[0] === POLLIN
    const send = (change: (bytes: Uint8Array) => void): boolean => {
      const datagram = encodeDatagram(ip('10.77.0.1'), ip('255.255.255.255'), new Uint8Array(8))
      change(datagram)
      must(sendTo(sender, peer, new Uint8Array(CLIENT_MAC), datagram), () => 'send')
      return readable()
    }
    expect(send(() => {})).toBe(false)
    expect(send((bytes) => bytes.set([0, 68], 22))).toBe(true)
    // It is no message, and nothing comes of it.
    expect(handle(dhcp, clock())).toBeUndefined()
    expect(readable()).toBe(false)
    const tcp = send((bytes) => {
      bytes.set([0, 68], 22)
      bytes[9] = 6
    })
    expect(tcp).toBe(false)
    const fragment = send((bytes) => {
      bytes.set([0, 68], 22)
      bytes[7] = 1
    })
    expect(fragment).toBe(false)
    // A header of 24 bytes: the ports are four bytes later.
    const longer = send((bytes) => {
      bytes[0] = 0x46
      bytes.set([0, 68], 26)
    })
    expect(longer).toBe(true)
    close(sender)
  })

  it('that starts before its NIC is up goes on', () => {
    make(client, linkChange({ index: eth0.index, up: false }))
    udhcpd(60)
    const dhcp = begin()
    expect(run(dhcp, 500)).toBeUndefined()
    make(client, linkChange({ index: eth0.index, up: true }))
    expect(formatCidr(obtain(dhcp).address)).toBe('10.77.0.20/24')
  })
})
