/** The way down: everybody ended, everything on disk, unmounted, and the power state asked for. PID 1 never exits. */

import { debug, drainConsole, harmless, line, warn } from '../boot/io/console.ts'
import { makeDirectories, readText, updateFile } from '../boot/io/files.ts'
import { readStop, requestFds } from '../boot/io/requests.ts'
import { DISK_PATIENCE, stopWatchdog, watch } from '../boot/io/watchdog.ts'
import { MS_RDONLY, MS_REMOUNT } from '../lib/mount-flags.ts'
import { quote, words } from '../lib/text.ts'
import { describeErrno } from '../sys/errno.ts'
import { LINUX_REBOOT_CMD_HALT, SIGCONT, SIGKILL, SIGTERM } from '../sys/flags.ts'
import { kill, mount, poll, reboot, swapoff, umount, uptime } from '../sys/linux.ts'
import { killCgroup, readUsage, thawCgroup } from './cgroup.ts'
import { answers, guard, REBOOT_COMMANDS, syncWithin } from './guard.ts'
import { restoreLimits } from './limits.ts'
import { encodeOutcome, formatOutcome, type Outcome } from './outcome.ts'
import { makeReaper, NOBODY, type Reaper, reap } from './reap.ts'
import type { PowerState } from './state.ts'
import { waitForEvents } from './wait.ts'

/** How long KILL may take: processes in an uninterruptible sleep do not go at all. Milliseconds. */
const KILL_PATIENCE = 2000

/** Longer than this nobody waits for processes that outlived the entrypoint, whatever the grace. Milliseconds. */
const LEFTOVER_PATIENCE = 5000

/** File systems that a program of the host's serves, and how long it may take to answer. Milliseconds. */
const SERVED: readonly string[] = ['virtiofs', '9p']
const SERVER_PATIENCE = 5000

/** How long all disks may write where a dead server is in the way. Milliseconds. */
const SYNC_PATIENCE = 20_000

const RECORD_DIRECTORY = '/.zmachine'

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
  // What is on disks first: a share whose server has died must not keep it from being written.
  unmountAll(outcome, power, record)
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
    makeDirectories(RECORD_DIRECTORY)
    updateFile(`${RECORD_DIRECTORY}/exit.json`, encodeOutcome(outcome, uptime(), readUsage()))
  } catch (error) {
    debug(() => `exit record: ${String(error)}`)
  }
}

/** File systems with nothing on a disk or a host. */
const IN_MEMORY: readonly string[] = [
  'proc',
  'sysfs',
  'devtmpfs',
  'devpts',
  'tmpfs',
  'ramfs',
  'rootfs',
  'mqueue',
  'cgroup2',
  'cgroup',
  'bpf',
  'debugfs',
  'tracefs',
  'securityfs',
  'pstore',
  'configfs',
  'hugetlbfs',
  'fusectl',
  'binfmt_misc',
  'nsfs',
]

/**
 * The last mounted first; what is busy is made read-only, which writes it out as well. A server of files that has died is
 * left alone: it would never answer, and has nothing of ours to write.
 */
function unmountAll(outcome: Outcome, power: PowerState, record: boolean): void {
  if (!answers('/', SERVER_PATIENCE)) {
    // Not even /proc can be reached through it.
    warn('the root does not answer: its server on the host has died')
    syncWithin(SYNC_PATIENCE)
    return
  }
  const dead = mounted().flatMap(({ target, type }) =>
    SERVED.includes(type) && !answers(target, SERVER_PATIENCE) ? [target] : [],
  )
  for (const target of dead) warn(`${quote(target)} does not answer: its server on the host has died`)
  const living = () => mounted().flatMap(({ target }) => (dead.includes(target) ? [] : [target]))

  guard(power, outcome)
  watch('swap', DISK_PATIENCE)
  for (const file of swapFiles()) swapoff(file)
  // What a device below was busy with (a loop device over a file, say) may be gone only after the first round.
  for (let gone = true; gone; ) {
    gone = false
    for (const target of living()) {
      watch(harmless(target), DISK_PATIENCE)
      if (target !== '/' && umount(target) >= 0) gone = true
    }
  }
  if (record) writeRecord(outcome)
  for (const target of living()) {
    watch(harmless(target), DISK_PATIENCE)
    const remounted = mount('', target, '', MS_REMOUNT | MS_RDONLY)
    if (target !== '/')
      warn(`${quote(target)} is busy: ${remounted < 0 ? 'left as it is' : 'made read-only, not unmounted'}`)
  }
  stopWatchdog()
  syncWithin(dead.length > 0 ? SYNC_PATIENCE : DISK_PATIENCE)
}

/** Where file systems with data are mounted, the last one first. */
function mounted(): { target: string; type: string }[] {
  // The container may have unmounted or covered it.
  const proc = readText('/proc/self/mounts')
  if (proc === undefined) mount('proc', '/proc', 'proc', 0)
  const mounts = (proc ?? readText('/proc/self/mounts') ?? '').split('\n').reverse()
  return mounts.flatMap((entry) => {
    const [, escaped = '', type = ''] = entry.split(' ')
    const target = unescapeMount(escaped)
    // The root's own layer in memory; overlays of the container's hold disks busy.
    const isLayer = target === '/' && type === 'overlay'
    return target === '' || isLayer || IN_MEMORY.includes(type) ? [] : [{ target, type }]
  })
}

/** Swap on a file or a disk keeps it busy. Lines of /proc/swaps, after a heading, begin with the file (proc(5)). */
function swapFiles(): string[] {
  const [, ...lines] = (readText('/proc/swaps') ?? '').split('\n')
  return lines.flatMap((entry) => {
    const [file = ''] = words(entry)
    return file === '' ? [] : [unescapeMount(file)]
  })
}

/** /proc/self/mounts writes space, tab, new line and backslash as \040 and its like (mangle_path). */
export function unescapeMount(text: string): string {
  const [first = '', ...rest] = text.split('\\')
  return (
    first +
    rest.map((part) => String.fromCharCode(Number.parseInt(part.slice(0, 3), 8)) + part.slice(3)).join('')
  )
}
