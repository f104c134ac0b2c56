/** The exit of a container, as PID 1 tells it in its last line. */

export interface ContainerExit {
  /** The entrypoint's code, 128+N for signal N, or 125, 126, 127. */
  readonly code: number
  /** The signal's name, or `none`. */
  readonly signal: string
  readonly reason: string
  /** Seconds since the kernel began. */
  readonly uptime: number
}

/** What the last line of that shape says, or undefined where the machine ended without one. */
export function containerExit(consoleText: string): ContainerExit | undefined {
  const found = consoleText.matchAll(
    /zmachine: exited code=(\d+) signal=(\S+) reason=(\S+) uptime=(\d+(?:\.\d+)?)/g,
  )
  const last = [...found].at(-1)
  if (last === undefined) return undefined
  const [, code, signal = 'none', reason = '', uptime] = last
  return { code: Number(code), signal, reason, uptime: Number(uptime) }
}
