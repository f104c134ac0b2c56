/** Medians, spreads, tables and straight lines. Pure. */

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** `12,346`, with `digits` decimals. */
export const count = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** The median, the lowest and the highest: `12 (11 to 19)`; `12` if all are the same. */
export function spread(values: readonly number[], digits = 0): string {
  const [least, middle, most] = [Math.min(...values), median(values), Math.max(...values)].map((value) =>
    count(value, digits),
  )
  return least === most ? `${middle}` : `${middle} (${least} to ${most})`
}

/** A table in Markdown; columns of numbers are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumber = (cell: string | undefined): boolean =>
    /^[\d.,−-]*( \([\d.,]+ to [\d.,]+\))?$/.test(cell ?? '')
  const rule = head.map((_, column) =>
    column > 0 && rows.every((row) => isNumber(row[column])) ? '---:' : '---',
  )
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Replaces the text between the markers `<!-- name -->` and `<!-- end -->` of a page. */
export function replaceMarked(page: string, name: string, text: string): string {
  const mark = `<!-- ${name} -->`
  const begin = page.indexOf(mark)
  const end = page.indexOf('<!-- end -->', begin)
  if (begin < 0 || end < 0) throw new Error(`the page has no place between ${mark} and <!-- end -->`)
  return `${page.slice(0, begin + mark.length)}\n\n${text}\n\n${page.slice(end)}`
}

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Line {
  /** What one more of x costs. */
  readonly slope: number
  readonly intercept: number
  /** The largest distance of a point from the line, relative to the largest y; 0 is a straight line. */
  readonly bend: number
}

/** The line of least squares. */
export function straightLine(points: readonly Point[]): Line {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const [mx, my] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))]
  const square = points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0)
  const slope = square === 0 ? 0 : points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0) / square
  const intercept = my - slope * mx
  const largest = Math.max(...points.map(({ y }) => Math.abs(y)))
  const off = Math.max(...points.map(({ x, y }) => Math.abs(y - intercept - slope * x)))
  return { slope, intercept, bend: largest === 0 ? 0 : off / largest }
}
