/** The way down: ends all processes, writes and unmounts everything, and switches the machine off. PID 1 never exits. */

import { debug, drainConsole, followLines, line, quietKernel, warn } from '../../boot/io/console.ts'
import { readStop } from '../../boot/io/requests.ts'
import { pauseWatchdog, resumeWatchdog, stopWatchdog } from '../../boot/io/watchdog.ts'
import type { Relay } from '../../boot/log/relay.ts'
import { updateFile } from '../../boot/steps/file.ts'
import { EXIT_RECORD } from '../../lib/exit-record.ts'
import { describeErrno } from '../../sys/errno.ts'
import { LINUX_REBOOT_CMD_HALT, SIGCONT, SIGKILL, SIGTERM } from '../../sys/flags.ts'
import { kill, poll, reboot, uptime } from '../../sys/linux.ts'
import { type Cgroup, killCgroup, readUsage, thawCgroup } from '../cgroup.ts'
import { restoreLimits } from '../limits.ts'
import { encodeOutcome, formatOutcome, type Outcome } from '../outcome.ts'
import { armWatchdog, REBOOT_COMMANDS } from '../power.ts'
import { makeReaper, NOBODY, type Reaper, reap } from '../reap.ts'
import type { PowerState } from '../state.ts'
import { waitForRequests } from '../wait.ts'
import { answers, unmountAll } from './unmount.ts'

/** How long KILL may take, in milliseconds: a process in uninterruptible sleep does not end at all. */
const KILL_PATIENCE = 2000

/** The longest grace for processes that outlived the entrypoint, in milliseconds. */
const LEFTOVER_PATIENCE = 5000

export interface ShutDown {
  readonly outcome: Outcome
  readonly power: PowerState
  readonly cgroup: Cgroup
  /** Milliseconds between TERM and KILL for what is still running. */
  readonly grace: number
  /** Whether there is a writable root for the exit record. */
  readonly record: boolean
  readonly relay: Relay | undefined
}

/** Does not return. */
export function shutDown({ outcome, power, cgroup, grace, record, relay }: ShutDown): never {
  stopWatchdog()
  restoreLimits()
  // Without a watchdog nobody may write to a root whose server has died.
  const writer = relay !== undefined && answers('/') ? relay : undefined
  if (writer === undefined) followLines(undefined)
  endProcesses(cgroup, Math.min(grace, LEFTOVER_PATIENCE), writer)
  // Nobody is left to lower them again.
  restoreLimits()
  armWatchdog(power, outcome)
  // The reason stands in the log already, and must not be pushed out of its last 2 KB, which are what a host shows.
  quietKernel()
  unmountAll(() => {
    const output = writer?.finish(formatOutcome(outcome, uptime()))
    // It has paused the watchdog.
    if (writer !== undefined) resumeWatchdog()
    if (record) writeRecord(outcome, cgroup, output)
  })
  // Its end would close the log file, and wait for a server that has died.
  pauseWatchdog()
  line(formatOutcome(outcome, uptime()))
  drainConsole()
  const result = reboot(REBOOT_COMMANDS[power])
  // Only a kernel without the right driver gets here; halting is the safest thing left.
  warn(`${power}: ${describeErrno(result)}; halting`)
  for (;;) {
    reboot(LINUX_REBOOT_CMD_HALT)
    poll([], -1)
  }
}

/** Sends TERM to all and KILL to the rest. One system call where no process is left. */
function endProcesses(cgroup: Cgroup, grace: number, relay: Relay | undefined): void {
  const reaper = makeReaper()
  if (reap(reaper, NOBODY).left === 'none') return
  kill(-1, SIGTERM)
  // Stopped or frozen processes don't handle TERM until they resume.
  kill(-1, SIGCONT)
  thawCgroup(cgroup)
  if (waitForAll(reaper, grace, true, relay)) return
  debug(() => 'some processes ignore TERM: sending KILL')
  killCgroup(cgroup)
  kill(-1, SIGKILL)
  if (!waitForAll(reaper, KILL_PATIENCE, false, relay))
    warn('some processes survived KILL: they are stuck in I/O')
}

/** @param hurried whether another request to stop ends the wait */
function waitForAll(reaper: Reaper, patience: number, hurried: boolean, relay: Relay | undefined): boolean {
  const deadline = uptime() + patience
  for (;;) {
    const { left } = reap(reaper, NOBODY)
    // Every process descends from PID 1.
    if (left === 'none') return true
    const time = deadline - uptime()
    if (time <= 0) return false
    waitForRequests(relay, left === 'ended' ? 0 : time)
    if (readStop() !== undefined && hurried) return false
  }
}

/** @param output the end of the container's output, as a JSON string */
function writeRecord(outcome: Outcome, cgroup: Cgroup, output: string | undefined): void {
  try {
    updateFile(EXIT_RECORD, encodeOutcome(outcome, uptime(), readUsage(cgroup), output))
  } catch (error) {
    debug(() => `exit record: ${String(error)}`)
  }
}
