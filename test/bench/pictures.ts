/** The benchmarks' pictures: stand-alone SVG documents in the timeline's colours. Pure. */

import { escaped, STYLE, ticks } from '../../src/host/timeline/timeline-svg.ts'
import { count, type Line, type Point } from './statistics.ts'

const WIDTH = 1000
const LEFT = 20
const HEAD = 60

const MORE_STYLE = `
    .ours { fill: #3b73c4 }
    .theirs { fill: #b9c1ca }
    .spread, .fit { stroke: #59636e; stroke-width: 1.5; fill: none }
    .fit { stroke: #3b73c4 }
    @media (prefers-color-scheme: dark) {
      .ours { fill: #5b95ea }
      .theirs { fill: #4a525c }
      .spread { stroke: #9198a1 }
      .fit { stroke: #5b95ea }
    }
  `

function picture(title: string, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"
  font-family="ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12.5">
  <title>${escaped(title)}</title>
  <style>${STYLE}${MORE_STYLE}</style>
  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>
  <text class="head" x="${LEFT}" y="34">${escaped(title)}</text>
${content}</svg>
`
}

const at = (value: number): string => value.toFixed(1)

export interface Bar {
  readonly name: string
  readonly value: number
  /** The lowest and the highest value. */
  readonly low: number
  readonly high: number
  readonly ours: boolean
}

export interface Bars {
  readonly title: string
  readonly unit: string
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[]
}

const ROW = 26
const BAR = 14
/** Where bars begin, and where the longest one ends. */
const PLOT = 170
const PLOT_END = 870

/** A bar for each value, starting at zero, with a thin line from the lowest to the highest. */
export function bars({ title, unit, groups }: Bars): string {
  const all = groups.flatMap((group) => group.bars)
  const most = Math.max(...all.map(({ high }) => high))
  const scale = (PLOT_END - PLOT) / (most > 0 ? most : 1)
  const parts: string[] = []
  let top = HEAD + 24
  for (const group of groups) {
    parts.push(`  <text class="small" x="${LEFT}" y="${top + 14}">${escaped(group.name)}</text>\n`)
    top += ROW
    for (const bar of group.bars) {
      parts.push(barRow(bar, top, scale, unit))
      top += ROW
    }
    top += 8
  }
  const axis = ticks(most).map((tick) => {
    const x = at(PLOT + tick * scale)
    return `  <path class="line" d="M${x} ${HEAD + 16}V${top}"/>
  <text class="small" x="${x}" y="${HEAD + 8}" text-anchor="middle">${count(tick)} ${unit}</text>\n`
  })
  return picture(title, top + 12, axis.join('') + parts.join(''))
}

function barRow({ name, value, low, high, ours }: Bar, top: number, scale: number, unit: string): string {
  const middle = top + ROW / 2
  const [from, end, least, most] = [0, value, low, high].map((one) => at(PLOT + one * scale))
  const told = `${count(value)} ${unit}`
  return `  <g>
    <title>${escaped(name)}: ${told}, ${count(low)} to ${count(high)}</title>
    <text x="${PLOT - 10}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>
    <path class="${ours ? 'ours' : 'theirs'}" d="M${from} ${middle - BAR / 2}H${end}V${middle + BAR / 2}H${from}Z"/>
    <path class="spread" d="M${least} ${middle}H${most}"/>
    <text x="${at(PLOT + high * scale + 8)}" y="${middle + 4}">${told}</text>
  </g>\n`
}

export interface Plot {
  readonly name: string
  readonly points: readonly Point[]
  readonly line: Line
}

export interface Panels {
  readonly title: string
  /** One column each, with its series stacked. */
  readonly panels: readonly { readonly name: string; readonly series: readonly Plot[] }[]
}

const PANEL_HEIGHT = 190
const GAP = 64

/** Points and the straight line through them; both axes start at zero. */
export function panels({ title, panels: columns }: Panels): string {
  const width = (WIDTH - LEFT) / columns.length
  const rows = Math.max(...columns.map(({ series }) => series.length))
  const content = columns.flatMap((column, index) =>
    column.series.map((series, row) =>
      plot(column.name, series, {
        left: LEFT + index * width + 34,
        right: LEFT + (index + 1) * width - 22,
        top: HEAD + row * (PANEL_HEIGHT + GAP) + 34,
      }),
    ),
  )
  return picture(title, HEAD + rows * (PANEL_HEIGHT + GAP) + 8, content.join(''))
}

interface Place {
  readonly left: number
  readonly right: number
  readonly top: number
}

function plot(name: string, { name: unit, points, line }: Plot, { left, right, top }: Place): string {
  const bottom = top + PANEL_HEIGHT - 30
  const [mostX, mostY] = [Math.max(...points.map(({ x }) => x)), Math.max(...points.map(({ y }) => y))]
  const px = (x: number): string => at(left + (x / mostX) * (right - left))
  const py = (y: number): string => at(bottom - (y / (mostY > 0 ? mostY : 1)) * (bottom - top))
  const levels = ticks(mostY).filter((_, index, all) => all.length < 6 || index % 2 === 0)
  const digits = levels.some((tick) => !Number.isInteger(tick)) ? 1 : 0
  const grid = levels.map(
    (tick) => `    <path class="line" d="M${at(left)} ${py(tick)}H${at(right)}"/>
    <text class="small" x="${at(left - 6)}" y="${at(Number(py(tick)) + 4)}" text-anchor="end">${count(tick, digits)}</text>\n`,
  )
  const dots = points.map(
    ({ x, y }) =>
      `    <circle class="ours" cx="${px(x)}" cy="${py(y)}" r="4"><title>${count(x)}: ${count(y, 1)}</title></circle>\n`,
  )
  return `  <g>
    <text x="${at(left)}" y="${top - 14}">${escaped(unit)}</text>
${grid.join('')}    <path class="fit" d="M${px(0)} ${py(line.intercept)}L${px(mostX)} ${py(line.intercept + line.slope * mostX)}"/>
${dots.join('')}    <text class="small" x="${at(right)}" y="${bottom + 18}" text-anchor="end">${count(mostX)} ${escaped(name)}</text>
  </g>\n`
}
