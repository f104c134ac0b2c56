/** The supervisor as a pure function: a state and an event give the next state and the actions to take. */

import { stopOf } from '../boot/io/stop.ts'
import type { ExitPolicy } from '../config/machine.ts'
import { SIGCONT, SIGKILL, SIGTERM } from '../sys/flags.ts'
import { type Outcome, outcomeOf } from './outcome.ts'

export type PowerState = 'reboot' | 'poweroff' | 'halt'

export interface Policy {
  readonly onExit: ExitPolicy
  /** Milliseconds between TERM and KILL. */
  readonly grace: number
}

export type State =
  | { readonly is: 'running'; readonly pid: number; readonly since: number; readonly delay: number }
  /** The entrypoint was asked to end. It is killed at `deadline`, and given up on at the next one. */
  | {
      readonly is: 'stopping'
      readonly pid: number
      readonly deadline: number
      readonly power: PowerState
      readonly killed: boolean
    }
  /** Between two starts with on_exit=restart. `delay` is the wait after the next end. */
  | { readonly is: 'waiting'; readonly until: number; readonly delay: number; readonly outcome: Outcome }
  | { readonly is: 'ended' }

export type Event =
  /** `oom`: the kernel killed it for want of memory. */
  | { readonly is: 'ended'; readonly pid: number; readonly status: number; readonly oom?: boolean }
  | { readonly is: 'signal'; readonly signal: number }
  | { readonly is: 'button' }
  /** The time that `deadlineOf` named has come. */
  | { readonly is: 'time' }
  | { readonly is: 'started'; readonly pid: number }
  | { readonly is: 'failed'; readonly outcome: Outcome }

export type Action =
  /** To the entrypoint's process group. */
  | { readonly do: 'kill'; readonly pid: number; readonly signal: number }
  /** Resumes frozen processes. */
  | { readonly do: 'thaw' }
  | { readonly do: 'start' }
  /** Kills what the last session left behind; the entrypoint is started again after the delay. */
  | { readonly do: 'restarting'; readonly outcome: Outcome; readonly delay: number }
  | { readonly do: 'shutDown'; readonly outcome: Outcome; readonly power: PowerState }

/** Restarts wait 100 ms, then twice as long each time, up to 30 s; after a minute of running, 100 ms again. */
const FIRST_DELAY = 100
const LONGEST_DELAY = 30_000
const HEALTHY = 60_000

/** How long KILL may take. */
const KILL_PATIENCE = 2000

export const running = (pid: number, now: number, delay = FIRST_DELAY): State => ({
  is: 'running',
  pid,
  since: now,
  delay,
})

/** When the state wants a `time` event, as `now` counts; undefined: never. */
export function deadlineOf(state: State): number | undefined {
  if (state.is === 'stopping') return state.deadline
  return state.is === 'waiting' ? state.until : undefined
}

export function next(
  state: State,
  event: Event,
  now: number,
  policy: Policy,
): { state: State; actions: readonly Action[] } {
  const stay = { state, actions: [] }
  switch (event.is) {
    case 'ended':
      // Orphans only need to be reaped.
      if ((state.is !== 'running' && state.is !== 'stopping') || event.pid !== state.pid) return stay
      return ended(state, outcomeOf(event.status, state.is === 'stopping', event.oom), now, policy)
    case 'failed':
      return state.is === 'waiting' ? ended(state, event.outcome, now, policy) : stay
    case 'started':
      return state.is === 'waiting' ? { state: running(event.pid, now, state.delay), actions: [] } : stay
    case 'button':
      return stop(state, 'poweroff', now, policy)
    case 'signal': {
      const power = stopOf(event.signal)
      if (power !== undefined) return stop(state, power, now, policy)
      if (state.is !== 'running' && state.is !== 'stopping') return stay
      return { state, actions: [{ do: 'kill', pid: state.pid, signal: event.signal }] }
    }
    case 'time':
      if (state.is === 'stopping' && now >= state.deadline) {
        // Not even KILL ends a process that is stuck in I/O.
        if (state.killed) return ended(state, outcomeOf(SIGKILL, true), now, policy)
        const actions: Action[] = [{ do: 'kill', pid: state.pid, signal: SIGKILL }]
        return { state: { ...state, killed: true, deadline: now + KILL_PATIENCE }, actions }
      }
      return state.is === 'waiting' && now >= state.until ? { state, actions: [{ do: 'start' }] } : stay
  }
}

function ended(
  state: State,
  outcome: Outcome,
  now: number,
  policy: Policy,
): { state: State; actions: readonly Action[] } {
  if (state.is === 'stopping')
    return { state: { is: 'ended' }, actions: [{ do: 'shutDown', outcome, power: state.power }] }
  if (policy.onExit !== 'restart') {
    return { state: { is: 'ended' }, actions: [{ do: 'shutDown', outcome, power: policy.onExit }] }
  }
  const healthy = state.is === 'running' && now - state.since >= HEALTHY
  const delay = healthy || (state.is !== 'running' && state.is !== 'waiting') ? FIRST_DELAY : state.delay
  return {
    state: { is: 'waiting', until: now + delay, delay: Math.min(delay * 2, LONGEST_DELAY), outcome },
    actions: [{ do: 'restarting', outcome, delay }],
  }
}

function stop(
  state: State,
  power: PowerState,
  now: number,
  policy: Policy,
): { state: State; actions: readonly Action[] } {
  switch (state.is) {
    case 'running':
      return {
        state: { is: 'stopping', pid: state.pid, deadline: now + policy.grace, power, killed: false },
        // A stopped or frozen process doesn't handle TERM until it resumes.
        actions: [
          { do: 'kill', pid: state.pid, signal: SIGTERM },
          { do: 'kill', pid: state.pid, signal: SIGCONT },
          { do: 'thaw' },
        ],
      }
    case 'stopping':
      // A second request: somebody is in a hurry.
      return {
        state: { ...state, deadline: state.killed ? state.deadline : Math.min(state.deadline, now), power },
        actions: [],
      }
    case 'waiting':
      return {
        state: { is: 'ended' },
        actions: [{ do: 'shutDown', outcome: { ...state.outcome, reason: 'stop' }, power }],
      }
    case 'ended':
      return { state, actions: [] }
  }
}
