/**
 * How a machine ended. QEMU says so: by an event, by its own exit, or by the state of the processors. The console is
 * written by the container as well, so its text alone decides nothing: it is a reason to ask QEMU, or it is the very
 * last line, after which only the kernel was there to speak.
 */

import type { Console } from '../console/console.ts'
import type { Json } from './qmp.ts'

export type ExitReason =
  /** The guest switched the power off. */
  | 'powerdown'
  /** The guest reset the machine. */
  | 'reset'
  /** The guest's kernel panicked. */
  | 'panic'
  /** The guest halted its processors for good; the machine was switched off for it. */
  | 'halt'
  /** `timeout` was over. */
  | 'timeout'
  /** `kill()` was called, or QMP's `quit`. */
  | 'quit'
  /** QEMU ended by itself: see `qemuError`. */
  | 'failed'

/** QEMU's `ShutdownCause`, as far as a machine with -no-reboot can have it. */
export function shutdownReason({ reason }: Json): ExitReason {
  if (reason === 'guest-shutdown') return 'powerdown'
  if (reason === 'guest-reset') return 'reset'
  if (reason === 'guest-panic') return 'panic'
  return 'quit'
}

/** The kernel's last line before it resets after a panic (kernel/panic.c), with every other processor stopped. */
const REBOOTING = /^(\[[ \d.]+\](\[ *[TC]\d+\])? )?Rebooting in \d+ seconds\.\.\s*$/

/**
 * Without a panic device QEMU sees a panic as a reset. What tells them apart is the last line of all: nobody but the
 * kernel runs between it and the reset.
 */
export const exitReason = (reason: ExitReason | undefined, consoleText: string): ExitReason =>
  reason === 'reset' && REBOOTING.test(lastLine(consoleText)) ? 'panic' : (reason ?? 'failed')

function lastLine(text: string): string {
  const trimmed = text.trimEnd()
  return trimmed.slice(trimmed.lastIndexOf('\n') + 1)
}

/** What the kernel says before it halts its processors, which QEMU has no event for. */
const HALTING = 'reboot: System halted'

/** From the line to the last processor's halt. Milliseconds. */
const HALT_PATIENCE = 5000
const HALT_STEP = 50

/**
 * Resolves once the guest has halted. A line of its console is the reason to look at the processors, and they decide:
 * a container may print the line too, and goes on.
 */
export async function halted(
  console: Console,
  execute: (command: string, args?: Json) => Promise<unknown>,
): Promise<boolean> {
  for await (const line of console.lines()) {
    if (!line.includes(HALTING)) continue
    for (let waited = 0; waited < HALT_PATIENCE; waited += HALT_STEP) {
      const registers = await execute('human-monitor-command', { 'command-line': 'info registers -a' }).catch(
        () => undefined,
      )
      if (registers === undefined) return false
      if (areHalted(String(registers))) return true
      await new Promise((resolve) => setTimeout(resolve, HALT_STEP))
    }
  }
  return false
}

/** The interrupt flag of EFLAGS. */
const INTERRUPTS_ENABLED = 0x200

/** Whether every processor of `info registers -a` stands at a HLT with interrupts off, from which nothing wakes it. */
export function areHalted(registers: string): boolean {
  const processors = [...registers.matchAll(/\b[RE]FL=([0-9a-f]+) .*?\bHLT=(\d)/gs)]
  return (
    processors.length > 0 &&
    processors.every(
      ([, flags = '', halt]) => halt === '1' && (Number.parseInt(flags, 16) & INTERRUPTS_ENABLED) === 0,
    )
  )
}
