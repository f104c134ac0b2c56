/** What goes into a log file: a line of JSON for each line of output, in the form of Docker's `json-file` driver. Pure. */

import { jsonString } from '../../lib/json.ts'

export type Stream = 'stdout' | 'stderr'

/** Docker cuts longer lines too. In bytes. */
const LONGEST_LINE = 16 * 1024

/** For the exit record, in bytes. */
const TAIL = 2048

/** Lines that have not ended yet, and the end of all output. */
export interface Output {
  readonly pending: { stdout: string; stderr: string }
  tail: string
}

export const newOutput = (): Output => ({ pending: { stdout: '', stderr: '' }, tail: '' })

export interface Entries {
  /** JSON lines; '' where no line has ended. */
  readonly text: string
  readonly count: number
}

/**
 * Takes what was read of a stream.
 * @param time as RFC 3339 has it
 */
export function takeOutput(output: Output, stream: Stream, text: string, time: string): Entries {
  output.tail = (output.tail + text).slice(-TAIL)
  let rest = output.pending[stream] + text
  let entries = ''
  let count = 0
  for (;;) {
    const newLine = rest.indexOf('\n')
    const isWhole = newLine >= 0 && newLine < LONGEST_LINE
    if (!isWhole && rest.length < LONGEST_LINE) break
    const end = isWhole ? newLine + 1 : LONGEST_LINE
    entries += entry(rest.slice(0, end), stream, time)
    rest = rest.slice(end)
    count++
  }
  output.pending[stream] = rest
  return { text: entries, count }
}

/** What is left of lines without an end, once nothing more can come. */
export function endOutput(output: Output, time: string): Entries {
  let text = ''
  let count = 0
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = output.pending[stream]
    output.pending[stream] = ''
    if (rest === '') continue
    text += entry(rest, stream, time)
    count++
  }
  return { text, count }
}

/** A line of PID 1's own. */
export const entry = (line: string, stream: Stream, time: string): string =>
  `{"log":${jsonString(line)},"stream":"${stream}","time":"${time}"}\n`
