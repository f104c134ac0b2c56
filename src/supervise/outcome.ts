/** How the entrypoint ended, and how that is told. Pure. */

/** signal(7), x86-64 and arm64: number 1 first. */
const SIGNAL_NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'

/** `SIGTERM`; a real-time signal as `SIGRTMIN+N`, counted from 34, where C libraries let them begin. */
export function signalName(signal: number): string {
  const name = SIGNAL_NAMES.split(' ')[signal - 1]
  return name !== undefined ? `SIG${name}` : signal >= 34 ? `SIGRTMIN+${signal - 34}` : `SIG${signal}`
}

/** Why the machine is going down: the entrypoint ended by itself, was stopped on request, or could not be had. */
export type Reason = 'exit' | 'signal' | 'stop' | 'failed'

export interface Outcome {
  /** The entrypoint's own, 128+N for signal N, 126 not executable, 127 not found, 125 for a failure of ours. */
  readonly code: number
  readonly signal: number | undefined
  readonly reason: Reason
  readonly coreDumped: boolean
}

/** @param status as wait(2) encodes it */
export function outcomeOf(status: number, stopping: boolean): Outcome {
  const signal = status & 0x7f
  const coreDumped = (status & 0x80) !== 0
  if (signal === 0) {
    return { code: (status >> 8) & 0xff, signal: undefined, reason: stopping ? 'stop' : 'exit', coreDumped }
  }
  return { code: 128 + signal, signal, reason: stopping ? 'stop' : 'signal', coreDumped }
}

export const failure = (code: 125 | 126 | 127): Outcome => ({
  code,
  signal: undefined,
  reason: 'failed',
  coreDumped: false,
})

/** The last line on the console, for programs that read it (protocol, section 5). */
export function formatOutcome({ code, signal, reason }: Outcome, uptime: number): string {
  const name = signal === undefined ? 'none' : signalName(signal)
  return `exited code=${code} signal=${name} reason=${reason} uptime=${(uptime / 1000).toFixed(3)}`
}

/** The same as JSON, for /.zmachine/exit.json. Its values need no escapes. */
export function encodeOutcome({ code, signal, reason, coreDumped }: Outcome, uptime: number): string {
  const name = signal === undefined ? 'null' : `"${signalName(signal)}"`
  return `{"code":${code},"signal":${name},"reason":"${reason}","coreDumped":${coreDumped},"uptime":${(uptime / 1000).toFixed(3)}}\n`
}
