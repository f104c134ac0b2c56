/** What is said of a child that fails: its own words, what was run, what to do. */

import type { ChildProcess } from 'node:child_process'
import { shellWord } from '../../lib/shell.ts'

export interface ChildEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** Resolves when the child has ended and its output is complete, or could not be started. */
export const endOf = (child: ChildProcess): Promise<ChildEnd> =>
  new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
    child.on('error', () => resolve({ code: 127, signal: null }))
  })

/** Keeps the last 8 KB of a child's standard error. */
export function collectStderr(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (chunk: string) => {
    text = (text + chunk).slice(-8192)
  })
  return () => text.trim()
}

/** The error for a program that did not do its work. */
export function failure(program: string, args: readonly string[], words: string, hint: string): Error {
  const name = program.slice(program.lastIndexOf('/') + 1)
  const said = words === '' ? 'it said nothing' : words.split('\n').join('\n  ')
  return new Error(
    `${name} failed\n  ${said}\n  run as: ${commandLine(program, args)}\n  what to do: ${hint}`,
  )
}

/** A command as it could be typed into a shell. */
export const commandLine = (program: string, args: readonly string[]): string =>
  [program, ...args].map(shellWord).join(' ')
