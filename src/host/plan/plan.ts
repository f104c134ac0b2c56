/** `zmachine plan`: what PID 1 would do, on any computer. */

import { isDirectoryInRoot, readInRoot } from '../image/root-reader.ts'
import { toBytes, toByteText } from '../lib/byte-text.ts'
import { kindOf, readNamed } from '../lib/input.ts'
import type { Output } from '../lib/output.ts'
import { COLOURS, PLAIN } from '../lib/sections.ts'
import { parseOptions, UsageError } from '../lib/usage.ts'
import { readSeedInput } from '../seed/seed-reader.ts'
import { planDocument } from './plan-json.ts'
import { type PlanInput, planOf } from './plan-result.ts'
import { formatPlan } from './plan-text.ts'

export const PLAN_HELP = `zmachine plan: what PID 1 would do for a command line and a seed

  zmachine plan [--cmdline TEXT|@FILE] [--seed FOLDER|IMAGE] [--root FOLDER] [--json]

Runs PID 1's own parsers and its plan, without a VM and without root, and prints every value with
the source that decided it, the steps in their order, and every problem with its place
(source:line:column). Nothing is mounted, started or written.

Options
  --cmdline TEXT   the kernel command line, as /proc/cmdline shows it; empty without this option
  --cmdline @FILE  the same, out of a file; @- is the standard input
  --seed FOLDER    a folder with meta-data, network-config, user-data, zosrc: those that there are
  --seed IMAGE     a FAT or ISO 9660 image of them, labelled cidata (read by mtools, or by xorriso
                   or bsdtar)
  --root FOLDER    the container's root: its /etc/hostname, /etc/environment, /.startup.toml and
                   /.zosrc count, and its /etc/passwd decides who zmachine.user is; symlinks do
                   not lead out of it
  --json           the same as one JSON document (version 1) for programs; text that is not UTF-8
                   is {"bytes": "<Base64>"} in it
  -h, --help       this text

Sources, the weakest first
  default < /etc/hostname, /etc/environment, /.startup.toml, /.zosrc of the root
          < kernel command line < seed

Exit code
  0  PID 1 would boot this; there may be problems that it tells and skips
  1  PID 1 would refuse, and the last section says why
  2  wrong usage, or an input that can't be read

Examples
  zmachine plan --cmdline 'root=vroot init=/app host=web net_eth0=10.0.0.2/24 vda=/data'
  zmachine plan --seed ./seed --root ./rootfs
  zmachine plan --cmdline @/proc/cmdline --seed /dev/vdb
  zmachine plan --seed seed.iso --json | jq '.environment[] | select(.name == "PATH")'

A command line has quotes of its own, which protect blanks: --cmdline 'init="/opt/my app"'
`

const OPTIONS = {
  cmdline: { type: 'string' },
  seed: { type: 'string' },
  root: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** @returns the exit code; throws a UsageError for 2 */
export function planCommand(args: readonly string[], output: Output): number {
  const values = parseOptions('zmachine plan', args, OPTIONS)
  if (values.help === true) {
    output.write(Buffer.from(PLAN_HELP))
    return 0
  }
  const { root, seed } = values
  const input: PlanInput = {
    cmdline: readCmdline(values.cmdline ?? ''),
    seed: seed === undefined ? undefined : readSeedInput(seed),
    ...(root === undefined ? { readRoot: undefined } : rootReaders(root)),
  }
  const result = planOf(input)
  if (values.json === true) {
    output.write(Buffer.from(`${JSON.stringify(planDocument(result, input.readRoot), null, 2)}\n`))
  } else {
    output.write(toBytes(formatPlan(result, output.colours ? COLOURS : PLAIN)))
  }
  return result.refusals.length === 0 ? 0 : 1
}

const readCmdline = (text: string): string =>
  text.startsWith('@') ? readNamed(text.slice(1), '--cmdline') : toByteText(text)

function rootReaders(root: string): Required<Pick<PlanInput, 'readRoot' | 'isDirectory'>> {
  if (kindOf(root, '--root') !== 'directory') {
    throw new UsageError(`--root ${JSON.stringify(root)} is not a folder`)
  }
  return {
    readRoot: (path) => readInRoot(root, path),
    isDirectory: (path) => isDirectoryInRoot(root, path),
  }
}
