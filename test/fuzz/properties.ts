/** What must hold of everything that the decoders make of untrusted bytes. */

import type { Parsed } from '../../src/config/keys.ts'
import { configure } from '../../src/config/layers.ts'
import { formatProblem, type Problem } from '../../src/lib/problem.ts'
import { visible } from '../../src/lib/text.ts'
import { plan } from '../../src/plan/plan.ts'
import { describe } from '../../src/plan/step.ts'

/** Thrown for a property that does not hold. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export function hold(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Broken(typeof what === 'string' ? what : what())
}

export const isByteString = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false
  return true
}

/** Two of the largest values that a message quotes, escaped, with words around them. */
const LONGEST_MESSAGE = 1500
/** Of one input of at most 64 KB: more, nobody reads, and a serial console takes its time for each. */
const MOST_PROBLEMS = 1000

/** Each has a place inside the text and a printable message. */
export function holdProblems(problems: readonly Problem[], text: string): void {
  const lines = text.split('\n')
  // For YAML a carriage return alone ends a line, too.
  const yamlLines = text.split(/\r\n|\r|\n/)
  hold(problems.length <= MOST_PROBLEMS, () => `${problems.length} problems`)
  for (const problem of problems) {
    const { line, column, message } = problem
    const at = (): string => JSON.stringify(problem).slice(0, 300)
    hold(
      line === undefined || (line >= 1 && line <= yamlLines.length),
      () => `line outside the text: ${at()}`,
    )
    const own = line === undefined ? [text] : [lines[line - 1] ?? '', yamlLines[line - 1] ?? '']
    // Up to two behind the last character: where the value of a list's `-` is missing.
    const isInside = column === undefined || (column >= 1 && own.some(({ length }) => column <= length + 2))
    hold(isInside, () => `column outside the line: ${at()}`)
    hold(message.length <= LONGEST_MESSAGE, () => `a message of ${message.length} characters: ${at()}`)
    hold(message !== '' && visible(message) === message, () => `a message that can not be shown: ${at()}`)
    hold(formatProblem(problem).includes(message), 'a problem without its message')
  }
}

/** What a parser made can be made a machine of, and a plan of that. */
export function holdParsed({ layer, problems }: Parsed, text: string): void {
  holdProblems(problems, text)
  for (const [key, value] of layer.environment ?? []) {
    hold(key !== '' && !key.includes('='), () => `a variable without a name: ${JSON.stringify(key)}`)
    hold(
      isByteString(key + value),
      () => `a variable that is no byte string: ${JSON.stringify([key, value])}`,
    )
  }
  const config = configure([], [layer], true)
  const planned = plan(config)
  for (const problem of [...planned.problems, ...planned.refusals]) {
    hold(problem.length <= LONGEST_MESSAGE, () => `the plan’s problem has ${problem.length} characters`)
  }
  for (const step of planned.steps) hold(describe(step) !== '', 'a step without a description')
  hold(planned.steps.length <= 100 + text.length, () => `${planned.steps.length} steps`)
}
