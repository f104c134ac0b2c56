/** Tests the state machine with a simulated clock, network and server. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Action,
  type Event,
  type Identity,
  next,
  type State,
  start,
  type Transition,
} from '../../src/dhcp/client.ts'
import type { Lease } from '../../src/dhcp/lease.ts'
import { ACK, DISCOVER, type Message, NAK, OFFER, REQUEST } from '../../src/dhcp/packet.ts'
import { formatCidr, formatIp } from '../../src/lib/ip.ts'
import { bytesOf, hexOf, ip } from '../netlink/hex.ts'
import { MAC, type Options, reply, USUAL } from './server.ts'

const SELF: Identity = { mac: MAC, hostname: 'box' }
const HOUR = 3600
const NOBODY = (): Message[] => []

/** Seconds, what the client does, and its phase after that. */
interface Entry {
  readonly at: number
  readonly action: Action
  readonly state: State
}

interface World {
  now: number
  state: State
  readonly log: Entry[]
  /** What comes back for a message. */
  answer: (message: Message) => Message[]
}

function boot(answer: World['answer'] = NOBODY, seed = 1): World {
  const { state, actions } = start(seed, 0, SELF)
  const world: World = { now: 0, state, log: [], answer }
  take(world, { state, actions })
  return world
}

function take(world: World, { state, actions }: Transition): void {
  world.state = state
  for (const action of actions) {
    world.log.push({ at: world.now / 1000, action, state })
    if (action.do !== 'send') continue
    for (const message of world.answer(action.message)) feed(world, { is: 'packet', message })
  }
}

const feed = (world: World, event: Event): void => take(world, next(world.state, event, world.now, SELF))

/** Lets seconds pass, with every deadline in turn. */
function pass(world: World, seconds: number): void {
  const end = world.now + seconds * 1000
  while (world.state.deadline <= end) {
    expect(world.state.deadline).toBeGreaterThanOrEqual(world.now)
    world.now = world.state.deadline
    feed(world, { is: 'time' })
  }
  world.now = end
}

const typeOf = (message: Message): number => message.options.get(53)?.[0] ?? 0

/** A server that says OFFER and ACK, with these options. */
const giving =
  (options: Options = {}, more: Partial<Message> = {}) =>
  (message: Message): Message[] => [
    reply(
      typeOf(message) === DISCOVER ? OFFER : ACK,
      { ...USUAL, ...options },
      { xid: message.xid, ...more },
    ),
  ]

const refusing = ({ xid }: Message): Message[] => [reply(NAK, { 54: '0a000001' }, { xid })]

const sends = ({ log }: World): { at: number; message: Message; to: string }[] =>
  log.flatMap(({ at, action }) =>
    action.do === 'send'
      ? [{ at, message: action.message, to: action.to === undefined ? 'all' : formatIp(action.to) }]
      : [],
  )

const changes = ({ log }: World): string[] =>
  log.flatMap(({ action }) =>
    action.do === 'lease' ? [formatCidr(action.lease.address)] : action.do === 'lost' ? ['lost'] : [],
  )

const phases = ({ log }: World): string[] => log.map(({ state }) => state.phase.is)
const lastSend = (world: World): Message => sends(world).at(-1)?.message ?? reply(0)

/** The gaps between sends, in whole seconds. */
const gaps = (world: World): number[] =>
  sends(world)
    .map(({ at }) => at)
    .slice(1)
    .map((at, index) => at - (sends(world)[index]?.at ?? 0))

describe('a client with a server that answers', () => {
  it('is bound after DISCOVER and REQUEST, at once', () => {
    const world = boot(giving())
    expect(sends(world).map(({ message }) => typeOf(message))).toEqual([DISCOVER, REQUEST])
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    expect(world.state.phase.is).toBe('bound')
    expect(world.now).toBe(0)
  })

  it('sends what RFC 2131, table 5 requires', () => {
    const [discover, request] = sends(boot(giving())).map(({ message }) => message)
    const options = (message: Message | undefined) =>
      [...(message?.options ?? [])].map(([code, value]) => `${code} ${hexOf(value)}`)
    const always = ['57 0500', '55 017903060c0f1a773a3b', '12 626f78']
    expect(options(discover)).toEqual(['53 01', '61 01020000007702', ...always])
    expect(options(request)).toEqual(['53 03', '61 01020000007702', '50 0a000007', '54 0a000001', ...always])
    expect(discover).toMatchObject({ op: 1, secs: 0, broadcast: false, ciaddr: ip('0.0.0.0'), chaddr: MAC })
    expect(request?.xid).toBe(discover?.xid)
    expect(request?.ciaddr).toEqual(ip('0.0.0.0'))
  })

  it('renews at half of the time, by one unicast message, and reports nothing', () => {
    const world = boot(giving())
    pass(world, HOUR / 2)
    const [, , renewal, ...rest] = sends(world)
    expect(rest).toEqual([])
    expect(renewal?.at).toBeLessThanOrEqual(HOUR / 2)
    expect(renewal?.at).toBeGreaterThan((HOUR / 2) * (15 / 16))
    expect(renewal?.to).toBe('10.0.0.1')
    expect(renewal?.message).toMatchObject({ ciaddr: ip('10.0.0.7'), secs: 0 })
    expect([...(renewal?.message.options.keys() ?? [])]).toEqual([53, 61, 57, 55, 12])
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    pass(world, 24 * HOUR)
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    expect(
      gaps(world)
        .slice(3)
        .every((gap) => gap <= HOUR / 2 && gap > (HOUR / 2) * (15 / 16)),
    ).toBe(true)
  })

  it.each([
    ['T1 and T2 of the server', { 58: '00000064', 59: '000000c8' }, 100, 200],
    ['T1 alone', { 58: '00000064' }, 100, 3150],
    ['T2 alone', { 59: '000000c8' }, 200, 200],
    ['T2 after the end', { 59: '00001000' }, 1800, 3150],
    ['T1 after T2', { 58: '000000c9', 59: '000000c8' }, 200, 200],
    ['none that is whole', { 58: '64', 59: 'c8' }, 1800, 3150],
  ])('sets its timers by %s', (_, options: Options, renewal, rebinding) => {
    const { state } = boot(giving(options))
    if (state.phase.is !== 'bound') throw new Error(state.phase.is)
    const { renewAt, rebindAt, expireAt } = state.phase.binding
    expect(renewAt / 1000).toBeLessThanOrEqual(renewal)
    expect(renewAt / 1000).toBeGreaterThan((renewal * 15) / 16)
    expect([rebindAt, expireAt]).toEqual([rebinding * 1000, HOUR * 1000])
  })

  it('does nothing more about a lease that does not end', () => {
    const world = boot(giving({ 51: 'ffffffff' }))
    expect(world.state.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('reports a renewed lease that differs', () => {
    const world = boot(giving())
    world.answer = giving({ 6: '09090909' })
    pass(world, HOUR / 2)
    world.answer = giving({ 6: '09090909' }, { yiaddr: ip('10.0.0.8') })
    pass(world, HOUR / 2)
    expect(changes(world)).toEqual(['10.0.0.7/24', '10.0.0.7/24', '10.0.0.8/24'])
    // Another duration is nothing to report.
    world.answer = giving({ 6: '09090909', 51: '00000e00' }, { yiaddr: ip('10.0.0.8') })
    pass(world, HOUR / 2)
    expect(changes(world)).toHaveLength(3)
  })

  it('keeps a lease of a few seconds', () => {
    const world = boot(giving({ 51: '00000004' }))
    pass(world, 60)
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    expect(sends(world).length).toBeGreaterThan(30)
    expect(sends(world).length).toBeLessThan(36)
  })

  it('counts the lease from its request', () => {
    const world = boot()
    world.now = 1000
    feed(world, { is: 'packet', message: reply(OFFER, USUAL, { xid: world.state.xid }) })
    world.now = 1900
    feed(world, { is: 'packet', message: reply(ACK, USUAL, { xid: world.state.xid }) })
    expect(world.state.phase).toMatchObject({ is: 'bound', binding: { expireAt: 1000 + HOUR * 1000 } })
  })

  it('takes the first offer', () => {
    const world = boot((message) =>
      ['10.0.0.7', '10.0.0.8'].map((address) =>
        reply(OFFER, USUAL, { xid: message.xid, yiaddr: ip(address) }),
      ),
    )
    expect(lastSend(world).options.get(50)).toEqual(ip('10.0.0.7'))
    expect(sends(world)).toHaveLength(2)
  })
})

describe('a client whose packets are lost', () => {
  it('keeps asking, ever more rarely, and not all machines at once', () => {
    const world = boot()
    pass(world, 600)
    gaps(world).forEach((gap, index) => {
      const expected = Math.min(2 ** (index + 1), 64)
      expect(Math.abs(gap - expected)).toBeLessThanOrEqual(1)
    })
    expect(gaps(world).length).toBeGreaterThan(11)
    const other = boot(NOBODY, 2)
    pass(other, 600)
    expect(gaps(other)).not.toEqual(gaps(world))
    expect(lastSend(other).xid).not.toBe(lastSend(world).xid)
  })

  it('says since when it has been asking, and asks for broadcasts from the third try on, also in the REQUEST', () => {
    const world = boot()
    pass(world, 20)
    expect(sends(world).map(({ message }) => message.broadcast)).toEqual([false, false, true, true])
    for (const { at, message } of sends(world)) expect(message.secs).toBe(Math.floor(at))
    expect(new Set(sends(world).map(({ message }) => message.xid)).size).toBe(1)
    const { secs } = lastSend(world)
    world.answer = (message) => (typeOf(message) === REQUEST ? [] : giving()(message))
    feed(world, { is: 'packet', message: reply(OFFER, USUAL, { xid: world.state.xid }) })
    pass(world, 3)
    expect(
      sends(world)
        .slice(-2)
        .map(({ message }) => [typeOf(message), message.secs, message.broadcast]),
    ).toEqual([
      [REQUEST, secs, true],
      [REQUEST, secs, true],
    ])
  })

  it('requests what was offered four times, then discovers again', () => {
    const world = boot((message) => (typeOf(message) === DISCOVER ? giving()(message) : []))
    pass(world, 34)
    expect(
      sends(world)
        .map(({ message }) => typeOf(message))
        .slice(0, 7),
    ).toEqual([1, 3, 3, 3, 3, 1, 3])
    expect(changes(world)).toEqual([])
  })

  it.each([1, 2, 3])('gets its lease if %i of every four packets arrive', (arriving) => {
    let count = 0
    const world = boot((message) => (count++ % 4 < 4 - arriving ? [] : giving()(message)))
    pass(world, 300)
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    pass(world, 24 * HOUR)
    expect(changes(world)).toEqual(['10.0.0.7/24'])
  })

  it('renews with the server, rebinds with all servers, and loses the lease at its end', () => {
    const world = boot(giving())
    world.answer = NOBODY
    pass(world, HOUR + 1)
    const asked = sends(world).slice(2)
    expect(changes(world)).toEqual(['10.0.0.7/24', 'lost'])
    expect(phases(world).slice(3)).toEqual([
      ...asked.flatMap(({ to, message }) =>
        typeOf(message) === DISCOVER ? [] : [to === 'all' ? 'rebinding' : 'renewing'],
      ),
      'selecting',
      'selecting',
    ])
    for (const { at, to, message } of asked) {
      expect(to).toBe(at < HOUR * 0.875 ? '10.0.0.1' : 'all')
      expect(typeOf(message)).toBe(at < HOUR ? REQUEST : DISCOVER)
    }
    // At least a minute apart, unless T2 or the end comes first.
    asked.forEach(({ at }, index) => {
      const before = asked[index - 1]?.at ?? 0
      if (at !== HOUR * 0.875 && at !== HOUR) expect(at - before).toBeGreaterThan(59.9)
    })
    expect(asked.map(({ at }) => at)).toContain(HOUR * 0.875)
    expect(asked.length).toBeLessThan(14)
    expect(asked.at(-1)?.at).toBe(HOUR)
    expect(asked.at(-1)?.message.ciaddr).toEqual(ip('0.0.0.0'))
    world.answer = giving()
    pass(world, 10)
    expect(changes(world)).toEqual(['10.0.0.7/24', 'lost', '10.0.0.7/24'])
  })

  it('takes another server’s answer while it rebinds, and renews with that one from then on', () => {
    const world = boot(giving())
    world.answer = NOBODY
    pass(world, HOUR * 0.875 - 1)
    expect(world.state.phase.is).toBe('renewing')
    world.answer = giving({ 54: '0a000002' })
    pass(world, 2)
    expect(world.state.phase.is).toBe('bound')
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    pass(world, HOUR / 2)
    expect(sends(world).at(-1)?.to).toBe('10.0.0.2')
  })

  it('loses a lease whose end passed while the machine slept', () => {
    const world = boot(giving())
    world.now = 2 * HOUR * 1000
    feed(world, { is: 'time' })
    expect(changes(world)).toEqual(['10.0.0.7/24', 'lost', '10.0.0.7/24'])
  })
})

describe('a client that is refused', () => {
  it('what was offered, waits and starts over', () => {
    const world = boot((message) => (typeOf(message) === DISCOVER ? giving() : refusing)(message))
    expect(world.state.phase.is).toBe('init')
    pass(world, 60)
    // At most two messages in ten seconds.
    expect(sends(world)).toHaveLength(14)
    expect(changes(world)).toEqual([])
    world.answer = giving()
    pass(world, 10)
    expect(changes(world)).toEqual(['10.0.0.7/24'])
  })

  it('its renewal, loses the lease and asks all servers at once', () => {
    const world = boot(giving())
    world.answer = (message) =>
      typeOf(message) === REQUEST && hexOf(message.ciaddr) !== '00000000'
        ? refusing(message)
        : giving({}, { yiaddr: ip('10.0.0.9') })(message)
    pass(world, HOUR / 2)
    expect(changes(world)).toEqual(['10.0.0.7/24', 'lost', '10.0.0.9/24'])
    expect(phases(world).at(-1)).toBe('bound')
  })

  it('by another server than the one it asked, ignores it unless it asked all', () => {
    const world = boot(giving())
    world.answer = ({ xid }) => [reply(NAK, { 54: '0a000002' }, { xid }), reply(NAK, {}, { xid })]
    pass(world, HOUR * 0.875 - 1)
    expect(world.state.phase.is).toBe('renewing')
    expect(changes(world)).toEqual(['10.0.0.7/24'])
    pass(world, 1)
    expect(changes(world)).toEqual(['10.0.0.7/24', 'lost'])
  })
})

describe('a client ignores', () => {
  const messages: [string, number, Options, Partial<Message>][] = [
    ['another exchange’s', OFFER, USUAL, { xid: 7 }],
    ['another machine’s', OFFER, USUAL, { chaddr: bytesOf('020000007703') }],
    ['a request', OFFER, USUAL, { op: 1 }],
    ['an ACK before it asked', ACK, USUAL, {}],
    ['a NAK before it asked', NAK, USUAL, {}],
    ['an offer without a server', OFFER, { 51: '00000e10' }, {}],
    ['an offer of no address', OFFER, USUAL, { yiaddr: ip('0.0.0.0') }],
    ['a message of no type', OFFER, { ...USUAL, 53: '00' }, {}],
  ]
  it.each(messages)('%s', (_, type, options, more) => {
    const world = boot()
    feed(world, { is: 'packet', message: reply(type, options, { xid: world.state.xid, ...more }) })
    expect(world.state.phase.is).toBe('selecting')
    expect(sends(world)).toHaveLength(1)
  })

  it('an ACK without a lease time, an offer or a second ACK', () => {
    const world = boot((message) => (typeOf(message) === DISCOVER ? giving()(message) : []))
    const { xid } = world.state
    feed(world, { is: 'packet', message: reply(ACK, { ...USUAL, 51: '' }, { xid }) })
    feed(world, { is: 'packet', message: reply(OFFER, USUAL, { xid }) })
    expect(world.state.phase.is).toBe('requesting')
    feed(world, { is: 'packet', message: reply(ACK, USUAL, { xid }) })
    const { state } = world
    feed(world, { is: 'packet', message: reply(ACK, USUAL, { xid, yiaddr: ip('10.0.0.99') }) })
    feed(world, { is: 'packet', message: reply(NAK, USUAL, { xid }) })
    expect(world.state).toBe(state)
  })

  it('the clock before the deadline', () => {
    const world = boot()
    const { state } = world
    feed(world, { is: 'time' })
    expect(world.state).toBe(state)
  })
})

it('whatever comes and whenever, the client keeps asking, never too often, and reports lease and loss in turn', () => {
  const types = fc.constantFrom(OFFER, ACK, NAK, 7)
  const options = fc.dictionary(
    fc.constantFrom('1', '3', '26', '51', '54', '58', '59', '119', '121'),
    fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  )
  const seconds = fc.oneof(fc.nat(5), fc.nat(5000))
  const event = fc.record({ type: types, options, usual: fc.boolean(), own: fc.boolean(), wait: seconds })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), fc.nat(0xffffffff), (events, seed) => {
      const world = boot(NOBODY, seed)
      for (const { type, options, usual, own, wait } of events) {
        pass(world, wait)
        const xid = own ? world.state.xid : seed
        const message = reply(type, { ...(usual ? USUAL : {}), ...options } as Options, { xid })
        const before = sends(world).length
        feed(world, { is: 'packet', message })
        expect(sends(world).length - before).toBeLessThanOrEqual(1)
        expect(world.state.deadline).toBeGreaterThan(0)
      }
      let held: Lease | undefined
      for (const { action } of world.log) {
        if (action.do === 'lost') {
          expect(held).toBeDefined()
          held = undefined
        } else if (action.do === 'lease') held = action.lease
      }
      expect(held !== undefined).toBe('binding' in world.state.phase)
    }),
    { numRuns: 500 },
  )
})
