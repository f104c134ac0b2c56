/** Formats an inspected root for people, in sections of aligned rows like a plan. Byte strings. */

import { formatVersion } from '../image/adoption.ts'
import { hasOurInit, type RootKind } from '../image/root-kind.ts'
import { printable, shown, toByteText } from '../lib/byte-text.ts'
import { formatSection, notices, type Row, type Section, type Style, sourceColumn } from '../lib/sections.ts'
import { formatSize } from '../lib/size.ts'
import type { EntrypointFile } from './inspect-entrypoint.ts'
import type { Inspection, Size, Start } from './inspection.ts'

export function formatInspection(inspection: Inspection, style: Style): string {
  const { start } = inspection
  const sections = [root(inspection), files(inspection)]
  if (start !== undefined)
    sections.push(
      entrypoint(start, inspection.kind !== undefined && hasOurInit(inspection.kind)),
      environment(start),
    )
  // Only rows with a source determine the column of the sources.
  const place = sourceColumn(sections, ([, , from]) => from !== undefined)
  return [
    ...sections.map((section) => formatSection(section, place, style)),
    ...notices(inspection, 'it would not boot', style),
  ].join('\n')
}

const KINDS = {
  container: 'container',
  kernel: 'container with its own kernel',
  vm: 'disk image',
} as const

function root({ directory, unpacked, kind, size }: Inspection): Section {
  const [first, ...more] = kind?.why ?? []
  return [
    'root',
    [
      ['folder', shown(toByteText(directory)) + (unpacked ? ' (out of the archive)' : '')],
      ['size', describeSize(size)],
      ['kind', describeKind(kind)],
      ...(first === undefined ? [] : [['why', first] as const]),
      ...more.map((reason): Row => ['', reason]),
    ],
  ]
}

function describeKind(kind: RootKind | undefined): string {
  if (kind === undefined) return 'none that a zos host would boot'
  const { adoption } = kind.kind === 'kernel' ? kind : {}
  return KINDS[kind.kind] + (adoption === undefined ? '' : `, which is ours (${formatVersion(adoption)})`)
}

const describeSize = ({ bytes, files, complete }: Size): string =>
  `${complete ? '' : 'at least '}${formatSize(bytes)} in ${files} files`

const files = ({ files }: Inspection): Section => [
  'files that decide',
  files.map(({ path, state }): Row => [path, printable(state)]),
]

/** @param isOurs whether our PID 1 starts it; a root with its own kernel has another */
function entrypoint({ plan, originOf, file }: Start, isOurs: boolean): Section {
  const { init, args } = plan.config
  return [
    'entrypoint',
    [
      ['program', shown(init), originOf('init')],
      ...args.map((arg, index): Row => [`argument ${index + 1}`, shown(arg), originOf('args')]),
      ['file', describeFile(file)],
      ...(file.path === undefined || !isOurs ? [] : [['mode', mode(file)] as const]),
    ],
  ]
}

const mode = ({ init }: EntrypointFile): string =>
  init
    ? 'auto takes it for an init: exec, PID 1 becomes it'
    : 'auto takes it for an application: supervise, a child of PID 1'

function describeFile(file: EntrypointFile): string {
  const { path, target, format, machine, interpreter } = file
  if (path === undefined || target === undefined) return "can't be started, see below"
  const link = target === path ? '' : `${shown(target)}: `
  const found = interpreter?.found === true ? 'is in the root' : 'is not in the root'
  if (format === 'script') return `${link}a script for ${shown(interpreter?.path ?? '')}, which ${found}`
  if (format === 'elf') {
    const loader = interpreter === undefined ? '' : `, loaded by ${shown(interpreter.path)}, which ${found}`
    return `${link}an ELF binary for ${machine}${loader}`
  }
  return `${link}${file.refusal === undefined ? 'not readable by this user: of an unknown kind' : 'of an unknown kind'}`
}

const environment = ({ environment }: Start): Section => [
  'environment',
  environment.map(
    ({ value: [key, value], from }): Row => [key === '' ? "''" : shown(key), shown(value), from],
  ),
]
