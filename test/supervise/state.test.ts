import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { failure, type Outcome } from '../../src/supervise/outcome.ts'
import {
  type Action,
  deadlineOf,
  type Event,
  next,
  type Policy,
  running,
  type State,
} from '../../src/supervise/state.ts'

const SIGHUP = 1
const SIGINT = 2
const SIGKILL = 9
const SIGTERM = 15
const SIGCONT = 18
const SIGPWR = 30

const policy: Policy = { onExit: 'reboot', grace: 10_000 }
const restart: Policy = { ...policy, onExit: 'restart' }
const pid = 7
const exit = (code: number, of = pid): Event => ({ is: 'ended', pid: of, status: code << 8 })
const signal = (number: number): Event => ({ is: 'signal', signal: number })
const exited = (code: number): Outcome => ({ code, signal: undefined, reason: 'exit', coreDumped: false })

/** What comes of events, each at its time. */
function run(policy: Policy, ...events: readonly (readonly [now: number, event: Event])[]) {
  let state = running(pid, 0)
  const actions: Action[] = []
  for (const [now, event] of events) {
    const step = next(state, event, now, policy)
    state = step.state
    actions.push(...step.actions)
  }
  return { state, actions }
}

describe('the entrypoint’s end', () => {
  test.each(['reboot', 'poweroff', 'halt'] as const)('is followed by %s where on_exit says so', (onExit) => {
    expect(run({ ...policy, onExit }, [5, exit(3)])).toEqual({
      state: { is: 'ended' },
      actions: [{ do: 'shutDown', outcome: exited(3), power: onExit }],
    })
  })

  it('is not that of an orphan', () => {
    expect(run(policy, [5, exit(3, 8)]).actions).toEqual([])
    expect(run(policy, [5, exit(3, 8)]).state.is).toBe('running')
  })

  it('by a signal is told as such', () => {
    const { actions } = run(policy, [5, { is: 'ended', pid, status: SIGKILL }])
    const outcome = { code: 137, signal: SIGKILL, reason: 'signal', coreDumped: false }
    expect(actions).toEqual([{ do: 'shutDown', outcome, power: 'reboot' }])
  })
})

describe('a signal that is no request to stop', () => {
  it('goes to the entrypoint’s process group', () => {
    for (let number = 1; number <= 64; number++) {
      if ([SIGINT, SIGTERM, SIGPWR].includes(number)) continue
      expect(run(policy, [5, signal(number)]).actions).toEqual([{ do: 'kill', pid, signal: number }])
    }
  })

  it('goes on to one that is stopping', () => {
    expect(run(policy, [5, signal(SIGTERM)], [6, signal(SIGHUP)]).actions.at(-1)).toEqual({
      do: 'kill',
      pid,
      signal: SIGHUP,
    })
  })

  it('reaches nobody between two starts', () => {
    expect(run(restart, [5, exit(1)], [6, signal(SIGHUP)]).actions.map((action) => action.do)).toEqual([
      'restarting',
    ])
  })
})

describe('a request to stop', () => {
  test.each([
    ['the power button', { is: 'button' }, 'poweroff'],
    ['Ctrl-Alt-Del', signal(SIGINT), 'reboot'],
    ['SIGTERM', signal(SIGTERM), 'poweroff'],
    ['SIGPWR', signal(SIGPWR), 'poweroff'],
  ] as const)('by %s: TERM, the grace, KILL, and then the power state', (_, event, power) => {
    const stopped = run(policy, [100, event])
    // One that is stopped or frozen would not handle TERM.
    const sent = [SIGTERM, SIGCONT].map((each) => ({ do: 'kill', pid, signal: each }))
    const asked = [...sent, { do: 'thaw' }]
    expect(stopped.actions).toEqual(asked)
    expect(deadlineOf(stopped.state)).toBe(10_100)

    expect(run(policy, [100, event], [10_099, { is: 'time' }]).actions).toHaveLength(3)
    const killed = run(policy, [100, event], [10_100, { is: 'time' }])
    expect(killed.actions.at(-1)).toEqual({ do: 'kill', pid, signal: SIGKILL })
    expect(
      run(policy, [100, event], [10_100, { is: 'time' }], [10_101, { is: 'time' }]).actions,
    ).toHaveLength(4)

    expect(run(policy, [100, event], [200, exit(0)]).actions.at(-1)).toEqual({
      do: 'shutDown',
      outcome: { ...exited(0), reason: 'stop' },
      power,
    })
  })

  it('gives up an entrypoint that not even KILL ends', () => {
    const { state, actions } = run(
      policy,
      [0, { is: 'button' }],
      [10_000, { is: 'time' }],
      [12_000, { is: 'time' }],
    )
    expect(state.is).toBe('ended')
    expect(actions.at(-1)).toEqual({
      do: 'shutDown',
      outcome: { code: 137, signal: SIGKILL, reason: 'stop', coreDumped: false },
      power: 'poweroff',
    })
  })

  it('shortens the grace when it is repeated', () => {
    const { state } = run(policy, [100, { is: 'button' }], [300, { is: 'button' }])
    expect(deadlineOf(state)).toBe(300)
    const { actions } = run(policy, [100, { is: 'button' }], [300, signal(SIGTERM)], [300, { is: 'time' }])
    expect(actions.at(-1)).toEqual({ do: 'kill', pid, signal: SIGKILL })
  })

  it('never lengthens the grace', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5000), { minLength: 2, maxLength: 6 }), (waits) => {
        let state = running(pid, 0)
        let now = 0
        let deadline = Number.POSITIVE_INFINITY
        for (const wait of waits) {
          now += wait
          state = next(state, { is: 'button' }, now, policy).state
          const then = deadlineOf(state) ?? Number.NaN
          expect(then).toBeLessThanOrEqual(deadline)
          deadline = then
        }
        expect(deadline).toBeLessThanOrEqual(now)
      }),
    )
  })

  it('lets the last one name the power state', () => {
    const { actions } = run(policy, [1, { is: 'button' }], [2, signal(SIGINT)], [3, exit(0)])
    expect(actions.at(-1)).toMatchObject({ do: 'shutDown', power: 'reboot' })
  })

  it('ends a restart’s wait', () => {
    expect(run(restart, [5, exit(4)], [6, { is: 'button' }])).toMatchObject({
      state: { is: 'ended' },
      actions: [
        { do: 'restarting' },
        { do: 'shutDown', outcome: { code: 4, reason: 'stop' }, power: 'poweroff' },
      ],
    })
  })

  it('is not undone by on_exit=restart', () => {
    expect(run(restart, [5, { is: 'button' }], [6, exit(0)]).actions.at(-1)).toMatchObject({
      do: 'shutDown',
      power: 'poweroff',
    })
  })
})

describe('on_exit=restart', () => {
  /** The waits before each further start of an entrypoint that lives for so long each time. */
  function waits(lives: readonly number[], end: (pid: number) => Event = (of) => exit(1, of)): number[] {
    let state: State = running(pid, 0)
    let now = 0
    return lives.map((life, index) => {
      now += life
      const step = next(state, end(pid + index), now, restart)
      const until = deadlineOf(step.state)
      if (until === undefined) throw new Error('no wait')
      expect(step.actions).toEqual([{ do: 'restarting', outcome: exited(1), delay: until - now }])
      const waited = until - now
      expect(next(step.state, { is: 'time' }, until - 1, restart).actions).toEqual([])
      const start = next(step.state, { is: 'time' }, until, restart)
      expect(start.actions).toEqual([{ do: 'start' }])
      now = until
      state = next(start.state, { is: 'started', pid: pid + index + 1 }, now, restart).state
      return waited
    })
  }

  it('waits 100 ms, then twice as long each time, up to 30 s', () => {
    expect(waits(Array.from({ length: 12 }, () => 5))).toEqual([
      100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000,
    ])
  })

  it('starts over after a minute of health', () => {
    expect(waits([5, 5, 59_999, 60_000, 5, 5])).toEqual([100, 200, 400, 100, 200, 400])
  })

  it('goes on waiting where the start itself fails', () => {
    let state = run(restart, [0, exit(1)]).state
    const delays: number[] = []
    for (let i = 0; i < 4; i++) {
      const now = deadlineOf(state) ?? 0
      const step = next(state, { is: 'failed', outcome: failure(126) }, now, restart)
      delays.push(...step.actions.flatMap((action) => (action.do === 'restarting' ? [action.delay] : [])))
      state = step.state
    }
    expect(delays).toEqual([200, 400, 800, 1600])
  })
})

describe('next, whatever happens', () => {
  const policies = fc.record({
    onExit: fc.constantFrom<Policy['onExit']>('reboot', 'poweroff', 'halt', 'restart'),
    grace: fc.constantFrom(0, 1000, 10_000),
  })
  const anyPid = fc.integer({ min: pid, max: pid + 2 })
  const anySignal = fc.oneof(fc.constantFrom(SIGINT, SIGTERM, SIGPWR), fc.integer({ min: 1, max: 64 }))

  it('shuts down at most once and does nothing afterwards, even in an order that can’t be', () => {
    const event: fc.Arbitrary<Event> = fc.oneof(
      fc.record({ is: fc.constant('ended' as const), pid: anyPid, status: fc.nat(0xffff) }),
      fc.record({ is: fc.constant('signal' as const), signal: anySignal }),
      fc.constantFrom<Event>({ is: 'button' }, { is: 'time' }, { is: 'failed', outcome: failure(127) }),
      fc.record({ is: fc.constant('started' as const), pid: anyPid }),
    )
    fc.assert(
      fc.property(policies, fc.array(fc.tuple(fc.nat(70_000), event)), (policy, events) => {
        let state: State = running(pid, 0)
        let now = 0
        let down = false
        for (const [wait, event] of events) {
          now += wait
          const { state: after, actions } = next(state, event, now, policy)
          if (down) expect(actions).toEqual([])
          for (const action of actions) {
            if (action.do === 'shutDown') down = true
            if (action.do !== 'kill') continue
            expect(state).toMatchObject({ pid: action.pid })
          }
          expect(after.is === 'ended').toBe(down)
          state = after
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('never acts on a dead process, never starts a second one, and always comes down when asked', () => {
    const move = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ does: fc.constant('exit' as const), status: fc.constantFrom(0, 256, 15) }),
      },
      fc.record({ does: fc.constant('orphan' as const) }),
      fc.record({ does: fc.constant('signal' as const), signal: anySignal }),
      fc.record({ does: fc.constant('button' as const) }),
      fc.record({ does: fc.constant('refuse' as const) }),
      { weight: 3, arbitrary: fc.record({ does: fc.constant('nothing' as const) }) },
    )
    fc.assert(
      fc.property(policies, fc.array(fc.tuple(fc.nat(20_000), move)), (policy, moves) => {
        const machine = simulate(policy)
        for (const [wait, what] of moves) {
          machine.pass(wait)
          if (what.does === 'exit') machine.exit(what.status)
          else if (what.does === 'orphan') machine.feed({ is: 'ended', pid: 3, status: 0 })
          else if (what.does === 'signal') machine.feed({ is: 'signal', signal: what.signal })
          else if (what.does === 'button') machine.feed({ is: 'button' })
          else if (what.does === 'refuse') machine.refuseNext()
        }
        machine.feed({ is: 'button' })
        machine.pass(policy.grace)
        expect(machine.isDown()).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  /** A machine as the loop makes one of the state: time events when they are due, and one entrypoint that dies of KILL. */
  function simulate(policy: Policy) {
    let state: State = running(pid, 0)
    let alive: number | undefined = pid
    let latest = pid
    let now = 0
    let down = false
    let refused = false

    const feed = (event: Event): void => {
      const step = next(state, event, now, policy)
      state = step.state
      for (const action of step.actions) act(action)
    }
    const act = (action: Action): void => {
      expect(down).toBe(false)
      if (action.do === 'kill') {
        expect(action.pid).toBe(alive)
        if (action.signal === SIGKILL) exit(SIGKILL)
      } else if (action.do === 'start') {
        expect(alive).toBeUndefined()
        if (refused) {
          refused = false
          feed({ is: 'failed', outcome: failure(126) })
        } else {
          latest++
          alive = latest
          feed({ is: 'started', pid: latest })
        }
      } else if (action.do === 'shutDown') {
        expect(alive).toBeUndefined()
        down = true
      }
    }
    const exit = (status: number): void => {
      if (alive === undefined) return
      const ended = alive
      alive = undefined
      feed({ is: 'ended', pid: ended, status })
    }
    const pass = (wait: number): void => {
      const end = now + wait
      for (let due = deadlineOf(state); due !== undefined && due <= end; due = deadlineOf(state)) {
        now = Math.max(now, due)
        feed({ is: 'time' })
      }
      now = end
    }
    const refuseNext = (): void => {
      refused = true
    }
    return { feed, exit, pass, isDown: () => down, refuseNext }
  }
})
