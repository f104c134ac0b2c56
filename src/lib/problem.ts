/** Problems: what a parser found wrong, and where. Parsers never throw; they collect these. */

export interface Problem {
  /** The input's name: `kernel command line`, `/.zosrc`. */
  readonly source: string
  /** From 1; left out if the input is a single line. */
  readonly line?: number
  /** From 1, in bytes. */
  readonly column?: number
  readonly message: string
}

/** Garbage has a mistake in every line; nobody reads more than these. */
const MAX_PROBLEMS = 100

/** Adds a problem to those of one input, up to a limit. */
export function report(problems: Problem[], problem: Problem): void {
  if (problems.length < MAX_PROBLEMS) problems.push(problem)
  else if (problems.length === MAX_PROBLEMS)
    problems.push({ source: problem.source, message: 'further problems are not shown' })
}

/** `/.zosrc:3:7: no closing quote`, `kernel command line: …`. */
export function formatProblem({ source, line, column, message }: Problem): string {
  const place = [source, line, column].filter((part) => part !== undefined).join(':')
  return `${place}: ${message}`
}
