import { expect, test } from 'vitest'
import { median, replaceMarked, spread, straightLine, table } from './statistics.ts'

test('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('a spread has the median, the least and the most', () => {
  expect(spread([1200, 1100, 1900])).toBe('1,200 (1,100 to 1,900)')
  expect(spread([1, 2], 1)).toBe('1.5 (1.0 to 2.0)')
  expect(spread([7, 7.2])).toBe('7')
})

test('a table sets columns of numbers to the right, but never the first', () => {
  expect(
    table(
      ['', 'bytes', 'what'],
      [
        ['1', '1,234', 'about 5'],
        ['2', '', '5 (4 to 6)'],
      ],
    ),
  ).toBe('|  | bytes | what |\n| --- | ---: | --- |\n| 1 | 1,234 | about 5 |\n| 2 |  | 5 (4 to 6) |')
})

test('what is between a page’s markers is replaced, and nothing else', () => {
  const page = 'a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n'
  const replaced = 'a\n<!-- one -->\n\nnew\n\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n'
  expect(replaceMarked(page, 'one', 'new')).toBe(replaced)
  expect(replaceMarked(replaced, 'one', 'new')).toBe(replaced)
  expect(() => replaceMarked(page, 'three', '')).toThrow('three')
})

test('a straight line is found, and how far points lie off it', () => {
  const line = straightLine([1, 10, 100].map((x) => ({ x, y: 5 + 2 * x })))
  expect(line.slope).toBeCloseTo(2)
  expect(line.intercept).toBeCloseTo(5)
  expect(line.bend).toBeCloseTo(0)
  expect(straightLine([0, 1, 2, 3].map((x) => ({ x, y: x * x }))).bend).toBeGreaterThan(0.1)
})
