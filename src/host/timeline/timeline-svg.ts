/** A boot's timeline as a picture: a row for each piece of it, at its place in time. */

import { type Span, spansOf, sumOf, type Timeline } from './timeline.ts'

const WIDTH = 1000
const LEFT = 20
/** Where the column of milliseconds ends. */
const TIMES = 440
const PLOT = 460
const PLOT_END = 950
/** Of the first row. */
const TOP = 96
const ROW = 22
const BAR = 12

/** As many characters as there is room for in a wide font; longer names are whole in the row's title. */
const LONGEST_NAME = 48

/** How much of the boot's time the entrypoint's bar may take: it may run for days. */
const ENTRYPOINT_SHARE = 0.12

/** An SVG document of its own, with the colours of docs/boot.svg, for light and dark pages. */
export function timelineSvg(timeline: Timeline): string {
  const spans = spansOf(timeline)
  const boot = sumOf(spans, 'kernel', 'step', 'untimed')
  const shown = boot + Math.min(sumOf(spans, 'entrypoint'), boot * ENTRYPOINT_SHARE)
  // A boot of 0.0 ms has a scale as well.
  const scale = (PLOT_END - PLOT) / (shown > 0 ? shown : 1)
  const height = TOP + spans.length * ROW + 16
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"
  font-family="ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12.5">
  <title>${escaped(headline(spans))}</title>
  <style>${STYLE}</style>
  <clipPath id="names"><rect x="${LEFT}" y="0" width="${TIMES - LEFT - 70}" height="${height}"/></clipPath>
  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>
  <text class="head" x="${LEFT}" y="34">${escaped(headline(spans))}</text>
  <text class="small" x="${LEFT}" y="55">${escaped(summary(spans))}</text>
${spans.map((_, index) => band(index)).join('')}${ticks(shown)
  .map((tick) => axis(tick, PLOT + tick * scale, height))
  .join('')}${spans.map((span, index) => row(span, index, scale)).join('')}</svg>
`
}

/** The page has its own colour: a picture may be shown on another's page, whose colours it can't know. */
export const STYLE = `
    text { fill: #1f2328 }
    .page { fill: #ffffff }
    .head { font-size: 16px; font-weight: 600 }
    .small { font-size: 12px; fill: #59636e }
    .band { fill: #f4f6f8 }
    .line { stroke: #d1d9e0; stroke-width: 1 }
    .kernel { fill: #7d8590 }
    .step { fill: #3b73c4 }
    .untimed { fill: #b9c1ca }
    .entrypoint { fill: #3a8f57 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .page { fill: #0d1117 }
      .small { fill: #9198a1 }
      .band { fill: #151b23 }
      .line { stroke: #30363d }
      .kernel { fill: #9198a1 }
      .step { fill: #5b95ea }
      .untimed { fill: #4a525c }
      .entrypoint { fill: #4fb070 }
    }
  `

function headline(spans: readonly Span[]): string {
  const boot = sumOf(spans, 'kernel', 'step', 'untimed')
  const whose = spans.some(({ kind }) => kind === 'kernel') ? 'Boot' : 'PID 1'
  return `${whose}: ${duration(boot)} until the entrypoint`
}

function summary(spans: readonly Span[]): string {
  const of = (...kinds: readonly Span['kind'][]): string => duration(sumOf(spans, ...kinds))
  const last = spans.find(({ kind }) => kind === 'entrypoint')
  return [
    ...(spans.some(({ kind }) => kind === 'kernel')
      ? [`kernel ${of('kernel')}`, `PID 1 ${of('step', 'untimed')}`]
      : []),
    ...(last === undefined ? [] : [`then ${last.name} ${duration(last.milliseconds)}`]),
  ].join(', ')
}

/** Behind every second row, to lead the eye from its name to its bar. */
const band = (index: number): string =>
  index % 2 === 1
    ? ''
    : `  <rect class="band" x="${LEFT - 8}" y="${TOP + index * ROW}" width="${WIDTH - 2 * LEFT + 16}" height="${ROW}" rx="4"/>\n`

const axis = (tick: number, x: number, height: number): string =>
  `  <path class="line" d="M${at(x)} ${TOP - 6}V${height - 12}"/>
  <text class="small" x="${at(x)}" y="${TOP - 12}" text-anchor="middle">${tickLabel(tick)}</text>\n`

function row(span: Span, index: number, scale: number): string {
  const { kind, name, start, milliseconds } = span
  const middle = TOP + index * ROW + ROW / 2
  const place = kind === 'entrypoint' ? '' : ` at ${duration(start)}`
  return `  <g>
    <title>${escaped(name)}: ${duration(milliseconds)}${place}</title>
    <text x="${LEFT}" y="${middle + 4}" clip-path="url(#names)">${escaped(shortened(name))}</text>
    <text x="${TIMES}" y="${middle + 4}" text-anchor="end">${duration(milliseconds)}</text>
    <path class="${kind}" d="${bar(span, middle, scale)}"/>
  </g>\n`
}

/** A bar; one that goes on behind the picture's edge ends in a point. */
function bar({ start, milliseconds }: Span, middle: number, scale: number): string {
  const from = PLOT + start * scale
  // A step too short to be seen is there, too.
  const to = from + Math.max(milliseconds * scale, 1.5)
  const [top, bottom] = [middle - BAR / 2, middle + BAR / 2]
  // Half a pixel and more, as sums of floating point meet the edge from both sides, and the last may be widened.
  if (to <= PLOT_END + 2) return `M${at(from)} ${top}H${at(to)}V${bottom}H${at(from)}Z`
  const tip = Math.max(from, PLOT_END - BAR / 2)
  return `M${at(from)} ${top}H${at(tip)}L${at(PLOT_END)} ${middle} ${at(tip)} ${bottom}H${at(from)}Z`
}

/** From 0 to the end, 4 to 9 of them, so that there is room for their labels: at 1, 2 or 5 times a power of ten. */
export function ticks(end: number): number[] {
  if (end <= 0) return [0]
  const least = end / 8
  const power = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5].map((factor) => factor * power).find((size) => size >= least) ?? 10 * power
  return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, index) => index * step)
}

/** Without the zeros of floating point: `0.3 ms`, `1.5 s`. */
const tickLabel = (milliseconds: number): string =>
  milliseconds < 1000
    ? `${Number(milliseconds.toPrecision(6))} ms`
    : `${Number((milliseconds / 1000).toPrecision(6))} s`

const duration = (milliseconds: number): string =>
  milliseconds < 100_000 ? `${milliseconds.toFixed(1)} ms` : `${(milliseconds / 1000).toFixed(1)} s`

/** A coordinate. */
const at = (pixels: number): string => String(Math.round(pixels * 100) / 100)

function shortened(name: string): string {
  const characters = [...name]
  return characters.length <= LONGEST_NAME ? name : `${characters.slice(0, LONGEST_NAME - 1).join('')}…`
}

/** Text in XML 1.0: what would be markup is escaped, and what no document may hold is U+FFFD (section 2.2, Char). */
export const escaped = (text: string): string =>
  text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
