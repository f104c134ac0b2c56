import { describe, expect, test } from 'vitest'
import { bars, panels } from './pictures.ts'

const numbers = (text: string): string[] => text.match(/NaN|Infinity|undefined/g) ?? []

describe('bars', () => {
  const picture = bars({
    title: 'a <title>',
    unit: 'ms',
    groups: [
      {
        name: 'group & co',
        bars: [
          { name: 'lean build', value: 100, low: 90, high: 120, ours: true },
          { name: 'rival', value: 400, low: 400, high: 400, ours: false },
        ],
      },
    ],
  })

  test('escape what would be markup', () => {
    expect(picture).toContain('a &lt;title&gt;')
    expect(picture).toContain('group &amp; co')
    expect(picture.match(/<g>/g)?.length).toBe(picture.match(/<\/g>/g)?.length)
  })

  test('are as long as their values, from zero', () => {
    const ends = [...picture.matchAll(/class="(?:ours|theirs)" d="M170\.0 [\d.]+H([\d.]+)/g)].map(
      ([, end]) => end,
    )
    expect(ends).toEqual(['345.0', '870.0'])
  })

  test('tell the spread', () => expect(picture).toContain('lean build: 100 ms, 90 to 120'))
})

describe('panels', () => {
  test('have every point and the line, also of a single one and of zeros', () => {
    const line = { slope: 0, intercept: 0, bend: 0 }
    const picture = panels({
      title: 'growth',
      panels: [
        { name: 'routes', series: [{ name: 'ms', points: [{ x: 1, y: 0 }], line }] },
        {
          name: 'disks',
          series: [
            {
              name: 'ms',
              points: [
                { x: 1, y: 2 },
                { x: 26, y: 52 },
              ],
              line: { slope: 2, intercept: 0, bend: 0 },
            },
          ],
        },
      ],
    })
    expect(picture.match(/<circle/g)).toHaveLength(3)
    expect(picture.match(/class="fit"/g)).toHaveLength(2)
    expect(numbers(picture)).toEqual([])
  })
})
