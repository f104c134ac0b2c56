/** Reads the root's `/etc/environment` as pam_env(8) does: KEY=VALUE lines, no expansion. */

import { type Problem, report } from '../lib/problem.ts'
import { trim } from '../lib/text.ts'
import type { Parsed } from './keys.ts'

const SOURCE = '/etc/environment'

/** Lines of `KEY=VALUE` or `export KEY=VALUE`; `#` begins a comment; quotes around a whole value are removed. */
export function parseEnvironment(text: string): Parsed {
  const problems: Problem[] = []
  const environment = new Map<string, string>()
  text.split('\n').forEach((whole, index) => {
    const trimmed = trim(whole)
    if (trimmed === '' || trimmed.startsWith('#')) return
    const line = trimmed.startsWith('export ') ? trim(trimmed.slice('export '.length)) : trimmed
    const equals = line.indexOf('=')
    if (equals <= 0) {
      report(problems, { source: SOURCE, line: index + 1, message: 'not KEY=VALUE; skipped' })
      return
    }
    environment.set(line.slice(0, equals), unquote(line.slice(equals + 1)))
  })
  return { layer: { source: SOURCE, environment }, problems }
}

function unquote(value: string): string {
  const first = value.charAt(0)
  const whole = value.length >= 2 && (first === '"' || first === "'") && value.endsWith(first)
  return whole ? value.slice(1, -1) : value
}
