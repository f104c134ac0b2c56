/** `zmachine inspect`: what a root is, and what it would start, without starting anything. */

import { formatProblem } from '../../lib/problem.ts'
import { type RootDirectory, rootDirectory } from '../image/root-directory.ts'
import type { RootKind } from '../image/root-kind.ts'
import { toBytes } from '../lib/byte-text.ts'
import type { Output, Report } from '../lib/output.ts'
import { COLOURS, PLAIN } from '../lib/sections.ts'
import { parseArguments, UsageError } from '../lib/usage.ts'
import { type Sourced, type Text, textOf } from '../plan/plan-json.ts'
import { formatInspection } from './inspect-text.ts'
import { type Inspection, inspect, type Size, type Start } from './inspection.ts'

export const INSPECT_HELP = `zmachine inspect: what a root is, and what it would start

  zmachine inspect ROOT [--json]

Says, without starting anything: whether a zos host boots the root as a container, with a kernel of
its own, or as a disk image, and which files decide that; which entrypoint and variables it gets,
each with the file that it comes from; and whether the entrypoint can be executed in this root.

ROOT
  a folder, or an archive of one (.tar, .tar.gz, .tar.zst, .tar.xz), told by its content; an archive
  is unpacked to \${XDG_CACHE_HOME:-~/.cache}/zmachine/roots once, as zmachine run does

Options
  --json      the same as one JSON document (version 1) for programs; text that is not UTF-8 is
              {"bytes": "<Base64>"} in it
  -h, --help  this text

Files that decide, in the root; symlinks do not lead out of it
  /image.raw                        a disk image: it is booted, and nothing else counts
  /boot/vmlinuz, /boot/initrd.img   a kernel of its own, which mounts the root; or ours, and which
                                    version of it (zmachine adopt)
  /.startup.toml                    entrypoint and variables, which the host hands over in the seed
  /etc/environment, /.zosrc         variables, entrypoint: PID 1 reads them, the seed is stronger

Exit code
  0  nothing is known against booting it
  1  it would not boot, and the last section says why
  2  wrong usage, or a root that can't be read

Examples
  zmachine inspect ./rootfs
  zmachine inspect alpine-minirootfs-3.22.0-x86_64.tar.gz
  zmachine inspect ./rootfs --json | jq -r .kind
  docker export "$(docker create nginx)" > nginx.tar && zmachine inspect nginx.tar
`

const OPTIONS = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/**
 * @param report takes progress of unpacking an archive
 * @returns the exit code; throws a UsageError for 2
 */
export async function inspectCommand(
  args: readonly string[],
  output: Output,
  report: Report = (text) => process.stderr.write(`zmachine: ${text}\n`),
): Promise<number> {
  const { values, positionals } = parseArguments('zmachine inspect', args, OPTIONS, ['ROOT'])
  if (values.help === true) {
    output.write(Buffer.from(INSPECT_HELP))
    return 0
  }
  const [path] = positionals
  if (path === undefined) {
    throw new UsageError('ROOT is missing: a folder, or an archive of one', 'zmachine inspect --help')
  }
  const root = await rootDirectory(path, report)
  const inspection = inspectAndRelease(root)
  if (values.json === true) {
    output.write(Buffer.from(`${JSON.stringify(inspectDocument(inspection), null, 2)}\n`))
  } else {
    output.write(toBytes(formatInspection(inspection, output.colours ? COLOURS : PLAIN)))
  }
  return inspection.refusals.length === 0 ? 0 : 1
}

function inspectAndRelease({ directory, unpacked, release }: RootDirectory): Inspection {
  try {
    return inspect(directory, unpacked)
  } finally {
    release()
  }
}

/** Version 1. Fields may be added; none changes its meaning without another number. */
export interface InspectDocument {
  readonly version: 1
  /** Where the root is on this computer. */
  readonly directory: string
  /** Whether it comes from an archive. */
  readonly unpacked: boolean
  /** null: a zos host refuses it. */
  readonly kind: 'container' | 'kernel' | 'vm' | null
  /** Sentences; the first says what decided. */
  readonly why: readonly string[]
  /** Whether nothing speaks against booting it. */
  readonly boots: boolean
  /** On this computer; null if the kind has none. */
  readonly image: string | null
  readonly kernel: string | null
  readonly initrd: string | null
  /** Our version, if kernel and initrd are those of `zmachine adopt`; null otherwise. */
  readonly adopted: { readonly version: string; readonly kernel: string | null } | null
  readonly files: readonly { readonly path: string; readonly present: boolean; readonly state: Text }[]
  /** Bytes on the disk; lower bounds if not complete. */
  readonly size: Size
  /** null for a disk image. */
  readonly entrypoint: {
    readonly program: Sourced<Text>
    readonly arguments: Sourced<readonly Text[]>
    /** How `zmachine.mode=auto` starts it. */
    readonly mode: 'exec' | 'supervise'
    readonly file: {
      /** From the root: where it is found, and where its symlinks lead. */
      readonly path: Text | null
      readonly target: Text | null
      readonly format: 'elf' | 'script' | 'unknown' | null
      readonly machine: string | null
      readonly interpreter: { readonly path: Text; readonly found: boolean } | null
    }
  } | null
  readonly environment: readonly { readonly name: Text; readonly value: Text; readonly from: string }[] | null
  /** `source:line:column: message`. */
  readonly problems: readonly Text[]
  readonly refusals: readonly Text[]
}

export function inspectDocument(inspection: Inspection): InspectDocument {
  const { directory, unpacked, kind, files, size, start, problems, refusals } = inspection
  return {
    version: 1,
    directory,
    unpacked,
    kind: kind?.kind ?? null,
    why: kind?.why ?? [],
    boots: refusals.length === 0,
    image: kind?.kind === 'vm' ? kind.image : null,
    kernel: kind?.kind === 'kernel' ? kind.kernel : null,
    initrd: kind?.kind === 'kernel' ? (kind.initrd ?? null) : null,
    adopted: adoptionDocument(kind),
    files: files.map(({ path, present, state }) => ({ path, present, state: textOf(state) })),
    size,
    entrypoint: start === undefined ? null : entrypointDocument(start),
    environment:
      start?.environment.map(({ value: [name, value], from }) => ({
        name: textOf(name),
        value: textOf(value),
        from,
      })) ?? null,
    problems: problems.map((problem) => textOf(formatProblem(problem))),
    refusals: refusals.map((problem) => textOf(formatProblem(problem))),
  }
}

function adoptionDocument(kind: RootKind | undefined): InspectDocument['adopted'] {
  if (kind?.kind !== 'kernel' || kind.adoption === undefined) return null
  const { version, kernel } = kind.adoption
  return { version, kernel: kernel ?? null }
}

function entrypointDocument({ plan, originOf, file }: Start): NonNullable<InspectDocument['entrypoint']> {
  const { init, args } = plan.config
  const { path, target, format, machine, interpreter } = file
  const textOrNull = (text: string | undefined): Text | null => (text === undefined ? null : textOf(text))
  return {
    program: { value: textOf(init), from: originOf('init') },
    arguments: { value: args.map(textOf), from: originOf('args') },
    mode: file.init ? 'exec' : 'supervise',
    file: {
      path: textOrNull(path),
      target: textOrNull(target),
      format: format ?? null,
      machine: machine ?? null,
      interpreter:
        interpreter === undefined ? null : { path: textOf(interpreter.path), found: interpreter.found },
    },
  }
}
