/**
 * Beside what may never come back. A call into a file system whose host has died (a virtiofsd that crashed, a disk that
 * does not answer) can't be interrupted, not even for PID 1; so a child that shares our memory sleeps beside it, and when
 * the time is over it says on what PID 1 is stuck, and takes the machine down.
 */

import { logDescriptor } from '../boot/io/console.ts'
import { readRequests, requestFds } from '../boot/io/requests.ts'
import { type Beside, type Call, spawnBeside } from '../sys/calls.ts'
import {
  LINUX_REBOOT_CMD_HALT,
  LINUX_REBOOT_CMD_POWER_OFF,
  LINUX_REBOOT_CMD_RESTART,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
  SIGKILL,
  WNOHANG,
} from '../sys/flags.ts'
import {
  currentRuntime,
  kill,
  poll,
  SYS_ppoll,
  SYS_reboot,
  SYS_statfs,
  SYS_sync,
  SYS_write,
  uptime,
  wait4,
} from '../sys/linux.ts'
import type { Memory } from '../sys/port.ts'
import { failure, formatOutcome, type Outcome } from './outcome.ts'
import type { PowerState } from './state.ts'

/** For reboot(2). */
export const REBOOT_COMMANDS = {
  reboot: LINUX_REBOOT_CMD_RESTART,
  poweroff: LINUX_REBOOT_CMD_POWER_OFF,
  halt: LINUX_REBOOT_CMD_HALT,
} as const

/** Room for what PID 1 is busy with: longer names are cut. */
const WIDTH = 120
const BLANK = ' '.repeat(WIDTH)

const subject = new Uint8Array(WIDTH)
let child: Beside | undefined
/** Never to be reaped, so that what they work with must stay. */
const stuck: Beside[] = []

/** What PID 1 is busy with from now on, for the message. */
export function busyWith(what: string): void {
  if (child === undefined) return
  currentRuntime().put(subject, 0, (what + BLANK).slice(0, WIDTH))
}

/**
 * Begins to watch; replaces a watch that is there.
 * @param limit milliseconds from now until the machine is taken down
 * @param outcome what the last line tells then
 */
export function guard(limit: number, power: PowerState, outcome: Outcome = failure(125)): void {
  unguard()
  const seconds = Math.round(limit / 1000)
  const last = formatOutcome(outcome, uptime() + limit)
  const say = (text: string | Memory): Call => ({
    number: SYS_write,
    args: [logDescriptor(), text, text.length],
    tolerated: true,
    name: 'write',
  })
  child = spawnBeside(currentRuntime(), [
    // struct timespec; no descriptor, only time.
    {
      number: SYS_ppoll,
      args: [0, 0, Uint32Array.of(seconds, 0, 0, 0), 0, 8],
      tolerated: true,
      name: 'sleep',
    },
    say(`zmachine: fatal: no answer for ${seconds} s from `),
    say(subject),
    say(`\nzmachine: ${last}\n`),
    {
      number: SYS_reboot,
      args: [LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, REBOOT_COMMANDS[power], 0],
      name: 'reboot',
    },
  ])
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
    poll(requestFds(), left)
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

/** What was watched has come to an end. */
export function unguard(): void {
  if (child !== undefined && child.pid > 0) {
    kill(child.pid, SIGKILL)
    wait4(child.pid, 0)
  }
  child = undefined
}
