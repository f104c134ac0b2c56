/** A DHCP client for one NIC (RFC 2131): the state machine of `client.ts` on a socket and a clock. It never waits. */

import { type Bytes, u32be } from '../lib/bytes.ts'
import { type Ip, macBytes } from '../lib/ip.ts'
import { microseconds } from '../sys/linux.ts'
import { type Event, next, type State, start, type Transition } from './client.ts'
import { decodeDatagram, encodeDatagram } from './datagram.ts'
import type { Lease } from './lease.ts'
import { decodeMessage, encodeMessage, type Message } from './packet.ts'
import { lastSender, openDhcpSocket, receiveInto, sendTo } from './socket.ts'

export interface DhcpNic {
  /** For error messages. */
  readonly nic: string
  readonly index: number
  /** As returned by `parseMac`. */
  readonly mac: string
  /** What the server may call this machine in its DNS. */
  readonly hostname?: string | undefined
}

export interface DhcpClient {
  readonly nic: string
  readonly index: number
  /** Call `handle` when it is readable or in error. */
  readonly fd: number
  readonly mac: Bytes
  readonly hostname: string | undefined
  state: State
  /** Where renewals go: the Ethernet address that the lease came from, the server's or a router's. */
  peer: Bytes
}

export type DhcpChange =
  /** The first lease, or one that differs from the last. */
  | { readonly is: 'lease'; readonly lease: Lease }
  /** It expired or was revoked (NAK): the address must no longer be used. The client keeps trying. */
  | { readonly is: 'lost' }

const EVERYBODY: Bytes = new Uint8Array(6).fill(0xff)
const BROADCAST: Ip = EVERYBODY.subarray(0, 4)
/** The most that Ethernet carries; a client asks for less. */
const RECEIVED = new Uint8Array(1500)

/**
 * Opens the socket and sends the DISCOVER. The NIC should be up, otherwise only a later try is heard. Throws a SysError if
 * there can be no socket.
 * @param now `uptime()`, in milliseconds
 */
export function startDhcp({ nic, index, mac: text, hostname }: DhcpNic, now: number): DhcpClient {
  const mac = macBytes(text)
  const { state, actions } = start(u32be(mac, 2) ^ microseconds(), now, { mac, hostname })
  const client: DhcpClient = { nic, index, fd: openDhcpSocket(index), mac, hostname, state, peer: EVERYBODY }
  perform(client, { state, actions })
  return client
}

/** When to call `handle` even if nothing arrives; Infinity: never. */
export const deadlineOf = (client: DhcpClient): number => client.state.deadline

/**
 * Call it when the descriptor is readable or the deadline has come; any other time is fine, too. It reads one datagram at
 * a time, so poll(2) reports the next one.
 */
export function handle(client: DhcpClient, now: number): DhcpChange | undefined {
  const message = receiveMessage(client.fd)
  if (message !== undefined) {
    const change = feed(client, { is: 'packet', message }, now)
    if (change !== undefined) return change
  }
  return feed(client, { is: 'time' }, now)
}

function receiveMessage(fd: number): Message | undefined {
  const length = receiveInto(fd, RECEIVED)
  const payload = length < 0 ? undefined : decodeDatagram(RECEIVED, length)
  return payload === undefined ? undefined : decodeMessage(RECEIVED, payload.start, payload.end)
}

function feed(client: DhcpClient, event: Event, now: number): DhcpChange | undefined {
  const transition = next(client.state, event, now, client)
  if (event.is === 'packet' && transition.state !== client.state && transition.state.phase.is === 'bound')
    client.peer = lastSender()
  return perform(client, transition)
}

/** A message that can't be sent (no link, no memory) is lost like any other, and sent again later. */
function perform(client: DhcpClient, { state, actions }: Transition): DhcpChange | undefined {
  client.state = state
  let change: DhcpChange | undefined
  for (const action of actions) {
    if (action.do === 'send') {
      const { message, to } = action
      const datagram = encodeDatagram(message.ciaddr, to ?? BROADCAST, encodeMessage(message))
      sendTo(client.fd, client.index, to === undefined ? EVERYBODY : client.peer, datagram)
    } else {
      change = action.do === 'lease' ? { is: 'lease', lease: action.lease } : { is: 'lost' }
    }
  }
  return change
}
