/** Reads a container's exit from PID 1's last line. */

export interface ContainerExit {
  /** The entrypoint's code, 128+N for signal N, or 125, 126, 127. */
  readonly code: number
  /** The signal's name, or `none`. */
  readonly signal: string
  readonly reason: string
  /** Seconds since the kernel began. */
  readonly uptime: number
}

const EXIT = /zmachine: exited code=(\d+) signal=(\S+) reason=(\S+) uptime=(\d+(?:\.\d+)?)[ \t\r]*$/

/** What may follow it: the kernel's messages, a warning of PID 1's about the power, and nothing of the container's. */
const FOLLOWS = /^(?:\[ *\d+\.\d+\]|reboot: |zmachine: warning: |\s*$)/

/**
 * The container's exit, or undefined where the console ends without one. PID 1 writes the line when every process of
 * the container is dead. So it is the last line but for the kernel's, and a line of this shape that anything else
 * follows is the container's own text. Only a machine that ended by itself has one: where it was ended from outside
 * (`timeout`, `quit`, `failed`), the last line may be anybody's.
 */
export function containerExit(consoleText: string): ContainerExit | undefined {
  const lines = consoleText.split('\n')
  let last = lines.length - 1
  while (last > 0 && !EXIT.test(lines[last] ?? '') && FOLLOWS.test(lines[last] ?? '')) last--
  const found = EXIT.exec(lines[last] ?? '')
  if (found === null) return undefined
  const [, code, signal = 'none', reason = '', uptime] = found
  return { code: Number(code), signal, reason, uptime: Number(uptime) }
}
