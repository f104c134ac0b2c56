/** Parses a subcommand's options, and explains unknown ones. */

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { nearest } from '../../lib/text.ts'

/** A user's mistake, or an input that can't be read: reported without a stack, exit code 2. */
export class UsageError extends Error {
  /** What to do. */
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** `; did you mean --seed?`, or nothing if no known word is similar. One letter is similar to anything. */
export function didYouMean(word: string, known: readonly string[], prefix = ''): string {
  const meant = word.length < 2 ? undefined : nearest(word, known)
  return meant === undefined ? '' : `; did you mean ${prefix}${meant}?`
}

/**
 * The values of a subcommand's options; it takes no other arguments.
 * @param command its name, for the hint
 */
export const parseOptions = <T extends ParseArgsOptionsConfig>(
  command: string,
  args: readonly string[],
  options: T,
) => parseArguments(command, args, options, []).values

/**
 * The values of a subcommand's options, and its other arguments: at most as many as there are names.
 * @param names of the arguments, for the message
 */
export function parseArguments<T extends ParseArgsOptionsConfig>(
  command: string,
  args: readonly string[],
  options: T,
  names: readonly string[],
) {
  const hint = `${command} --help`
  // Node's own message for an unknown option suggests nothing.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  let left = names.length
  for (const token of tokens) {
    if (token.kind === 'positional' && left-- === 0) {
      const only = [...names, 'options'].join(' and ')
      throw new UsageError(`${command} takes no argument ${JSON.stringify(token.value)}, only ${only}`, hint)
    }
    if (token.kind === 'option' && !isKnown(token.name, options)) {
      throw new UsageError(`unknown option ${token.rawName}${meantInstead(token.name, options)}`, hint)
    }
  }
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new UsageError(message.split('\n').join(' '), hint)
  }
}

/** Some subcommands have `--format json`, others `--json`. */
const meantInstead = (name: string, options: ParseArgsOptionsConfig): string =>
  name === 'format' && isKnown('json', options)
    ? '; did you mean --json?'
    : didYouMean(name, Object.keys(options), '--')

const isKnown = (name: string, options: ParseArgsOptionsConfig): boolean => Object.hasOwn(options, name)

/** The value of `--format`. */
export function readFormat(format = 'table'): 'json' | 'table' {
  if (format === 'json' || format === 'table') return format
  throw new UsageError(
    `--format ${JSON.stringify(format)} is not supported${didYouMean(format, ['json', 'table'])}`,
    'one of json, table',
  )
}
