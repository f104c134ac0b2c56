/** `zmachine timeline`: shows how long a boot took, as a table, a picture or JSON. */

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { bootLogFolder, type Environment, newestBootLog } from '../console/boot-logs.ts'
import type { ContainerExit } from '../console/container-exit.ts'
import { errorCode } from '../lib/input.ts'
import type { Output } from '../lib/output.ts'
import { COLOURS, PLAIN, type Style } from '../lib/sections.ts'
import { parseOptions, UsageError } from '../lib/usage.ts'
import { readTimeline, type Span, spansOf, sumOf, type Timeline, type Which } from './timeline.ts'
import { timelineSvg } from './timeline-svg.ts'

export const TIMELINE_HELP = `zmachine timeline: how long the last boot took, step by step

  zmachine timeline [LOG] [--svg FILE|-] [--json]

Reads the times that the kernel and PID 1 print on the serial line, and shows them as a table:
milliseconds, their share of the boot until the entrypoint, a bar, and the step.

Argument
  LOG         a serial log of a boot with zmachine.timeline on its kernel command line; where it
              holds several boots, the last one; - is the standard input.
              Default: the newest boot of zmachine run. It keeps the logs of the last 20 in
              $XDG_STATE_HOME/zmachine/boots (~/.local/state/zmachine/boots)

Options
  --svg FILE  draws it into FILE, which ends with .svg: a row for each step, at its place in time;
              --svg - writes to the standard output
  --json      prints one JSON document (version 1) for programs
  -h, --help  this text

Exit code
  0  there are times
  2  wrong usage, a log that can't be read, or one without times

Examples
  zmachine timeline
  zmachine timeline --svg boot.svg
  zmachine timeline serial.log
  zmachine timeline --json | jq -r '.spans[] | select(.milliseconds > 10) | .name'
`

const OPTIONS = {
  svg: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const HINT = 'zmachine timeline --help'

/** @returns the exit code; throws a UsageError for 2 */
export function timelineCommand(
  args: readonly string[],
  output: Output,
  environment: Environment = process.env,
): number {
  const { log: named, rest } = takeLog(args)
  const { svg, json = false, help } = parseOptions('zmachine timeline', rest, OPTIONS)
  const say = (text: string): void => output.write(Buffer.from(text))
  if (help === true) {
    say(TIMELINE_HELP)
    return 0
  }
  if (json && svg !== undefined) throw new UsageError("--svg and --json can't be combined", HINT)
  // `--svg serial.log` is meant otherwise, and would be the end of that log.
  if (svg !== undefined && svg !== '-' && !svg.endsWith('.svg')) {
    throw new UsageError(`--svg ${JSON.stringify(svg)} does not end with .svg`, HINT)
  }
  const log = named ?? newestLog(environment)
  // A log of zmachine run has one boot, and what looks like another is the container's text.
  const timeline = timelineIn(log, named === undefined ? 'first' : 'last')
  if (svg === '-') say(timelineSvg(timeline))
  else if (svg !== undefined) writePicture(svg, timelineSvg(timeline))
  else if (json) say(`${JSON.stringify(document(log, timeline), null, 2)}\n`)
  else say(table(timeline, isUtf8(environment) ? blocks : hashes, output.colours ? COLOURS : PLAIN))
  return 0
}

/** The positional argument, which `parseOptions` does not take. */
function takeLog(args: readonly string[]): { readonly log: string | undefined; readonly rest: string[] } {
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const logs = tokens.filter((token) => token.kind === 'positional')
  const [log, second] = logs
  if (second !== undefined) {
    throw new UsageError(`zmachine timeline shows one log: unexpected ${JSON.stringify(second.value)}`, HINT)
  }
  const others = tokens.filter(({ kind }) => kind === 'positional' || kind === 'option-terminator')
  return { log: log?.value, rest: args.filter((_, index) => !others.some((token) => token.index === index)) }
}

function newestLog(environment: Environment): string {
  const newest = newestBootLog(environment)
  if (newest !== undefined) return newest
  throw new UsageError(
    `no boot is recorded yet in ${bootLogFolder(environment)}`,
    'zmachine run, or zmachine timeline LOG with a serial log of yours',
  )
}

function timelineIn(log: string, which: Which): Timeline {
  const timeline = readTimeline(readLog(log), which)
  if (timeline.steps.length > 0) return timeline
  throw new UsageError(
    `${log === '-' ? 'the standard input' : JSON.stringify(log)} has no times of PID 1's steps`,
    'boot with zmachine.timeline on the kernel command line',
  )
}

function readLog(log: string): string {
  try {
    return readFileSync(log === '-' ? 0 : log, 'utf8')
  } catch (error) {
    throw new UsageError(`${JSON.stringify(log)}: cannot be read (${errorCode(error)})`, HINT)
  }
}

function writePicture(file: string, svg: string): void {
  try {
    writeFileSync(file, svg)
  } catch (error) {
    throw new UsageError(`--svg ${JSON.stringify(file)}: cannot be written (${errorCode(error)})`, HINT)
  }
}

/** Version 1. Milliseconds; `boot` is the time until the entrypoint, `null` what the log does not tell. */
function document(log: string, timeline: Timeline): object {
  const spans = spansOf(timeline)
  const { kernel = null, exit = null } = timeline
  return { version: 1, log, kernel, boot: sumOf(spans, ...BOOT), spans, exit }
}

const BOOT = ['kernel', 'step', 'untimed'] as const

/** A fraction as a bar. */
type Bar = (fraction: number) => string

const BAR_WIDTH = 24

function table(timeline: Timeline, bar: Bar, style: Style): string {
  const spans = spansOf(timeline)
  const boot = sumOf(spans, ...BOOT)
  const longest = Math.max(...spans.filter(isBoot).map(({ milliseconds }) => milliseconds))
  const share = (milliseconds: number): string =>
    boot === 0 ? '' : `${((100 * milliseconds) / boot).toFixed(1)} %`
  const rows = spans
    .filter(isBoot)
    .map(({ name, milliseconds }) =>
      row(milliseconds, share(milliseconds), longest === 0 ? '' : bar(milliseconds / longest), name),
    )
  const init = sumOf(spans, 'step', 'untimed')
  rows.push(style.heading(row(init, share(init), '', 'PID 1 in all')))
  if (timeline.kernel !== undefined)
    rows.push(style.heading(row(boot, share(boot), '', 'the whole boot, until the entrypoint')))
  for (const { name, milliseconds } of spans.filter((span) => !isBoot(span))) {
    rows.push(row(milliseconds, '', '', `${name}${ending(timeline.exit)}`))
  }
  return `${style.dim(`${'ms'.padStart(9)}${'share'.padStart(9)}`)}\n${rows.join('\n')}\n`
}

/** The entrypoint has no share: it may run for days. */
const isBoot = ({ kind }: Span): boolean => kind !== 'entrypoint'

const row = (milliseconds: number, share: string, bar: string, name: string): string =>
  `${milliseconds.toFixed(1).padStart(9)}${share.padStart(9)}  ${bar.padEnd(BAR_WIDTH)}  ${harmless(name)}`

const ending = (exit: ContainerExit | undefined): string =>
  exit === undefined ? '' : `: exit code ${exit.code}${exit.signal === 'none' ? '' : `, ${exit.signal}`}`

/** A log's own names must not command the terminal. */
const harmless = (text: string): string => text.replace(/\p{Cc}/gu, '?')

/** Unicode's left blocks, from one eighth to seven. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

const blocks: Bar = (fraction) => {
  const eighths = Math.round(fraction * BAR_WIDTH * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
}

const hashes: Bar = (fraction) => '#'.repeat(Math.round(fraction * BAR_WIDTH))

/** Whether characters are UTF-8 in this locale: the first variable that says anything decides (setlocale(3)). */
const isUtf8 = ({ LC_ALL = '', LC_CTYPE = '', LANG = '' }: Environment): boolean =>
  /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG)
