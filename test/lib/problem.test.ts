import { expect, test } from 'vitest'
import { formatProblem } from '../../src/lib/problem.ts'

const message = 'no closing quote'

test.each([
  [{ source: '/.zosrc', line: 3, column: 7, message }, '/.zosrc:3:7: no closing quote'],
  [{ source: '/.zosrc', line: 3, message }, '/.zosrc:3: no closing quote'],
  [{ source: 'kernel command line', column: 7, message }, 'kernel command line:7: no closing quote'],
  [{ source: 'kernel command line', message }, 'kernel command line: no closing quote'],
])('formatProblem tells the place as compilers do: %o', (problem, text) => {
  expect(formatProblem(problem)).toBe(text)
})
