/**
 * `zosrc`: the environment and the entrypoint, as a zos host writes them in shell syntax. No shell runs here; it knows
 *
 *     export KEY='value'
 *     init='path'
 *     set -- 'argument' …
 *
 * with the shell's quoting (POSIX, XCU 2.2): single quotes, double quotes and backslashes, mixed in one word, over
 * several lines. Nothing is expanded: `$HOME` and backquotes are text. Everything else is a problem with its line.
 */

import { type Problem, report } from '../lib/problem.ts'
import { quote } from '../lib/text.ts'
import type { Parsed } from './keys.ts'

interface Word {
  readonly text: string
  /** How much of it comes before the first quote: only there, a `=` makes an assignment. */
  readonly bare: number
}

interface Command {
  readonly words: readonly Word[]
  readonly line: number
}

/** @param source the file's name, for the problems */
export function parseZosrc(text: string, source: string): Parsed {
  const problems: Problem[] = []
  const into: Collected = { environment: new Map() }
  const commands = split(text, (line, message) => report(problems, { source, line, message }))
  for (const { words, line } of commands) {
    run(into, words, (message) => report(problems, { source, line, message }))
  }
  return { layer: { source, ...into }, problems }
}

interface Collected {
  readonly environment: Map<string, string>
  init?: string
  args?: readonly string[]
}

/** Takes over what one command says. */
function run(into: Collected, words: readonly Word[], complain: (message: string) => void): void {
  const [first, ...rest] = words
  if (first === undefined) return
  if (first.text === 'export') {
    for (const { text } of rest) {
      // As for a shell, an exported assignment may be quoted as a whole.
      const equals = text.indexOf('=')
      if (equals <= 0) complain(`export ${nameOf(text)}: not KEY=VALUE; skipped`)
      else into.environment.set(text.slice(0, equals), text.slice(equals + 1))
    }
  } else if (first.text === 'set' && rest[0]?.text === '--') {
    into.args = rest.slice(1).map((word) => word.text)
  } else if (rest.length === 0 && first.text.startsWith(INIT) && first.bare >= INIT.length) {
    const path = first.text.slice(INIT.length)
    if (path === '') complain('init is empty; ignored')
    else into.init = path
  } else {
    complain(`${nameOf(first.text)} is not export, init= or set --; it is never run`)
  }
}

/** An assignment: its name and its `=` are not quoted. */
const INIT = 'init='

/** A word for the log, without what may be a secret: only what comes before a `=`. */
function nameOf(text: string): string {
  const equals = text.indexOf('=')
  return quote(equals < 0 ? text : `${text.slice(0, equals)}=...`)
}

/** The text, and where the scan is. */
interface Scanner {
  readonly text: string
  at: number
  /** The number of the line that `at` was on when it was last asked for, and where that line ends (-1: with the text). */
  line: number
  lineEnd: number
  readonly commands: Command[]
  /** The command at hand: its words so far, and the line that it began on. */
  words: Word[]
  commandLine: number
  /** The word at hand; undefined between words. */
  word: string | undefined
  /** How long it was at its first quote; -1: it has none so far. */
  bare: number
}

/** The text's commands: words end at white space, commands at new lines and semicolons; comments are left out. */
function split(text: string, complain: (line: number, message: string) => void): Command[] {
  const s: Scanner = {
    text,
    at: 0,
    line: 1,
    lineEnd: text.indexOf('\n'),
    commands: [],
    words: [],
    commandLine: 1,
    word: undefined,
    bare: -1,
  }
  while (s.at < text.length) {
    const char = text.charAt(s.at)
    if (char === "'" || char === '"') {
      const closed = char === "'" ? singleQuoted(text, s.at) : doubleQuoted(text, s.at)
      if (closed === undefined) {
        complain(lineHere(s), `no closing ${char}; the rest is skipped`)
        return s.commands
      }
      take(s, closed.text, closed.end, true)
    } else if (char === '\\') {
      backslash(s)
    } else if (char === '\n' || char === ';') {
      endCommand(s)
      s.at++
    } else if (char === ' ' || char === '\t' || char === '\r') {
      endWord(s)
      s.at++
    } else if (char === '#' && s.word === undefined) {
      const end = text.indexOf('\n', s.at)
      s.at = end < 0 ? text.length : end
    } else {
      const end = plainEnd(text, s.at)
      take(s, text.slice(s.at, end), end, false)
    }
  }
  endCommand(s)
  return s.commands
}

/** The number of the line that the scan is at. */
function lineHere(s: Scanner): number {
  for (; s.lineEnd >= 0 && s.lineEnd < s.at; s.lineEnd = s.text.indexOf('\n', s.lineEnd + 1)) s.line++
  return s.line
}

/** Adds text to the word at hand; the scan goes on at `end`. */
function take(s: Scanner, piece: string, end: number, isQuoted: boolean): void {
  if (s.word === undefined && s.words.length === 0) s.commandLine = lineHere(s)
  s.word ??= ''
  if (isQuoted && s.bare < 0) s.bare = s.word.length
  s.word += piece
  s.at = end
}

/** A backslash before a new line joins the lines; any other character it makes ordinary. */
function backslash(s: Scanner): void {
  const next = s.text.charAt(s.at + 1)
  if (next === '\n') s.at += 2
  else take(s, next, s.at + 1 + next.length, true)
}

function endWord(s: Scanner): void {
  if (s.word !== undefined) s.words.push({ text: s.word, bare: s.bare < 0 ? s.word.length : s.bare })
  s.word = undefined
  s.bare = -1
}

function endCommand(s: Scanner): void {
  endWord(s)
  if (s.words.length > 0) s.commands.push({ words: s.words, line: s.commandLine })
  s.words = []
}

/** Which characters, by their codes, end a run of plain text. `#` is special only before a word. */
const SPECIAL = new Uint8Array(256)
for (const char of ' \t\r\n;\'"\\') SPECIAL[char.charCodeAt(0)] = 1

/** Where a run of characters that are not special ends. */
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

/** In double quotes a backslash is special only before `$`, a backquote, `"`, a backslash or a new line. */
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
