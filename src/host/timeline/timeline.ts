/** Reads from a serial log how long each step of a boot took. */

import { type ContainerExit, containerExit } from '../console/container-exit.ts'

export interface Timeline {
  /** The kernel's time until it starts PID 1, in milliseconds; known where it or PID 1 prints it. */
  readonly kernel?: number
  /** What PID 1 did, in order (`zmachine.timeline`). */
  readonly steps: readonly Step[]
  /** When PID 1 started the entrypoint, in milliseconds since the kernel began; unknown with `zmachine.log=quiet`. */
  readonly started?: number
  readonly exit?: ContainerExit
}

export interface Step {
  readonly milliseconds: number
  readonly name: string
}

/** printk.time's seconds, and behind them CONFIG_PRINTK_CALLER's thread or processor. */
const RUN_INIT = /^(?:\[ *(\d+\.\d+)\](?:\[ *[TC]\d+\])? )?Run \/init as init process/
const STEP = /zmachine: timeline +(\d+(?:\.\d+)?) ms (.*)$/s
/** The first of a block. */
const KERNEL_STEP = /zmachine: timeline +\S+ ms kernel$/
const STARTED = /zmachine: (?:starting|handing over to) .* after (\d+) ms$/s
const EXITED = /zmachine: exited code=/
const KERNELS = /^(?:\[ *\d+\.\d+\]|$)/

/** Which boot of a log with several. */
export type Which = 'first' | 'last'

/**
 * Reads the kernel's `Run /init` line, PID 1's `zmachine: timeline 12.3 ms mount /data (ext4)` lines, the first of which
 * may be the kernel's (`… ms kernel`), when the entrypoint started and how it ended. PID 1 prints its times in one block
 * before the entrypoint starts, so a line of that form further down is the container's own.
 */
export function readTimeline(consoleText: string, which: Which = 'last'): Timeline {
  const lines = consoleText.split('\n').map((line) => line.replace(/\r+$/, ''))
  const begins = beginsOf(lines)
  const begin = which === 'first' ? begins[0] : begins.at(-1)
  return begin === undefined ? { steps: [] } : readBoot(lines.slice(begin))
}

/** Where boots begin: at the kernel's line, else at the first of PID 1's. */
function beginsOf(lines: readonly string[]): number[] {
  const begins: number[] = []
  let state: 'before' | 'kernel' | 'init' = 'before'
  for (const [at, line] of lines.entries()) {
    if (RUN_INIT.test(line)) {
      begins.push(at)
      state = 'kernel'
    } else if (STEP.test(line) || STARTED.test(line)) {
      if (state === 'before' || (state === 'init' && KERNEL_STEP.test(line))) begins.push(at)
      state = 'init'
    } else if (EXITED.test(line)) {
      state = 'before'
    }
  }
  return begins
}

function readBoot(lines: readonly string[]): Timeline {
  const steps: Step[] = []
  const boot: { -readonly [Key in keyof Timeline]: Timeline[Key] } = { steps }
  const seconds = RUN_INIT.exec(lines[0] ?? '')?.[1]
  if (seconds !== undefined) boot.kernel = rounded(Number(seconds) * 1000)
  let at = lines.findIndex((line) => STEP.test(line))
  // Nobody but the kernel writes between PID 1's lines.
  for (; at >= 0 && at < lines.length; at++) {
    const line = lines[at] ?? ''
    const [, took, name = ''] = STEP.exec(line) ?? []
    if (took === undefined && !KERNELS.test(line)) break
    if (took === undefined) continue
    // On the clock of its steps, and so the better one.
    if (name === 'kernel') boot.kernel = Number(took)
    else steps.push({ milliseconds: Number(took), name })
  }
  for (const line of lines) {
    const started = STARTED.exec(line)?.[1]
    if (started === undefined) continue
    boot.started = Number(started)
    break
  }
  const exit = containerExit(lines.join('\n'))
  if (exit !== undefined) boot.exit = exit
  return boot
}

/** A piece of a boot at its place. */
export interface Span {
  /** `untimed` is what PID 1 did between its steps. */
  readonly kind: 'kernel' | 'step' | 'untimed' | 'entrypoint'
  readonly name: string
  /** Milliseconds since the kernel began, or since PID 1 did if the kernel's time is unknown. */
  readonly start: number
  readonly milliseconds: number
}

/** A boot as spans without gaps. The entrypoint has one if its end is known. */
export function spansOf({ kernel, steps, started, exit }: Timeline): Span[] {
  const spans: Span[] = []
  let end = 0
  const add = (kind: Span['kind'], name: string, milliseconds: number): void => {
    spans.push({ kind, name, start: end, milliseconds: rounded(milliseconds) })
    end = rounded(end + milliseconds)
  }
  if (kernel !== undefined) add('kernel', 'kernel, until it runs /init', kernel)
  for (const { name, milliseconds } of steps) add('step', name, milliseconds)
  if (kernel !== undefined && started !== undefined && rounded(started - end) > 0) {
    add('untimed', 'not timed, mostly the console', started - end)
  }
  const begin = kernel === undefined ? started : end
  if (exit !== undefined && begin !== undefined) {
    // Where there was nothing to run, what is left is the end.
    const name = exit.reason === 'failed' ? 'the way down' : 'entrypoint and the way down'
    add('entrypoint', name, Math.max(0, exit.uptime * 1000 - begin))
  }
  return spans
}

/** The milliseconds of all spans of some kinds. */
export const sumOf = (spans: readonly Span[], ...kinds: readonly Span['kind'][]): number =>
  rounded(
    spans.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { milliseconds }) => sum + milliseconds, 0),
  )

/** Microseconds are the kernel's precision; what is behind them is floating point's. */
const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000

/** The timeline as lines of a table, with the sum of PID 1's steps. */
export function formatTimeline({ kernel, steps }: Timeline): string[] {
  const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  return [
    ...(kernel === undefined ? [] : [row(kernel, 'kernel, until it runs /init')]),
    ...steps.map(({ milliseconds, name }) => row(milliseconds, name)),
    ...(steps.length === 0 ? [] : [row(total, 'PID 1 in all, until the entrypoint')]),
  ]
}

const row = (milliseconds: number, name: string): string =>
  `${milliseconds.toFixed(1).padStart(9)} ms  ${name}`
