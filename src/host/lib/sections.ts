/** Formats sections of aligned rows for people, with the source of each value at the right. Byte strings. */

import { formatProblem, type Problem } from '../../lib/problem.ts'
import { fromByteText, printable } from './byte-text.ts'

/** Escape sequences for bold, dim and colours, or none. */
export interface Style {
  readonly heading: (text: string) => string
  readonly dim: (text: string) => string
  readonly warning: (text: string) => string
  readonly error: (text: string) => string
}

const coloured =
  (code: number) =>
  (text: string): string =>
    `\x1b[${code}m${text}\x1b[0m`
const asItIs = (text: string): string => text

export const COLOURS: Style = {
  heading: coloured(1),
  dim: coloured(2),
  warning: coloured(33),
  error: coloured(31),
}
export const PLAIN: Style = { heading: asItIs, dim: asItIs, warning: asItIs, error: asItIs }

/** Without `from`, no source is shown. */
export type Row = readonly [label: string, value: string, from?: string]
export type Section = readonly [title: string, rows: readonly Row[]]

/** What was found wrong, and why nothing would start, if so. */
export function notices(
  { problems, refusals }: { readonly problems: readonly Problem[]; readonly refusals: readonly Problem[] },
  refused: string,
  style: Style,
): string[] {
  const found = problems.map((problem) => `  ${style.warning(printable(formatProblem(problem)))}`)
  const text = [section('problems', found.length === 0 ? ['  none'] : found, style)]
  if (refusals.length > 0) {
    const reasons = refusals.map((problem) => `  ${style.error(printable(formatProblem(problem)))}`)
    text.push(section(refused, reasons, style))
  }
  return text
}

export const section = (title: string, lines: readonly string[], style: Style): string =>
  [style.heading(title), ...lines, ''].join('\n')

/** The widest label that counts for alignment; a longer one shifts only its own line. */
const WIDEST_LABEL = 28
const WIDEST_VALUE = 64

export function formatSection([title, rows]: Section, place: number, style: Style): string {
  const wide = labelWidth(rows)
  const lines = rows.map(([label, value, from]) => {
    const start = `  ${pad(label, wide)}  ${value}`
    return from === undefined ? start : `${pad(start, place)}  ${style.dim(printable(from))}`
  })
  return section(title, lines, style)
}

/**
 * The column of the sources, the same for all sections.
 * @param counts which rows determine it
 */
export function sourceColumn(
  sections: readonly Section[],
  counts: (row: Row) => boolean = () => true,
): number {
  const widths = sections.flatMap(([, rows]) =>
    rows.filter(counts).map(([, value]) => 4 + labelWidth(rows) + Math.min(width(value), WIDEST_VALUE)),
  )
  return Math.max(0, ...widths)
}

const labelWidth = (rows: readonly Row[]): number =>
  Math.min(WIDEST_LABEL, Math.max(...rows.map(([label]) => width(label))))

/** In characters; double-width ones count as one. */
const width = (text: string): number => [...(fromByteText(text) ?? text)].length

const pad = (text: string, to: number): string => text + ' '.repeat(Math.max(0, to - width(text)))
