/**
 * Watchdog for calls that may hang. A call into a file system whose host has died (a virtiofsd that crashed, a disk that
 * does not answer) can't be interrupted, not even for PID 1. So a child that shares our memory sleeps on a timer; when the
 * timer expires, the child writes what PID 1 is stuck on and takes the machine down. The timer is stopped while PID 1 waits
 * for events of its own accord (`pollOrStop`): a boot that waits is healthy, however long it takes.
 */

import { type Call, type Helper, setArgument, spawnHelper } from '../../sys/calls.ts'
import { CLOCK_MONOTONIC, POLLIN, SIGKILL, TFD_CLOEXEC, WNOHANG } from '../../sys/flags.ts'
import {
  close,
  currentRuntime,
  kill,
  SYS_ppoll,
  SYS_write,
  setTimer,
  timerfd,
  uptime,
  wait4,
} from '../../sys/linux.ts'
import type { Memory } from '../../sys/port.ts'
import { logDescriptor } from './console.ts'

/** How long a file server on the host may take to answer, in milliseconds. */
export const SERVER_PATIENCE = 60_000

/** The same for a disk: one call may replay a large journal, or write much data. */
export const DISK_PATIENCE = 600_000

/** Space for either text: longer ones are truncated. */
const TEXT_SIZE = 200

interface Watchdog {
  readonly child: Helper
  readonly timer: number
  readonly lastLine: (uptime: number) => string
  /** `60 s from the root vroot` */
  readonly subject: Memory
  readonly end: Memory
  /** What `subject` names. */
  named: string
  /** Milliseconds; 0 where nothing is watched yet. */
  patience: number
}

let watchdog: Watchdog | undefined

/** Indexes of the child's calls that write these. */
const SUBJECT = 2
const END = 3

/**
 * Starts the watchdog, which sleeps until `watch` is called.
 * @param lastLine the log's last line, if the timer expires at this uptime
 * @param final the child's last call, which takes the machine down
 */
export function startWatchdog(lastLine: Watchdog['lastLine'], final: Call): void {
  stopWatchdog()
  const timer = timerfd(CLOCK_MONOTONIC, TFD_CLOEXEC)
  // The kernel has no CONFIG_TIMERFD: no watchdog.
  if (timer < 0) return
  const subject = new Uint8Array(TEXT_SIZE)
  const end = new Uint8Array(TEXT_SIZE)
  const begin = 'zmachine: fatal: no answer for '
  const child = spawnHelper(currentRuntime(), [
    // A struct pollfd; no timeout.
    { number: SYS_ppoll, args: [Uint32Array.of(timer, POLLIN), 1, 0, 0, 8], name: 'wait for the timer' },
    say(begin, begin.length),
    say(subject, 0),
    say(end, 0),
    final,
  ])
  watchdog = { child, timer, lastLine, subject, end, named: '', patience: 0 }
}

const say = (text: string | Memory, length: number): Call => ({
  number: SYS_write,
  args: [logDescriptor(), text, length],
  tolerated: true,
  name: 'write',
})

/** Changes what the child will write. */
function setText(child: Helper, call: number, memory: Memory, text: string): void {
  const room = text.length > TEXT_SIZE ? text.slice(0, TEXT_SIZE) : text
  setArgument(child, call, 2, currentRuntime().putText(memory, 0, room))
}

/**
 * Names what the next calls go to, and winds the timer.
 * @param subject without terminal commands (`harmless`)
 * @param patience how long such a call may take, in milliseconds
 */
export function watch(subject: string, patience: number): void {
  if (watchdog === undefined) return
  const isFirst = watchdog.patience === 0
  if (subject !== watchdog.named || patience !== watchdog.patience) {
    watchdog.named = subject
    watchdog.patience = patience
    setText(watchdog.child, SUBJECT, watchdog.subject, `${patience / 1000} s from ${subject}`)
  }
  if (isFirst) resumeWatchdog()
  else setTimer(watchdog.timer, patience)
}

/** To be called before PID 1 waits for events. */
export function pauseWatchdog(): void {
  if (watchdog !== undefined && watchdog.patience > 0) setTimer(watchdog.timer, 0)
}

/** To be called after that: winds the timer again. */
export function resumeWatchdog(): void {
  if (watchdog === undefined || watchdog.patience === 0) return
  const { child, timer, end, lastLine, patience } = watchdog
  setText(child, END, end, `\nzmachine: ${lastLine(uptime() + patience)}\n`)
  setTimer(timer, patience)
}

/** Ends the watchdog. */
export function stopWatchdog(): void {
  if (watchdog === undefined) return
  const { child, timer } = watchdog
  watchdog = undefined
  // The container may have killed it, and its pid may be another's since.
  if (child.pid > 0 && wait4(child.pid, WNOHANG).pid === 0) {
    kill(child.pid, SIGKILL)
    wait4(child.pid, 0)
  }
  close(timer)
}
