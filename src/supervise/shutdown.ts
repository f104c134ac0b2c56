/** The way down: everybody ended, everything on disk, unmounted, and the power state asked for. PID 1 never exits. */

import { MS_RDONLY, MS_REMOUNT } from '../lib/mount-flags.ts'
import { quote } from '../lib/text.ts'
import { debug, drainConsole, line, warn } from '../run/console.ts'
import { makeDirectories, readText, updateFile } from '../run/files.ts'
import { describeErrno, ECHILD } from '../sys/errno.ts'
import {
  LINUX_REBOOT_CMD_HALT,
  LINUX_REBOOT_CMD_POWER_OFF,
  LINUX_REBOOT_CMD_RESTART,
  POLLIN,
  SIGCONT,
  SIGKILL,
  SIGTERM,
  WNOHANG,
} from '../sys/flags.ts'
import { kill, mount, poll, read, reboot, sync, umount, uptime, wait4 } from '../sys/linux.ts'
import { encodeOutcome, formatOutcome, type Outcome } from './outcome.ts'
import type { PowerState } from './state.ts'

/** How long KILL may take: processes in an uninterruptible sleep do not go at all. Milliseconds. */
const KILL_PATIENCE = 2000

/** Longer than this nobody waits for processes that outlived the entrypoint, whatever the grace. Milliseconds. */
const LEFTOVER_PATIENCE = 5000

const RECORD_DIRECTORY = '/.zmachine'

export interface ShutDown {
  readonly outcome: Outcome
  readonly power: PowerState
  /** Milliseconds between TERM and KILL for what is still running. */
  readonly grace: number
  /** Becomes readable when a child ends. */
  readonly signals: number
  /** The root was entered and can be written: the outcome is put down there. */
  readonly record: boolean
}

/** Does not return. */
export function shutDown({ outcome, power, grace, signals, record }: ShutDown): never {
  endProcesses(Math.min(grace, LEFTOVER_PATIENCE), signals)
  if (record) writeRecord(outcome)
  sync()
  unmountAll()
  line(formatOutcome(outcome, uptime()))
  drainConsole()
  const command = {
    reboot: LINUX_REBOOT_CMD_RESTART,
    poweroff: LINUX_REBOOT_CMD_POWER_OFF,
    halt: LINUX_REBOOT_CMD_HALT,
  }[power]
  const result = reboot(command)
  // Only a kernel without the right driver gets here. Halted is the safest of what is left.
  warn(`${power}: ${describeErrno(result)}; halting`)
  for (;;) {
    reboot(LINUX_REBOOT_CMD_HALT)
    poll([], -1)
  }
}

/** TERM to all and KILL to the rest; without any process left it costs one system call. */
function endProcesses(grace: number, signals: number): void {
  if (reapAll()) return
  kill(-1, SIGTERM)
  // A stopped process handles TERM only when it goes on.
  kill(-1, SIGCONT)
  if (waitForAll(grace, signals)) return
  debug(() => 'some processes ignore TERM: KILL')
  kill(-1, SIGKILL)
  if (!waitForAll(KILL_PATIENCE, signals))
    warn('some processes survived KILL: in the middle of I/O that does not come back')
}

/** True where no process is left: all that there are descend from PID 1. */
function reapAll(): boolean {
  for (;;) {
    const { pid } = wait4(-1, WNOHANG)
    if (pid === 0) return false
    if (pid < 0) return pid === -ECHILD
  }
}

function waitForAll(patience: number, signals: number): boolean {
  const deadline = uptime() + patience
  const info = new Uint8Array(128)
  while (!reapAll()) {
    const left = deadline - uptime()
    if (left <= 0) return false
    poll([{ fd: signals, events: POLLIN }], left)
    while (read(signals, info) > 0);
  }
  return true
}

function writeRecord(outcome: Outcome): void {
  try {
    makeDirectories(RECORD_DIRECTORY)
    updateFile(`${RECORD_DIRECTORY}/exit.json`, () => encodeOutcome(outcome, uptime()))
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

/** The last mounted first; what is busy is made read-only, which writes it out as well. */
function unmountAll(): void {
  const mounts = (readText('/proc/self/mounts') ?? '').split('\n')
  for (const entry of mounts.reverse()) {
    const [, escaped = '', type = ''] = entry.split(' ')
    const target = unescapeMount(escaped)
    // The root's own layer in memory; overlays of the container's hold disks busy.
    const isLayer = target === '/' && type === 'overlay'
    if (target === '' || isLayer || IN_MEMORY.includes(type)) continue
    const result = target === '/' ? -1 : umount(target)
    if (result >= 0) continue
    const remounted = mount('', target, '', MS_REMOUNT | MS_RDONLY)
    if (target !== '/')
      warn(
        `unmount ${quote(target)}: ${describeErrno(result)}; ${remounted < 0 ? 'left as it is' : 'made read-only'}`,
      )
  }
  sync()
}

/** /proc/self/mounts writes space, tab, new line and backslash as \040 and its like (mangle_path). */
export function unescapeMount(text: string): string {
  const [first = '', ...rest] = text.split('\\')
  return (
    first +
    rest.map((part) => String.fromCharCode(Number.parseInt(part.slice(0, 3), 8)) + part.slice(3)).join('')
  )
}
