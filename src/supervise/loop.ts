/** The supervisor's loop: waits in one system call for signals, the power button and time, and does what the state machine says. */

import { info } from '../boot/io/console.ts'
import { forget, readRequests, requestFds } from '../boot/io/requests.ts'
import type { Relay } from '../boot/log/relay.ts'
import { ESRCH } from '../sys/errno.ts'
import { POLLERR, POLLHUP, POLLIN, SIGCHLD, SIGKILL, SIGTSTP, SIGTTIN, SIGTTOU } from '../sys/flags.ts'
import { kill, type PollFd, uptime } from '../sys/linux.ts'
import { type Cgroup, killCgroup, thawCgroup } from './cgroup.ts'
import { restoreLimits } from './limits.ts'
import { wasKilledForMemory } from './oom.ts'
import type { Outcome } from './outcome.ts'
import { formatOutcome } from './outcome.ts'
import { makeReaper, NOBODY, type Reaped, type Reaper, reap } from './reap.ts'
import {
  type Action,
  deadlineOf,
  type Event,
  next,
  type Policy,
  type PowerState,
  running,
  type State,
} from './state.ts'
import { type Ready, waitForEvents } from './wait.ts'
import { NO_WINDOW, openWindowPort, readWindowPort } from './window.ts'

/** Terminal job control belongs to the entrypoint's session. SIGCHLD is ours. */
const NOT_FORWARDED: readonly number[] = [SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU]

const NEVER = Number.POSITIVE_INFINITY

export interface Supervision {
  readonly pid: number
  readonly policy: Policy
  /** The entrypoint's; `start` makes it anew. */
  readonly cgroup: Cgroup
  /** Starts the entrypoint once more: its pid, or why it can't. */
  readonly start: () => number | Outcome
  readonly shutDown: (outcome: Outcome, power: PowerState) => never
  /** What else needs attention while the container runs: DHCP leases. */
  readonly service?: Service | undefined
  /** Where the container's output is kept in a file as well. */
  readonly relay?: Relay | undefined
}

/** Something with descriptors to wait for and work that falls due. */
export interface Service {
  readonly fds: readonly PollFd[]
  /** When `handle` is to be called at the latest, as `uptime()` counts; Infinity: never. */
  readonly deadline: () => number
  readonly handle: (now: number) => void
}

interface Supervisor extends Supervision {
  state: State
  readonly reaper: Reaper
  /** The port for the terminal's size. */
  window: number
  /** The descriptors to wait for; undefined after a change. */
  fds: readonly PollFd[] | undefined
}

/** Does not return. */
export function supervise(supervision: Supervision): never {
  const supervisor: Supervisor = {
    ...supervision,
    state: running(supervision.pid, uptime()),
    reaper: makeReaper(),
    window: openWindowPort(),
    fds: undefined,
  }
  // An early press of the button makes nothing readable, so this comes before the first wait.
  let childEnded = takeRequests(supervisor)
  let more = false
  for (;;) {
    // One SIGCHLD may stand for many children, so each wake-up reaps all that have ended.
    more = reapChildren(supervisor, childEnded && !more).left === 'ended'
    const ready = waitForEvents(withRelay(supervisor), more ? 0 : untilDeadline(supervisor))
    childEnded = takeRequests(supervisor)
    const called = handleReady(supervisor, ready)
    supervisor.relay?.handle(ready)
    passTime(supervisor, called)
  }
}

function reapChildren(supervisor: Supervisor, gather: boolean): Reaped {
  const { state, reaper, cgroup } = supervisor
  const pid = 'pid' in state ? state.pid : NOBODY
  const reaped = reap(reaper, pid, gather)
  const { status } = reaped
  if (status !== undefined)
    feed(supervisor, { is: 'ended', pid, status, oom: wasKilledForMemory(cgroup, pid, status) })
  return reaped
}

/** The descriptors to wait for, collected again only after a change. */
function watched(supervisor: Supervisor): readonly PollFd[] {
  const { window, service } = supervisor
  supervisor.fds ??= [
    ...requestFds(),
    ...(window === NO_WINDOW ? [] : [{ fd: window, events: POLLIN }]),
    ...(service?.fds ?? []),
  ]
  return supervisor.fds
}

/** What a relay waits for changes all the time. */
function withRelay(supervisor: Supervisor): readonly PollFd[] {
  const fds = watched(supervisor)
  return supervisor.relay === undefined ? fds : [...fds, ...supervisor.relay.fds()]
}

/** Milliseconds until something falls due; negative: never. */
function untilDeadline({ state, service }: Supervisor): number {
  const due = Math.min(deadlineOf(state) ?? NEVER, service?.deadline() ?? NEVER)
  return due === NEVER ? -1 : Math.max(0, due - uptime())
}

/** @returns whether children have ended */
function takeRequests(supervisor: Supervisor): boolean {
  const { signals, pressed } = readRequests()
  for (const signal of signals)
    if (!NOT_FORWARDED.includes(signal)) feed(supervisor, { is: 'signal', signal })
  if (pressed) feed(supervisor, { is: 'button' })
  return signals.includes(SIGCHLD)
}

/** Handles what is ready but requests, which have been read. @returns whether the service has something to read */
function handleReady(supervisor: Supervisor, ready: readonly Ready[]): boolean {
  const { window, service } = supervisor
  let called = false
  for (const { fd, events } of ready) {
    if (service?.fds.some((each) => each.fd === fd) === true) {
      called = true
    } else if ((events & (POLLERR | POLLHUP)) !== 0) {
      // A device that went away stays ready for ever.
      if (fd === window) supervisor.window = NO_WINDOW
      else forget(fd)
      supervisor.fds = undefined
    } else if (fd === window) {
      readWindowPort(fd)
    }
  }
  return called
}

/** @param called whether the service has something to read as well */
function passTime(supervisor: Supervisor, called: boolean): void {
  const { state, service } = supervisor
  const now = uptime()
  if (service !== undefined && (called || now >= service.deadline())) service.handle(now)
  if (now >= (deadlineOf(state) ?? NEVER)) feed(supervisor, { is: 'time' })
}

function feed(supervisor: Supervisor, event: Event): void {
  const { state, actions } = next(supervisor.state, event, uptime(), supervisor.policy)
  supervisor.state = state
  for (const action of actions) act(supervisor, action)
}

function act(supervisor: Supervisor, action: Action): void {
  switch (action.do) {
    case 'kill':
      // A child that left its own process group gets it too.
      if (kill(-action.pid, action.signal) === -ESRCH) kill(action.pid, action.signal)
      break
    case 'thaw':
      restoreLimits()
      thawCgroup(supervisor.cgroup)
      break
    case 'restarting':
      info(`${formatOutcome(action.outcome, uptime())}; restarting in ${action.delay / 1000} s`)
      killCgroup(supervisor.cgroup)
      // Also processes that left the cgroup: nothing of the last session may disturb the next one.
      kill(-1, SIGKILL)
      // The next session inherits PID 1's.
      restoreLimits()
      break
    case 'start': {
      const started = supervisor.start()
      if (typeof started === 'number') feed(supervisor, { is: 'started', pid: started })
      else feed(supervisor, { is: 'failed', outcome: started })
      break
    }
    case 'shutDown':
      supervisor.shutDown(action.outcome, action.power)
  }
}
