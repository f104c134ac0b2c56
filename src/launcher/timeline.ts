/** How long a boot took, step by step, read from a serial log. */

export interface Timeline {
  /** The kernel's time until it starts PID 1, in milliseconds; known where it prints times (`printk.time=1`). */
  readonly kernel?: number
  /** What PID 1 did, in order (`zmachine.timeline`). */
  readonly steps: readonly Step[]
}

export interface Step {
  readonly milliseconds: number
  readonly name: string
}

/** Reads the kernel's `Run /init` line and PID 1's `zmachine: timeline 12.3 ms mount /data (ext4)` lines. */
export function readTimeline(consoleText: string): Timeline {
  const started = /^\[ *(\d+\.\d+)\] Run \/init as init process/m.exec(consoleText)?.[1]
  const steps = [...consoleText.matchAll(/^.*zmachine: timeline +(\d+(?:\.\d+)?) ms (.*?)\r*$/gm)].map(
    ([, milliseconds, name = '']) => ({ milliseconds: Number(milliseconds), name }),
  )
  return started === undefined ? { steps } : { kernel: Number(started) * 1000, steps }
}

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
