/** What a check of the contract is made of. */

import type { Runtime } from '../../../src/sys/port.ts'

export interface Check {
  readonly name: string
  /** Throws unless the host keeps the promise. */
  readonly run: (runtime: Runtime) => void
}

export function same(actual: unknown, expected: unknown): void {
  const [is, should] = [shown(actual), shown(expected)]
  if (is !== should) throw new Error(`${is} where ${should} was expected`)
}

const shown = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(shown).join(', ')}]`
    : `${typeof value === 'string' ? escaped(value) : value}`

const escaped = (text: string): string => {
  let out = '"'
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    out += code < 0x20 || code > 0x7e ? `\\x${code.toString(16)}` : text.charAt(i)
  }
  return `${out}"`
}

export function refuses(work: () => unknown, message: string): void {
  let said = 'nothing'
  try {
    work()
  } catch (error) {
    said = error instanceof Error ? error.message : `${error}`
  }
  if (!said.includes(message)) throw new Error(`${said} where ${message} was expected`)
}
