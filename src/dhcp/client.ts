/**
 * The DHCP client's state machine (RFC 2131, 4.4) as a pure function: state and event in, state and actions out.
 *
 * Left out: INIT-REBOOT (nothing is kept across boots), the ARP check and DECLINE (4.4.1 recommends them, but they would
 * delay the address by seconds), RELEASE and INFORM.
 */

import { type Bytes, u32be } from '../lib/bytes.ts'
import { type Ip, sameIp } from '../lib/ip.ts'
import { LEASE_OPTIONS, type Lease, leaseOf } from './lease.ts'
import {
  ACK,
  BOOTREPLY,
  BOOTREQUEST,
  DISCOVER,
  ETHERNET,
  type Message,
  NAK,
  OFFER,
  OPTION_CLIENT,
  OPTION_HOSTNAME,
  OPTION_LARGEST,
  OPTION_PARAMETERS,
  OPTION_REQUESTED,
  OPTION_SERVER,
  OPTION_T1,
  OPTION_T2,
  OPTION_TYPE,
  REQUEST,
} from './packet.ts'

/** The client; stays the same. */
export interface Identity {
  /** The Ethernet address: 6 bytes. */
  readonly mac: Bytes
  /** For the server's DNS; a byte string. */
  readonly hostname?: string | undefined
}

/** A lease and its times, in milliseconds of the clock. */
export interface Binding {
  readonly lease: Lease
  /** What the lease was made from, to see whether another one differs. */
  readonly key: string
  readonly renewAt: number
  readonly rebindAt: number
  readonly expireAt: number
}

/** RFC 2131, figure 5. `init` waits before starting over; otherwise INIT takes no time. */
export type Phase =
  | { readonly is: 'init' }
  | { readonly is: 'selecting' }
  | { readonly is: 'requesting'; readonly offer: Lease }
  | { readonly is: 'bound' | 'renewing' | 'rebinding'; readonly binding: Binding }

export interface State {
  readonly phase: Phase
  /** When `next` needs a `time` event, in milliseconds of the clock; Infinity: never. */
  readonly deadline: number
  /** The source of randomness: an unsigned 32-bit number, a new one after each message. */
  readonly random: number
  /** Of the exchange: a DISCOVER and the REQUEST after it share this and the next two fields (4.1, 4.4.1). */
  readonly xid: number
  readonly secs: number
  readonly broadcast: boolean
  /** When the exchange began, and when its last message was sent. */
  readonly since: number
  readonly sentAt: number
  /** How many messages were sent in this phase. */
  readonly tries: number
}

export type Event = { readonly is: 'packet'; readonly message: Message } | { readonly is: 'time' }

export type Action =
  /** From `message.ciaddr`, to `to` or, if that is undefined, by broadcast. */
  | { readonly do: 'send'; readonly message: Message; readonly to: Ip | undefined }
  /** The first lease, or a different one, which replaces the one before. */
  | { readonly do: 'lease'; readonly lease: Lease }
  /** The address must not be used any longer. */
  | { readonly do: 'lost' }

export interface Transition {
  readonly state: State
  readonly actions: readonly Action[]
}

const SECOND = 1000
/**
 * Seconds before the first retransmission, doubled each time up to 64. RFC 2131, 4.1 starts with 4; this adds one earlier
 * try, since a bridge or switch may not forward yet what a VM sends right after its link went up.
 */
const FIRST_WAIT = 2
const LONGEST_WAIT = 64
/** After this many REQUESTs (30 s) without an answer, start over: another server may offer something (3.1.5). */
const MOST_REQUESTS = 4
/** How long to wait after a server offered an address and then refused it; 3.1.5 has this number for DECLINE. */
const REFUSED_WAIT = 10
/** 4.4.5: the least time to wait for the answer to a renewal. */
const RENEWAL_WAIT = 60
/** How many tries ask for unicast answers; after that for broadcasts, which more switches let through. */
const UNICAST_TRIES = 2
/** A message with its headers: it fits on every link that can carry IPv6 (RFC 8200, 5). */
const LARGEST_MESSAGE = 1280
const NO_ADDRESS: Ip = new Uint8Array(4)

/** Sends the DISCOVER, at once rather than after 1 to 10 s (4.4.1): the entrypoint may be waiting for its network. */
export const start = (seed: number, now: number, self: Identity): Transition =>
  discover(seed >>> 0, now, self, [])

/** Handles an event at `now`, in milliseconds of a monotonic clock. A `time` event before the deadline changes nothing. */
export function next(state: State, event: Event, now: number, self: Identity): Transition {
  if (event.is === 'packet') return onMessage(state, event.message, now, self)
  return now < state.deadline ? { state, actions: [] } : onTime(state, now, self)
}

function onTime(state: State, now: number, self: Identity): Transition {
  const { phase, tries } = state
  switch (phase.is) {
    case 'init':
      return discover(state.random, now, self, [])
    case 'requesting':
      if (tries >= MOST_REQUESTS) return discover(state.random, now, self, [])
      return transmit(state, now, self)
    case 'selecting':
      return transmit(state, now, self)
    default: {
      const { binding } = phase
      if (now >= binding.expireAt) return discover(state.random, now, self, [{ do: 'lost' }])
      const is = now >= binding.rebindAt ? 'rebinding' : 'renewing'
      return transmit(is === phase.is ? state : begin(state.random, now, { is, binding }), now, self)
    }
  }
}

function onMessage(state: State, message: Message, now: number, self: Identity): Transition {
  const { phase } = state
  const ignored: Transition = { state, actions: [] }
  if (message.op !== BOOTREPLY || message.xid !== state.xid || !sameIp(message.chaddr, self.mac))
    return ignored
  if (phase.is === 'init' || phase.is === 'bound') return ignored
  const type = message.options.get(OPTION_TYPE)?.[0]
  if (phase.is === 'selecting') {
    const offer = type === OFFER ? leaseOf(message) : undefined
    return offer === undefined
      ? ignored
      : transmit({ ...state, phase: { is: 'requesting', offer }, tries: 0 }, now, self)
  }

  const before = phase.is === 'requesting' ? undefined : phase.binding
  if (type === ACK) {
    const lease = leaseOf(message)
    if (lease === undefined) return ignored
    const binding = bind(state, lease, message)
    return {
      state: { ...state, phase: { is: 'bound', binding }, deadline: binding.renewAt },
      actions: before?.key === binding.key ? [] : [{ do: 'lease', lease }],
    }
  }
  if (type !== NAK) return ignored
  // When all servers are asked, any may refuse; otherwise only the one that was asked.
  const { serverId } = phase.is === 'requesting' ? phase.offer : phase.binding.lease
  if (phase.is !== 'rebinding' && !sameIp(message.options.get(OPTION_SERVER) ?? NO_ADDRESS, serverId))
    return ignored
  if (before !== undefined) return discover(state.random, now, self, [{ do: 'lost' }])
  return { state: { ...state, phase: { is: 'init' }, deadline: now + REFUSED_WAIT * SECOND }, actions: [] }
}

/** A new exchange, before its first message. */
const begin = (random: number, now: number, phase: Phase): State => ({
  phase,
  deadline: now,
  random,
  xid: random,
  secs: 0,
  broadcast: false,
  since: now,
  sentAt: now,
  tries: 0,
})

function discover(random: number, now: number, self: Identity, before: readonly Action[]): Transition {
  const { state, actions } = transmit(begin(random, now, { is: 'selecting' }), now, self)
  return { state, actions: [...before, ...actions] }
}

/** Sends the phase's message, for the first time or again. */
function transmit(before: State, now: number, self: Identity): Transition {
  const { phase, since, tries } = before
  // The generator from Numerical Recipes: enough to spread machines that start together.
  const random = (Math.imul(before.random, 1664525) + 1013904223) >>> 0
  const state: State = {
    ...before,
    random,
    deadline: deadlineAfter(phase, tries, random, now),
    // 4.1: relays route messages by it, and a REQUEST must reach the same servers.
    ...(phase.is !== 'requesting' && {
      secs: Math.min(Math.floor((now - since) / SECOND), 0xffff),
      broadcast: phase.is === 'selecting' && tries >= UNICAST_TRIES,
    }),
    sentAt: now,
    tries: tries + 1,
  }
  const to = phase.is === 'renewing' ? phase.binding.lease.serverId : undefined
  return { state, actions: [{ do: 'send', message: messageOf(state, self), to }] }
}

/** Until when to wait for an answer. */
function deadlineAfter(phase: Phase, tries: number, random: number, now: number): number {
  if ('binding' in phase) {
    const { rebindAt, expireAt } = phase.binding
    const end = phase.is === 'renewing' ? rebindAt : expireAt
    // 4.4.5: half of the remaining time.
    return Math.min(end, now + Math.max((end - now) / 2, RENEWAL_WAIT * SECOND))
  }
  const wait = Math.min(FIRST_WAIT << Math.min(tries, 8), LONGEST_WAIT)
  // 4.1: plus or minus a second.
  return now + (wait - 1 + 2 * fraction(random)) * SECOND
}

const fraction = (random: number): number => random / 0x1_0000_0000

/** RFC 2131, table 5. */
function messageOf({ phase, xid, secs, broadcast }: State, { mac, hostname }: Identity): Message {
  const options = new Map<number, Bytes>()
  options.set(OPTION_TYPE, Uint8Array.of(phase.is === 'selecting' ? DISCOVER : REQUEST))
  options.set(OPTION_CLIENT, Uint8Array.of(ETHERNET, ...mac))
  if (phase.is === 'requesting') {
    options.set(OPTION_REQUESTED, phase.offer.address.address)
    options.set(OPTION_SERVER, phase.offer.serverId)
  }
  options.set(OPTION_LARGEST, Uint8Array.of(LARGEST_MESSAGE >> 8, LARGEST_MESSAGE & 0xff))
  options.set(OPTION_PARAMETERS, Uint8Array.of(...LEASE_OPTIONS, OPTION_T1, OPTION_T2))
  if (hostname !== undefined) {
    options.set(
      OPTION_HOSTNAME,
      new Uint8Array(hostname.length).map((_, at) => hostname.charCodeAt(at)),
    )
  }
  return {
    op: BOOTREQUEST,
    xid,
    secs,
    broadcast,
    ciaddr: 'binding' in phase ? phase.binding.lease.address.address : NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    chaddr: mac,
    options,
  }
}

/** 4.4.1, 4.4.5: a lease counts from its request; unless the server says otherwise, T1 is half of it and T2 seven eighths. */
function bind({ sentAt, random }: State, lease: Lease, { options }: Message): Binding {
  const { seconds } = lease
  let t1 = secondsOf(options.get(OPTION_T1))
  let t2 = secondsOf(options.get(OPTION_T2))
  if (!(t2 > 0 && t2 < seconds)) t2 = seconds * 0.875
  if (!(t1 > 0 && t1 < t2)) t1 = Math.min(seconds * 0.5, t2)
  return {
    lease,
    key: [lease.address.address, ...LEASE_OPTIONS.map((code) => options.get(code))].join(),
    // A little earlier, so that machines that started together don't keep renewing together.
    renewAt: sentAt + t1 * (1 - fraction(random) / 16) * SECOND,
    rebindAt: sentAt + t2 * SECOND,
    expireAt: sentAt + seconds * SECOND,
  }
}

const secondsOf = (option: Bytes | undefined): number =>
  option === undefined || option.length < 4 ? 0 : u32be(option, 0)
