/** The `zmachine` command: finds the subcommand and prints errors. */

import { adoptCommand } from '../adopt/adopt-command.ts'
import { cacheCommand } from '../cache/cache-command.ts'
import { extractVmlinuxCommand } from '../image/extract-vmlinux.ts'
import { inspectCommand } from '../inspect/inspect.ts'
import type { Output } from '../lib/output.ts'
import { didYouMean, UsageError } from '../lib/usage.ts'
import { version } from '../lib/version.ts'
import { planCommand } from '../plan/plan.ts'
import { timelineCommand } from '../timeline/timeline-command.ts'
import { runCommand } from './run-command.ts'
import type { TerminalInput, TerminalOutput } from './terminal.ts'

const HELP = `zmachine: containers as microVMs, with a PID 1 in TypeScript

  zmachine run ROOT [-- ENTRYPOINT [ARG...]]   boots a root directory as a zos host does
  zmachine inspect ROOT                        shows what a root is, and what it would start
  zmachine adopt ROOT                          makes a root carry our kernel and PID 1, for zos hosts as they are
  zmachine plan [options]                      shows what PID 1 would do for a command line and a seed
  zmachine timeline [LOG]                      shows how long the last boot took, step by step
  zmachine cache ls|prune                      lists or removes the roots that archives were unpacked to
  zmachine extract-vmlinux FILE                writes the ELF inside a compressed kernel

  zmachine SUBCOMMAND --help                   shows its options, with examples
  zmachine --version                           shows the version

Try
  zmachine run ./rootfs -- /bin/sh
`

/** The process around the command. */
export interface Terminal extends Output {
  readonly stdin: TerminalInput
  readonly stdout: TerminalOutput
  /** Where errors and progress go. */
  readonly errors: (text: string) => void
}

const SUBCOMMANDS: Readonly<
  Record<string, (args: readonly string[], terminal: Terminal) => number | Promise<number>>
> = {
  run: (args, terminal) => runCommand(args, { ...terminal, report: reporter(terminal) }),
  inspect: (args, terminal) => inspectCommand(args, terminal, reporter(terminal)),
  adopt: (args, terminal) => adoptCommand(args, terminal, reporter(terminal)),
  plan: planCommand,
  cache: cacheCommand,
  timeline: (args, terminal) => timelineCommand(args, terminal),
  'extract-vmlinux': (args, terminal) => extractVmlinuxCommand(args, terminal, terminal.errors),
}

/** Subcommands that people know from docker, and what to do instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  build: 'docker build -t app . && docker export "$(docker create app)" > app.tar',
  exec: 'zmachine run --ssh-key ~/.ssh/id_ed25519.pub -p 2222:22 ROOT, with sshd in the root',
  images: 'zmachine cache ls',
  kill: 'kill -TERM PID of zmachine run, twice',
  logs: 'zmachine run --log FILE ROOT',
  ps: "pgrep -af 'zmachine.* run'",
  pull: 'docker export "$(docker create IMAGE)" > image.tar && zmachine run image.tar -- COMMAND',
  stop: 'kill -TERM PID of zmachine run',
}

/** In raw mode a new line alone does not go back to the first column. */
const reporter =
  ({ errors }: Terminal) =>
  (text: string): void =>
    errors(`${safe(`zmachine: ${text}`)}\r\n`)

/**
 * @param args what follows the command's name
 * @returns the exit code; at once where nothing is waited for
 */
export function zmachine(args: readonly string[], terminal: Terminal): number | Promise<number> {
  try {
    const code = dispatch(args, terminal)
    return typeof code === 'number' ? code : code.catch((error: unknown) => printError(error, terminal))
  } catch (error) {
    return printError(error, terminal)
  }
}

/** Errors are shown without a stack: they are the user's mistakes, or failures of another program. */
function printError(error: unknown, { errors }: Terminal): number {
  if (!(error instanceof Error)) throw error
  const isUsage = error instanceof UsageError
  const hint = isUsage && error.hint !== undefined ? `  try: ${error.hint}\n` : ''
  errors(safe(`zmachine: ${error.message}\n${hint}`))
  return isUsage ? 2 : 125
}

/** The text may hold names from an image, which must not control the terminal. */
const safe = (text: string): string => text.replace(/(?!\n)\p{Cc}/gu, '?')

function dispatch([name, ...rest]: readonly string[], terminal: Terminal): number | Promise<number> {
  const say = (text: string): number => {
    terminal.write(Buffer.from(text))
    return 0
  }
  if (name === '--help' || name === '-h' || name === 'help') return say(HELP)
  if (name === '--version' || name === '-V') return say(`${version()}\n`)
  if (name === undefined) throw new UsageError('a subcommand is required', 'zmachine --help')
  if (Object.hasOwn(SUBCOMMANDS, name)) {
    const subcommand = SUBCOMMANDS[name]
    if (subcommand !== undefined) return subcommand(rest, terminal)
  }
  if (Object.hasOwn(ELSEWHERE, name))
    throw new UsageError(`docker's ${name} has no counterpart`, ELSEWHERE[name])
  const known = name.startsWith('-') ? ['--help', '--version'] : Object.keys(SUBCOMMANDS)
  const what = name.startsWith('-') ? 'option' : 'subcommand'
  throw new UsageError(`unknown ${what} ${JSON.stringify(name)}${didYouMean(name, known)}`, 'zmachine --help')
}
