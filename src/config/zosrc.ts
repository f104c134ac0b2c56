/**
 * `zosrc`: what a zos host writes in shell's syntax, and no shell runs here. Known are
 *
 *     export KEY='value'
 *     init='path'
 *     set -- 'argument' …
 *
 * with shell's quoting (POSIX, XCU 2.2): single quotes, double quotes, backslashes, several beside one another, over
 * several lines. Nothing is expanded: `$HOME` and back-quotes are text. Everything else is a problem with its line.
 */

import { type Problem, report } from '../lib/problem.ts'
import { quote } from '../lib/text.ts'
import type { Parsed } from './keys.ts'

interface Word {
  readonly text: string
  /** How long the part before the first quote is: a `=` counts as an assignment only there. */
  readonly bare: number
}

interface Command {
  readonly words: readonly Word[]
  readonly line: number
}

/** @param source the file's name, for the problems */
export function parseZosrc(text: string, source: string): Parsed {
  const problems: Problem[] = []
  const environment = new Map<string, string>()
  let init: string | undefined
  let args: readonly string[] | undefined
  const commands = split(text, (line, message) => report(problems, { source, line, message }))
  for (const { words, line } of commands) {
    const [first, ...rest] = words
    if (first === undefined) continue
    const complain = (message: string): unknown => report(problems, { source, line, message })
    if (first.text === 'export') {
      for (const word of rest) {
        // As for a shell, an exported assignment may be quoted as a whole.
        const equals = word.text.indexOf('=')
        if (equals <= 0) complain(`export ${nameOf(word.text)}: not KEY=VALUE; skipped`)
        else environment.set(word.text.slice(0, equals), word.text.slice(equals + 1))
      }
    } else if (first.text === 'set' && rest[0]?.text === '--') {
      args = rest.slice(1).map((word) => word.text)
    } else if (assignment(first)[0] === 'init' && rest.length === 0) {
      const path = assignment(first)[1]
      if (path === '') complain('init is empty; ignored')
      else init = path
    } else {
      complain(`${nameOf(first.text)} is no export, init= or set --, and is never run`)
    }
  }
  return {
    layer: {
      source,
      environment,
      ...(init !== undefined && { init }),
      ...(args !== undefined && { args }),
    },
    problems,
  }
}

/** A word for the log, without what may be a secret: only what stands before a `=`. */
function nameOf(text: string): string {
  const equals = text.indexOf('=')
  return quote(equals < 0 ? text : `${text.slice(0, equals)}=...`)
}

function assignment({ text, bare }: Word): [string | undefined, string] {
  const equals = text.indexOf('=')
  return equals <= 0 || equals >= bare ? [undefined, ''] : [text.slice(0, equals), text.slice(equals + 1)]
}

/** The text's commands: words ended by white space, commands by new lines and semicolons, comments left out. */
function split(text: string, complain: (line: number, message: string) => void): Command[] {
  const commands: Command[] = []
  let words: Word[] = []
  let word: string | undefined
  let bare = -1
  let line = 1
  let newLine = text.indexOf('\n')
  let commandLine = 1
  let at = 0

  /** The number of the line that the scan is at. */
  const lineHere = (): number => {
    for (; newLine >= 0 && newLine < at; newLine = text.indexOf('\n', newLine + 1)) line++
    return line
  }
  /** Adds a stretch of text to the word at hand; the scan goes on at `end`. */
  const take = (stretch: string, end: number, isQuoted: boolean): void => {
    if (word === undefined && words.length === 0) commandLine = lineHere()
    word ??= ''
    if (isQuoted && bare < 0) bare = word.length
    word += stretch
    at = end
  }
  const endWord = (): void => {
    if (word !== undefined) words.push({ text: word, bare: bare < 0 ? word.length : bare })
    word = undefined
    bare = -1
  }
  const endCommand = (): void => {
    endWord()
    if (words.length > 0) commands.push({ words, line: commandLine })
    words = []
  }

  while (at < text.length) {
    const char = text.charAt(at)
    if (char === "'" || char === '"') {
      const closed = char === "'" ? singleQuoted(text, at) : doubleQuoted(text, at)
      if (closed === undefined) {
        complain(lineHere(), `no closing ${char}; what follows is skipped`)
        return commands
      }
      take(closed.text, closed.end, true)
    } else if (char === '\\') {
      // A backslash before a new line joins the lines; before anything else it takes its meaning away.
      const next = text.charAt(at + 1)
      if (next === '\n') {
        at += 2
      } else {
        take(next, at + 1 + next.length, true)
      }
    } else if (char === '\n' || char === ';') {
      endCommand()
      at++
    } else if (char === ' ' || char === '\t' || char === '\r') {
      endWord()
      at++
    } else if (char === '#' && word === undefined) {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
    } else {
      const end = plainEnd(text, at)
      take(text.slice(at, end), end, false)
    }
  }
  endCommand()
  return commands
}

/** By their codes: what ends a stretch of text. `#` is special only before a word. */
const SPECIAL = new Uint8Array(256)
for (const char of ' \t\r\n;\'"\\') SPECIAL[char.charCodeAt(0)] = 1

/** Where a stretch without any special character ends. */
function plainEnd(text: string, from: number): number {
  const length = text.length
  let at = from + 1
  while (at < length && SPECIAL[text.charCodeAt(at)] === 0) at++
  return at
}

function singleQuoted(text: string, at: number): { text: string; end: number } | undefined {
  const end = text.indexOf("'", at + 1)
  return end < 0 ? undefined : { text: text.slice(at + 1, end), end: end + 1 }
}

/** A backslash in double quotes stands for itself, but before `$`, a back-quote, `"`, a backslash or a new line. */
function doubleQuoted(text: string, from: number): { text: string; end: number } | undefined {
  let inside = ''
  for (let at = from + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '"') return { text: inside, end: at + 1 }
    const next = text.charAt(at + 1)
    if (char === '\\' && next === '\n') {
      at++
    } else if (char === '\\' && next !== '' && '$`"\\'.includes(next)) {
      inside += next
      at++
    } else {
      inside += char
    }
  }
  return undefined
}
