/** The one loop: waits in one system call for signals and the power button, asks the state machine, acts. */

import { u16, u32 } from '../lib/bytes.ts'
import { info } from '../run/console.ts'
import { listNames } from '../run/files.ts'
import { ESRCH } from '../sys/errno.ts'
import {
  EV_KEY,
  EVIOCGBIT_EV_KEY,
  KEY_POWER,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  POLLERR,
  POLLHUP,
  POLLIN,
  SIGCHLD,
  WNOHANG,
} from '../sys/flags.ts'
import { close, ioctl, kill, open, type PollFd, poll, read, uptime, wait4 } from '../sys/linux.ts'
import type { Outcome } from './outcome.ts'
import { formatOutcome } from './outcome.ts'
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
  readonly signals: number
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
export function supervise({ pid, policy, signals, start, shutDown, service }: Supervision): never {
  const buttons = openPowerButtons()
  const window = openWindowPort()
  const inputs = window === undefined ? buttons : [...buttons, window]
  const fds: PollFd[] = [signals, ...inputs].map((fd) => ({ fd, events: POLLIN }))
  const own = fds.length
  if (service !== undefined) fds.push(...service.fds)
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
      case 'restarting':
        info(`${formatOutcome(action.outcome, uptime())}; restarting in ${action.delay / 1000} s`)
        break
      case 'start': {
        const started = start()
        if (typeof started === 'number') feed({ is: 'started', pid: started })
        else feed({ is: 'failed', outcome: started })
        break
      }
      case 'shutDown':
        shutDown(action.outcome, action.power)
    }
  }

  for (;;) {
    // One SIGCHLD may stand for many children, so each wake-up reaps all that have ended.
    for (let waited = wait4(-1, WNOHANG); waited.pid > 0; waited = wait4(-1, WNOHANG)) {
      feed({ is: 'ended', pid: waited.pid, status: waited.status })
    }
    const due = Math.min(deadlineOf(state) ?? NEVER, service?.deadline() ?? NEVER)
    const ready = poll(fds, due === NEVER ? -1 : Math.max(0, due - uptime()))
    if (typeof ready === 'number') continue
    for (const signal of readSignals(signals)) {
      if (!NOT_FORWARDED.includes(signal)) feed({ is: 'signal', signal })
    }
    let called = false
    for (const [index, events] of ready.entries()) {
      const watched = fds[index]
      if (index === 0 || watched === undefined || events === 0) continue
      if (index >= own) called = true
      // An input device that went away; poll(2) passes over negative descriptors.
      else if ((events & (POLLERR | POLLHUP)) !== 0) fds[index] = { ...watched, fd: -1 }
      else if (watched.fd === window) readWindowPort(window)
      else if (isPressed(watched.fd)) feed({ is: 'button' })
    }
    const now = uptime()
    if (service !== undefined && (called || now >= service.deadline())) service.handle(now)
    if (now >= (deadlineOf(state) ?? NEVER)) feed({ is: 'time' })
  }
}

/** struct signalfd_siginfo — signalfd(2); up to eight a read. */
function readSignals(fd: number): number[] {
  const infos = new Uint8Array(128 * 8)
  const found: number[] = []
  for (;;) {
    const length = read(fd, infos)
    if (length <= 0) return found
    for (let at = 0; at < length; at += 128) found.push(u32(infos, at))
  }
}

/** Input devices with a power key: ACPI's button is one (drivers/acpi/button.c). */
function openPowerButtons(): number[] {
  return (listNames('/dev/input') ?? []).flatMap((name) => {
    if (!name.startsWith('event')) return []
    const fd = open(`/dev/input/${name}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if (fd < 0) return []
    const keys = new Uint8Array(96)
    const has =
      ioctl(fd, EVIOCGBIT_EV_KEY, keys) >= 0 && ((keys[KEY_POWER >> 3] ?? 0) & (1 << (KEY_POWER & 7))) !== 0
    if (has) return [fd]
    close(fd)
    return []
  })
}

/** struct input_event on 64 bits: time (16 bytes), type, code, value. */
function isPressed(fd: number): boolean {
  const events = new Uint8Array(24 * 16)
  let pressed = false
  for (;;) {
    const length = read(fd, events)
    if (length <= 0) return pressed
    for (let at = 0; at < length; at += 24) {
      if (u16(events, at + 16) === EV_KEY && u16(events, at + 18) === KEY_POWER && u32(events, at + 20) === 1)
        pressed = true
    }
  }
}
