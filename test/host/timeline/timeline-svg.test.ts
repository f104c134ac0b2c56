import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Timeline } from '../../../src/host/timeline/timeline.ts'
import { timelineSvg } from '../../../src/host/timeline/timeline-svg.ts'

const TIMELINE: Timeline = {
  kernel: 500,
  steps: [
    { name: 'initramfs', milliseconds: 300 },
    { name: 'hostname demo', milliseconds: 0 },
    { name: 'mount /data (ext4)', milliseconds: 100 },
  ],
  started: 1000,
  exit: { code: 0, signal: 'none', reason: 'exit', uptime: 100 },
}

/** Every bar of a picture: its class, its left and its right edge. */
function bars(svg: string): (readonly [kind: string, from: number, to: number])[] {
  return [...svg.matchAll(/<path class="(kernel|step|untimed|entrypoint)" d="([^"]*)"/g)].map(
    ([, kind = '', path = '']) => {
      const edges = [...path.matchAll(/[MHL](\d+(?:\.\d+)?)/g)].map(([, x]) => Number(x))
      return [kind, Math.min(...edges), Math.max(...edges)]
    },
  )
}

const ticks = (svg: string): string[] =>
  [...svg.matchAll(/text-anchor="middle">([^<]*)</g)].map(([, label = '']) => label)

const withKernel = (kernel: number): Timeline => ({ kernel, steps: [] })

test('each piece of a boot has its row and its place in time', () => {
  const svg = timelineSvg(TIMELINE)
  const found = bars(svg)
  expect(found.map(([kind]) => kind)).toEqual(['kernel', 'step', 'step', 'step', 'untimed', 'entrypoint'])
  for (const [index, [, from]] of found.entries()) {
    const [, , before = 460] = found[index - 1] ?? []
    // A step of no time is widened, so that it can be seen.
    expect(Math.abs(from - before)).toBeLessThanOrEqual(1.51)
  }
  const [, from = 0, to = 0] = found[0] ?? []
  expect((to - from) / (950 - 460)).toBeCloseTo(500 / 1120, 3)
  expect(found.at(-1)?.[2]).toBe(950)
})

test('the heading has the sums', () => {
  const svg = timelineSvg(TIMELINE)
  expect(svg).toContain('>Boot: 1000.0 ms until the entrypoint<')
  expect(svg).toContain('>kernel 500.0 ms, PID 1 500.0 ms, then entrypoint and the way down 99000.0 ms<')
  expect(timelineSvg({ steps: TIMELINE.steps })).toContain('>PID 1: 400.0 ms until the entrypoint<')
})

test.each([
  [0.7, ['0 ms', '0.1 ms', '0.2 ms', '0.3 ms', '0.4 ms', '0.5 ms', '0.6 ms', '0.7 ms']],
  [6, ['0 ms', '1 ms', '2 ms', '3 ms', '4 ms', '5 ms', '6 ms']],
  [1390, ['0 ms', '200 ms', '400 ms', '600 ms', '800 ms', '1 s', '1.2 s']],
  [3000, ['0 ms', '500 ms', '1 s', '1.5 s', '2 s', '2.5 s', '3 s']],
  [0, ['0 ms']],
])('an axis of %s ms has ticks at round times', (kernel, labels) => {
  expect(ticks(timelineSvg(withKernel(kernel)))).toEqual(labels)
})

test('an axis has 4 to 9 ticks, whatever its length', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 1e7, noNaN: true }), (kernel) => {
      const { length } = ticks(timelineSvg(withKernel(kernel)))
      expect(length).toBeGreaterThanOrEqual(4)
      expect(length).toBeLessThanOrEqual(9)
    }),
  )
})

describe('text', () => {
  const named = (name: string): string => timelineSvg({ steps: [{ name, milliseconds: 1 }] })

  it('is escaped', () => {
    const svg = named(`<script>"a" & 'b'</script>`)
    expect(svg).toContain(`&lt;script&gt;&quot;a&quot; &amp; 'b'&lt;/script&gt;`)
    expect(svg).not.toContain('<script')
  })

  it('has no character that XML has not', () => {
    expect(named('a\0b\x1bc\ud800d\uffff')).toContain('>a\ufffdb\ufffdc\ufffdd\ufffd<')
    expect(named('zoë 🚀')).toContain('>zoë 🚀<')
  })

  it('that is too long is shortened in its row, and whole in its title', () => {
    const svg = named('🚀'.repeat(60))
    expect(svg).toContain(`>${'🚀'.repeat(47)}…<`)
    expect(svg).toContain(`<title>${'🚀'.repeat(60)}: 1.0 ms at 0.0 ms</title>`)
  })
})

test('any timeline is a picture with numbers only, inside its edges', () => {
  const times = fc.double({ min: 0, max: 1e9, noNaN: true })
  const step = fc.record({ name: fc.string({ unit: 'binary' }), milliseconds: times })
  const end = times.map((uptime) => ({ code: 0, signal: 'none', reason: 'exit', uptime }))
  const timeline = fc.record(
    { steps: fc.array(step, { maxLength: 5 }), kernel: times, started: times, exit: end },
    { requiredKeys: ['steps'] },
  )
  fc.assert(
    fc.property(timeline, (any) => {
      const svg = timelineSvg(any)
      for (const [, path = ''] of svg.matchAll(/ d="([^"]*)"/g)) expect(path).toMatch(/^[MHVLZ\d. ]+$/)
      for (const [, from, to] of bars(svg)) {
        expect(from).toBeGreaterThanOrEqual(460)
        expect(to).toBeLessThanOrEqual(952)
        expect(from).toBeLessThanOrEqual(to)
      }
    }),
  )
})

test('it is the picture’s own: no script, no font, no address but the name of SVG', () => {
  const svg = timelineSvg(TIMELINE)
  expect([...svg.matchAll(/https?:[^"]*/g)].map(([address]) => address)).toEqual([
    'http://www.w3.org/2000/svg',
  ])
  expect(svg).not.toMatch(/<script|@import|@font-face|href/)
  expect(svg).toContain('@media (prefers-color-scheme: dark)')
})
