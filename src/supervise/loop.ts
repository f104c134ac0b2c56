/** The one loop: waits in one system call for signals and the power button, asks the state machine, acts. */

import { info } from '../boot/io/console.ts'
import { forget, readRequests, requestFds } from '../boot/io/requests.ts'
import { ESRCH } from '../sys/errno.ts'
import { POLLERR, POLLHUP, POLLIN, SIGCHLD, SIGKILL } from '../sys/flags.ts'
import { kill, type PollFd, poll, uptime } from '../sys/linux.ts'
import { killCgroup, readOomKills, thawCgroup } from './cgroup.ts'
import type { Outcome } from './outcome.ts'
import { formatOutcome } from './outcome.ts'
import { NOBODY, reap } from './reap.ts'
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
import { openWindowPort, readWindowPort } from './window.ts'

/** Terminal job control is for the entrypoint's session, not for PID 1 to hand on. SIGCHLD is ours. */
const NOT_FORWARDED: readonly number[] = [SIGCHLD, 20, 21, 22]

const NEVER = Number.POSITIVE_INFINITY

export interface Supervision {
  readonly pid: number
  readonly policy: Policy
  /** Starts the entrypoint once more: its pid, or why it can't. */
  readonly start: () => number | Outcome
  readonly shutDown: (outcome: Outcome, power: PowerState) => never
  /** What else is to be looked after while the container runs: DHCP leases. */
  readonly service?: Service | undefined
}

/** Something with descriptors to wait for and work that falls due. */
export interface Service {
  readonly fds: readonly PollFd[]
  /** When `handle` is to be called at the latest, as `uptime()` counts; Infinity: never. */
  readonly deadline: () => number
  readonly handle: (now: number) => void
}

/** Does not return. */
export function supervise({ pid, policy, start, shutDown, service }: Supervision): never {
  const window = openWindowPort()
  const requests = requestFds()
  const fds: PollFd[] = [...requests, { fd: window ?? -1, events: POLLIN }, ...(service?.fds ?? [])]
  const windowAt = requests.length
  let oomKills = readOomKills()
  let state: State = running(pid, uptime())

  const feed = (event: Event): void => {
    const step = next(state, event, uptime(), policy)
    state = step.state
    step.actions.forEach(act)
  }
  const act = (action: Action): void => {
    switch (action.do) {
      case 'kill':
        // A child that left its own group still hears of it.
        if (kill(-action.pid, action.signal) === -ESRCH) kill(action.pid, action.signal)
        break
      case 'thaw':
        thawCgroup()
        break
      case 'restarting':
        info(`${formatOutcome(action.outcome, uptime())}; restarting in ${action.delay / 1000} s`)
        killCgroup()
        // Whoever left the cgroup, too: nothing of a dead session disturbs the next one.
        kill(-1, SIGKILL)
        break
      case 'start': {
        oomKills = 0
        const started = start()
        if (typeof started === 'number') feed({ is: 'started', pid: started })
        else feed({ is: 'failed', outcome: started })
        break
      }
      case 'shutDown':
        shutDown(action.outcome, action.power)
    }
  }

  /** @returns whether children have ended */
  const takeRequests = (): boolean => {
    const { signals, pressed } = readRequests()
    for (const signal of signals) if (!NOT_FORWARDED.includes(signal)) feed({ is: 'signal', signal })
    if (pressed) feed({ is: 'button' })
    return signals.includes(SIGCHLD)
  }
  // A press before anybody listened makes nothing readable.
  let gather = takeRequests()

  for (;;) {
    // One SIGCHLD may stand for many children, so each wake-up reaps all that have ended.
    const child = 'pid' in state ? state.pid : NOBODY
    const { status, answer } = reap(child, gather)
    if (status !== undefined) feed({ is: 'ended', pid: child, status, oom: readOomKills() > oomKills })
    const due = Math.min(deadlineOf(state) ?? NEVER, service?.deadline() ?? NEVER)
    const ready = poll(fds, answer > 0 ? 0 : due === NEVER ? -1 : Math.max(0, due - uptime()))
    if (typeof ready === 'number') continue
    gather = takeRequests() && answer <= 0
    let called = false
    for (const [index, events] of ready.entries()) {
      const watched = fds[index]
      if (watched === undefined || events === 0) continue
      if (index > windowAt) called = true
      else if ((events & (POLLERR | POLLHUP)) !== 0) {
        // A device that went away; poll(2) passes over negative descriptors.
        fds[index] = { ...watched, fd: -1 }
        forget(watched.fd)
      } else if (index === windowAt) readWindowPort(watched.fd)
    }
    const now = uptime()
    if (service !== undefined && (called || now >= service.deadline())) service.handle(now)
    if (now >= (deadlineOf(state) ?? NEVER)) feed({ is: 'time' })
  }
}
