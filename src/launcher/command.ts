/** The `zmachine` command: finds the subcommand and tells errors for people. */

import { type Output, planCommand } from './plan.ts'
import { didYouMean, UsageError } from './usage.ts'
import { version } from './version.ts'

const HELP = `zmachine: containers as microVMs, with a PID 1 in TypeScript

  zmachine plan [options]   what PID 1 would do for a command line and a seed, without a VM

  zmachine plan --help      its options, with examples
  zmachine --version        this command's version

Try
  zmachine plan --cmdline 'root=vroot init=/app host=web net_eth0=10.0.0.2/24'
`

const SUBCOMMANDS: Readonly<Record<string, (args: readonly string[], output: Output) => number>> = {
  plan: planCommand,
}

/**
 * @param args what follows the command's name
 * @returns the exit code
 */
export function zmachine(args: readonly string[], output: Output, errors: (text: string) => void): number {
  try {
    return dispatch(args, output)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const hint = error.hint === undefined ? '' : `  try: ${error.hint}\n`
    // An image's own names may be in it, and must not command the terminal.
    errors(`zmachine: ${error.message}\n${hint}`.replace(/(?!\n)\p{Cc}/gu, '?'))
    return 2
  }
}

function dispatch([name, ...rest]: readonly string[], output: Output): number {
  const say = (text: string): number => {
    output.write(Buffer.from(text))
    return 0
  }
  if (name === '--help' || name === '-h' || name === 'help') return say(HELP)
  if (name === '--version' || name === '-V') return say(`${version()}\n`)
  if (name === undefined) throw new UsageError('a subcommand is missing', 'zmachine --help')
  if (Object.hasOwn(SUBCOMMANDS, name)) {
    const subcommand = SUBCOMMANDS[name]
    if (subcommand !== undefined) return subcommand(rest, output)
  }
  const known = name.startsWith('-') ? ['--help', '--version'] : Object.keys(SUBCOMMANDS)
  const what = name.startsWith('-') ? 'option' : 'subcommand'
  throw new UsageError(`unknown ${what} ${JSON.stringify(name)}${didYouMean(name, known)}`, 'zmachine --help')
}
