/** How the entrypoint ended, and how that is reported. Pure. */

import { seconds } from '../lib/text.ts'
import { SIGKILL, SIGTERM } from '../sys/flags.ts'

/** signal(7), x86-64 and arm64: number 1 first. */
const SIGNAL_NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'

/** `SIGTERM`; a real-time signal as `SIGRTMIN+N`, counted from 34, where C libraries let them begin. */
export function signalName(signal: number): string {
  const name = SIGNAL_NAMES.split(' ')[signal - 1]
  return name !== undefined ? `SIG${name}` : signal >= 34 ? `SIGRTMIN+${signal - 34}` : `SIG${signal}`
}

/**
 * Why the machine is going down: the entrypoint ended by itself (`core`: a signal made it dump core; `oom`: the kernel
 * killed it for want of memory), was stopped on request, or could not be started.
 */
export type Reason = 'exit' | 'signal' | 'core' | 'oom' | 'stop' | 'failed'

export interface Outcome {
  /** The entrypoint's own, 128+N for signal N, 126 not executable, 127 not found, 125 for a failure of ours. */
  readonly code: number
  readonly signal: number | undefined
  readonly reason: Reason
  readonly coreDumped: boolean
}

/** The signal that ended a process, or 0: WTERMSIG of wait(2). */
export const signalOf = (status: number): number => status & 0x7f

/**
 * Whether the kernel says that it killed this process for want of memory (mm/oom_kill.c, __oom_kill_process):
 * `<3>[   12.345678] Memory cgroup out of memory: Killed process 77 (app) …`. Only the kernel itself logs with facility 0,
 * so that the number in front has one digit; what a container writes to /dev/kmsg has two (printk's devkmsg_write).
 */
export const namesVictim = (log: string, pid: number): boolean =>
  log.split('\n').some((line) => line.charAt(2) === '>' && line.includes(`: Killed process ${pid} (`))

/**
 * @param status as wait(2) encodes it
 * @param oom whether the kernel killed it for want of memory
 */
export function outcomeOf(status: number, stopping: boolean, oom = false): Outcome {
  const signal = signalOf(status)
  const coreDumped = (status & 0x80) !== 0
  if (signal === 0) {
    return { code: (status >> 8) & 0xff, signal: undefined, reason: stopping ? 'stop' : 'exit', coreDumped }
  }
  const reason = stopping ? 'stop' : oom && signal === SIGKILL ? 'oom' : coreDumped ? 'core' : 'signal'
  return { code: 128 + signal, signal, reason, coreDumped }
}

/** A stop before the entrypoint was started counts as if TERM had ended it at once. */
export const STOPPED: Outcome = {
  code: 128 + SIGTERM,
  signal: SIGTERM,
  reason: 'stop',
  coreDumped: false,
}

export const failure = (code: 125 | 126 | 127): Outcome => ({
  code,
  signal: undefined,
  reason: 'failed',
  coreDumped: false,
})

/** The last line on the console, for programs to read (docs/protocol.md). */
export function formatOutcome({ code, signal, reason }: Outcome, uptime: number): string {
  const name = signal === undefined ? 'none' : signalName(signal)
  return `exited code=${code} signal=${name} reason=${reason} uptime=${seconds(uptime)}`
}

/** What the container used, by the kernel's counters. */
export interface Usage {
  /** The most memory that all its processes and their page cache used together, in bytes. */
  readonly memoryPeak: number | undefined
  /** Milliseconds of processor time. */
  readonly cpuTime: number | undefined
  /** Processes that the kernel killed for want of memory. */
  readonly oomKills: number
}

/**
 * The same as JSON, with the usage, for /.zmachine/exit.json. No value needs an escape.
 * @param output the end of the container's output, a JSON string already
 */
export function encodeOutcome(
  { code, signal, reason, coreDumped }: Outcome,
  uptime: number,
  usage?: Usage,
  output?: string,
): string {
  const name = signal === undefined ? 'null' : `"${signalName(signal)}"`
  let used = ''
  if (usage !== undefined) {
    const { memoryPeak, cpuTime, oomKills } = usage
    used = `,"memoryPeak":${memoryPeak ?? null},"cpuTime":${cpuTime === undefined ? null : seconds(cpuTime)},"oomKills":${oomKills}`
  }
  const last = output === undefined ? '' : `,"output":${output}`
  return `{"code":${code},"signal":${name},"reason":"${reason}","coreDumped":${coreDumped},"uptime":${seconds(uptime)}${used}${last}}\n`
}
