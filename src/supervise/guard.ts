/** What must not hold PID 1 up for ever: calls made beside it, and the watchdog for those that it makes itself. */

import { readRequests, requestFds } from '../boot/io/requests.ts'
import { startWatchdog } from '../boot/io/watchdog.ts'
import { type Beside, type Call, spawnBeside } from '../sys/calls.ts'
import {
  LINUX_REBOOT_CMD_HALT,
  LINUX_REBOOT_CMD_POWER_OFF,
  LINUX_REBOOT_CMD_RESTART,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
  WNOHANG,
} from '../sys/flags.ts'
import { currentRuntime, SYS_reboot, SYS_statfs, SYS_sync, uptime, wait4 } from '../sys/linux.ts'
import { failure, formatOutcome, type Outcome } from './outcome.ts'
import type { PowerState } from './state.ts'
import { waitForEvents } from './wait.ts'

/** For reboot(2). */
export const REBOOT_COMMANDS = {
  reboot: LINUX_REBOOT_CMD_RESTART,
  poweroff: LINUX_REBOOT_CMD_POWER_OFF,
  halt: LINUX_REBOOT_CMD_HALT,
} as const

/** Never to be reaped, so that what they work with must stay. */
const stuck: Beside[] = []

/** Starts the watchdog: what it ends is the machine, and this is what the last line tells then. */
export function guard(power: PowerState, outcome: Outcome = failure(125)): void {
  startWatchdog((uptime) => formatOutcome(outcome, uptime), {
    number: SYS_reboot,
    args: [LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, REBOOT_COMMANDS[power], 0],
    name: 'reboot',
  })
}

/**
 * Makes one call beside us and waits for its end.
 * @param patience in milliseconds
 * @returns whether it came to an end; where it did not, the child stays behind
 */
function endsWithin(call: Call, patience: number): boolean {
  const made = spawnBeside(currentRuntime(), [call])
  if (made.pid < 0) return true
  const deadline = uptime() + patience
  while (wait4(made.pid, WNOHANG).pid === 0) {
    const left = deadline - uptime()
    if (left <= 0) {
      stuck.push(made)
      return false
    }
    waitForEvents(requestFds(), left)
    readRequests()
  }
  return true
}

/** Whether a file system's server answers: statfs(2) is never answered from memory (fs/fuse/inode.c). */
export const answers = (path: string, patience: number): boolean =>
  endsWithin({ number: SYS_statfs, args: [path, new Uint8Array(120)], name: 'statfs' }, patience)

/** Writes everything to the disks, but waits no longer. A server of files that has died would hold sync(2) up for ever. */
export const syncWithin = (patience: number): boolean =>
  endsWithin({ number: SYS_sync, args: [], name: 'sync' }, patience)
