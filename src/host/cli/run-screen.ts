/** Connects a running machine to the user: its console, the keyboard, and the ways to end it. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine, MachineExit } from '../machine/machine.ts'
import { createConsoleFilter, type FilteredOutput, filterOutput } from './console-filter.ts'
import { attachTerminal, type TerminalInput, type TerminalOutput } from './terminal.ts'

/** The command's input and output. */
export interface Screen {
  readonly stdin: TerminalInput
  readonly stdout: TerminalOutput
  readonly write: (bytes: Uint8Array) => void
  /** Shows a line that is not the container's. */
  readonly report: (text: string) => void
}

export interface Showing {
  readonly screen: Screen
  /** Whether our PID 1 runs it, whose own lines are then filtered. */
  readonly isContainer: boolean
  readonly verbose: boolean
  /** Whether a stdin that is not a terminal is passed on. */
  readonly interactive: boolean
  /** Seconds until the machine is stopped. */
  readonly timeout: number | undefined
  /** Seconds until a machine that was asked to stop is ended. */
  readonly patience: number
}

export interface Shown {
  readonly exit: MachineExit
  /** Whether it was stopped because of `timeout`. */
  readonly timedOut: boolean
}

/** Seconds between TERM and KILL in the container (`zmachine.grace`), and for the file systems after that. */
const GRACE = 10
const UNMOUNT_PATIENCE = 10

/** How long a machine may take to stop, in seconds; `cmdline` may give its entrypoint another grace. */
export function stopPatience(cmdline: string): number {
  const grace = [...cmdline.matchAll(/(?:^|\s)"?zmachine\.grace=(\d+(?:\.\d+)?)/g)].at(-1)?.[1]
  return (grace === undefined ? GRACE : Number(grace)) + UNMOUNT_PATIENCE
}

/** How long the kernel may take until it handles the power button, in milliseconds. */
const KERNEL_PATIENCE = 3000

/** PID 1's last step before it starts the entrypoint, or its message about the start. */
const STARTED = /zmachine: (timeline \S+ ms free the initramfs|starting|handing over|fatal:)/

/** Ctrl-D on an empty line, which a reader takes for the end of its input (VEOF, termios(3)). */
const END_OF_INPUT = '\x04'

/** Signals by which a user or a supervisor asks for the end. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Shows the machine until it ends. */
export async function showMachine(machine: Machine, showing: Showing): Promise<Shown> {
  const { screen, isContainer, verbose } = showing
  const raw = screen.stdout.isTTY === true ? asItIs(screen.write) : withoutReturns(screen.write)
  const output = isContainer && !verbose ? filterOutput(createConsoleFilter(), raw.push) : raw
  machine.console.onBytes((chunk) => output.push(chunk))
  const started = isContainer ? machine.console.waitFor(STARTED) : Promise.resolve('')
  const stopping = stopOnRequest(machine, started, showing)
  const detach = attach(machine, started, showing)
  try {
    const exit = await machine.exited
    return { exit, timedOut: stopping.timedOut() }
  } finally {
    output.end()
    raw.end()
    detach()
    stopping.end()
  }
}

const [RETURN, NEWLINE] = [0x0d, 0x0a]

/**
 * Undoes what the guest's terminal does to a program's output (ONLCR, termios(3)): of each `\r\n` the `\r` goes, so
 * that a file or a pipe gets the program's own bytes.
 */
export function withoutReturns(write: (bytes: Uint8Array) => void): FilteredOutput {
  /** Whether the previous chunk ended with a `\r` that has not been passed on yet. */
  let pending = false
  return {
    push(chunk) {
      const passed: number[] = []
      for (const byte of chunk) {
        if (pending && byte !== NEWLINE) passed.push(RETURN)
        pending = byte === RETURN
        if (!pending) passed.push(byte)
      }
      if (passed.length > 0) write(Uint8Array.from(passed))
    },
    end() {
      if (pending) write(Uint8Array.of(RETURN))
      pending = false
    },
  }
}

const asItIs = (push: (bytes: Uint8Array) => void): FilteredOutput => ({ push, end: () => {} })

interface Stopping {
  timedOut(): boolean
  /** Signals are no longer handled. */
  end(): void
}

/** The first signal, or the timeout, presses the power button; a signal after that ends the machine at once. */
function stopOnRequest(
  machine: Machine,
  started: Promise<unknown>,
  { screen: { report }, timeout, patience }: Showing,
): Stopping {
  let reason: 'signal' | 'timeout' | undefined
  const stop = (why: 'signal' | 'timeout', message: string): void => {
    reason = why
    report(message)
    // The button does nothing before the kernel has loaded its driver.
    Promise.race([started, sleep(KERNEL_PATIENCE, undefined, { ref: false })]).then(() =>
      machine.stop(patience),
    )
  }
  const onSignal = (): void => {
    if (reason === undefined) stop('signal', 'stopping; a second signal ends it at once')
    else machine.kill()
  }
  const onTimeout = (): void => {
    if (reason === undefined) stop('timeout', `stopping after --timeout ${timeout}; a signal ends it at once`)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timeout * 1000)
  return {
    timedOut: () => reason === 'timeout',
    end() {
      clearTimeout(timer)
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

/** A terminal is attached at once. A pipe waits for the entrypoint, since the serial line buffers nothing. */
function attach(machine: Machine, started: Promise<unknown>, showing: Showing): () => void {
  const { stdin, stdout } = showing.screen
  const isTerminal = stdin.isTTY === true
  if (!isTerminal && !showing.interactive) {
    // As with docker's /dev/null: a shell or cat without input ends.
    if (showing.isContainer) started.then(() => machine.write(END_OF_INPUT))
    return () => {}
  }
  let attached: { detach(): void } | undefined
  let over = false
  const begin = (): void => {
    if (over) return
    attached = attachTerminal({
      stdin,
      stdout,
      write: (bytes) => machine.write(bytes),
      onLeave: () => machine.kill(),
      onResize: machine.resize,
    })
  }
  if (isTerminal) begin()
  else started.then(begin)
  return () => {
    over = true
    attached?.detach()
  }
}
