/** The way down: everybody ended, everything on disk, unmounted, and the power state asked for. PID 1 never exits. */

import { debug, drainConsole, line, quietKernel, warn } from '../boot/io/console.ts'
import { readStop, requestFds } from '../boot/io/requests.ts'
import { stopWatchdog } from '../boot/io/watchdog.ts'
import { updateFile } from '../boot/steps/file.ts'
import { EXIT_RECORD } from '../lib/exit-record.ts'
import { describeErrno } from '../sys/errno.ts'
import { LINUX_REBOOT_CMD_HALT, SIGCONT, SIGKILL, SIGTERM } from '../sys/flags.ts'
import { kill, poll, reboot, uptime } from '../sys/linux.ts'
import { killCgroup, readUsage, thawCgroup } from './cgroup.ts'
import { restoreLimits } from './limits.ts'
import { encodeOutcome, formatOutcome, type Outcome } from './outcome.ts'
import { armWatchdog, REBOOT_COMMANDS } from './power.ts'
import { makeReaper, NOBODY, type Reaper, reap } from './reap.ts'
import type { PowerState } from './state.ts'
import { unmountAll } from './unmount.ts'
import { waitForEvents } from './wait.ts'

/** How long KILL may take: processes in an uninterruptible sleep do not go at all. Milliseconds. */
const KILL_PATIENCE = 2000

/** Longer than this nobody waits for processes that outlived the entrypoint, whatever the grace. Milliseconds. */
const LEFTOVER_PATIENCE = 5000

export interface ShutDown {
  readonly outcome: Outcome
  readonly power: PowerState
  /** Milliseconds between TERM and KILL for what is still running. */
  readonly grace: number
  /** The root was entered and can be written: the outcome is put down there. */
  readonly record: boolean
}

/** Does not return. */
export function shutDown({ outcome, power, grace, record }: ShutDown): never {
  stopWatchdog()
  restoreLimits()
  endProcesses(Math.min(grace, LEFTOVER_PATIENCE))
  // Nobody is left who could lower them again.
  restoreLimits()
  armWatchdog(power, outcome)
  // The reason stands in the log already, and must not be pushed out of its last 2 KB, which are what a host shows.
  quietKernel()
  unmountAll(() => {
    if (record) writeRecord(outcome)
  })
  stopWatchdog()
  line(formatOutcome(outcome, uptime()))
  drainConsole()
  const result = reboot(REBOOT_COMMANDS[power])
  // Only a kernel without the right driver gets here. Halted is the safest of what is left.
  warn(`${power}: ${describeErrno(result)}; halting`)
  for (;;) {
    reboot(LINUX_REBOOT_CMD_HALT)
    poll([], -1)
  }
}

/** TERM to all and KILL to the rest; without any process left it costs one system call. */
function endProcesses(grace: number): void {
  const reaper = makeReaper()
  if (reap(reaper, NOBODY).left === 'none') return
  kill(-1, SIGTERM)
  // A stopped or frozen process handles TERM only when it goes on.
  kill(-1, SIGCONT)
  thawCgroup()
  if (waitForAll(reaper, grace, true)) return
  debug(() => 'some processes ignore TERM: KILL')
  killCgroup()
  kill(-1, SIGKILL)
  if (!waitForAll(reaper, KILL_PATIENCE, false))
    warn('some processes survived KILL: in the middle of I/O that does not come back')
}

/** @param hurried whether one more request to stop ends the wait: somebody is in a hurry */
function waitForAll(reaper: Reaper, patience: number, hurried: boolean): boolean {
  const deadline = uptime() + patience
  for (;;) {
    const { left } = reap(reaper, NOBODY)
    // Every process descends from PID 1.
    if (left === 'none') return true
    const time = deadline - uptime()
    if (time <= 0) return false
    waitForEvents(requestFds(), left === 'ended' ? 0 : time)
    if (readStop() !== undefined && hurried) return false
  }
}

function writeRecord(outcome: Outcome): void {
  try {
    updateFile(EXIT_RECORD, encodeOutcome(outcome, uptime(), readUsage()))
  } catch (error) {
    debug(() => `exit record: ${String(error)}`)
  }
}
