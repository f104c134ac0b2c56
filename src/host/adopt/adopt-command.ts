/** `zmachine adopt`: makes a root carry our kernel and PID 1, so that every zos host boots it with them. */

import { resolve } from 'node:path'
import { shellWord } from '../../lib/shell.ts'
import { CARRIED, formatVersion, MARKER } from '../image/adoption.ts'
import { refuseMistakenRoot } from '../image/mistaken-root.ts'
import { isDirectory, refuseOwnRoot } from '../image/root-directory.ts'
import type { Output, Report } from '../lib/output.ts'
import { formatSize } from '../lib/size.ts'
import { parseArguments, readFormat, UsageError } from '../lib/usage.ts'
import { packagedKernel } from '../machine/kernels.ts'
import { type Adopted, adopt, type Removed, removeAdopted } from './adopt.ts'

export const ADOPT_HELP = `zmachine adopt: makes a root carry our kernel and PID 1, for zos hosts as they are

  zmachine adopt ROOT [--format json]
  zmachine adopt --remove ROOT [--format json]

A zos host that finds /boot/vmlinuz in an image boots that instead of its own kernel, together with
/boot/initrd.img. adopt puts this package's kernel and initramfs there, so the image has our PID 1
on any host, with nothing to change on the host. Doing it again updates them; --remove takes them
away, and the host uses its own again.

Written to ROOT, 26 MB in all
  /boot/vmlinuz       the kernel: an ELF with the PVH entry that cloud-hypervisor starts
  /boot/initrd.img    the initramfs with PID 1
  /boot/zmachine.json versions and checksums, by which they are recognised as ours

A kernel or initramfs that is not ours is never replaced or removed, nor is one of ours that was
changed since. If anything fails, ROOT is as it was before. Symlinks are followed inside ROOT only.

ROOT
  the directory of an image; unpack an archive first

Options
      --remove        removes what adopt put there
      --format json   one JSON document (version 1) for programs
      --format table  for people (default)
  -h, --help          this text

Exit code
  0  done, or nothing to do
  2  refused, with the reason: ROOT has not changed

Examples
  mkdir web && docker export "$(docker create nginx)" | tar -C web -x
  zmachine adopt web
  zmachine run web -- nginx -g 'daemon off;'    # boots as on a host
  tar -C web -czf web.tar.gz .                  # upload this to a hub, which makes an flist of it
`

const OPTIONS = {
  remove: { type: 'boolean' },
  format: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/**
 * @param report takes warnings
 * @returns the exit code; throws a UsageError for 2
 */
export function adoptCommand(args: readonly string[], output: Output, report: Report): number {
  const { values, positionals } = parseArguments('zmachine adopt', args, OPTIONS, ['ROOT'])
  const say = (text: string): number => {
    output.write(Buffer.from(text))
    return 0
  }
  if (values.help === true) return say(ADOPT_HELP)
  const [path] = positionals
  if (path === undefined)
    throw new UsageError('ROOT is missing: the directory of an image', 'zmachine adopt --help')
  const isJson = readFormat(values.format) === 'json'
  refuse(path)
  const root = resolve(path)
  if (values.remove === true) {
    const removed = removeAdopted(root)
    return say(isJson ? toJson(root, removed) : formatRemoved(path, removed))
  }
  const adopted = adopt(root, packagedKernel())
  if (adopted.warning !== undefined) report(`warning: ${adopted.warning}`)
  return say(isJson ? toJson(root, adopted) : formatAdopted(path, adopted))
}

function refuse(path: string): void {
  if (!isDirectory(path)) {
    const root = shellWord(path)
    throw new UsageError(
      `the root ${JSON.stringify(path)} is not a directory`,
      `mkdir root && tar -C root -xf ${root} && zmachine adopt root`,
    )
  }
  refuseOwnRoot(path, 'name the directory of an image')
  refuseMistakenRoot(path)
}

/** Version 1. Fields may be added; none changes its meaning without another number. */
function toJson(directory: string, done: Adopted | Removed): string {
  const version = (value: Adopted['before']) =>
    value === undefined ? null : { version: value.version, kernel: value.kernel ?? null }
  const document = {
    version: 1,
    directory,
    action: done.action,
    before: version(done.before),
    ...('adoption' in done
      ? { adopted: version(done.adoption), files: done.files, warning: done.warning ?? null }
      : { adopted: null, files: done.files.map((path) => ({ path })), warning: null }),
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

const WHAT: Readonly<Record<(typeof CARRIED)[number]['path'], string>> = {
  '/boot/vmlinuz': 'the kernel',
  '/boot/initrd.img': 'the initramfs with PID 1',
}

function formatAdopted(path: string, { action, adoption, before, files }: Adopted): string {
  const root = shellWord(path)
  const headline = {
    added: `${path} carries ${formatVersion(adoption)} now`,
    updated: `${path} carries ${formatVersion(adoption)} now; before, ${before?.version ?? 'another version'}`,
    unchanged: `${path} carries ${formatVersion(adoption)} already; nothing has changed`,
  }[action]
  const rows = CARRIED.map(
    ({ path }, at) =>
      `  ${path.padEnd(20)} ${formatSize(files[at]?.bytes ?? 0).padStart(6)}  ${WHAT[path]}\n`,
  )
  return `${headline}
${rows.join('')}  ${MARKER.padEnd(20)}         how they are recognised as ours

Next
${columns([
  [`zmachine run ${root} -- COMMAND`, 'boots it as a zos host does'],
  [`tar -C ${root} -czf image.tar.gz .`, 'packs it, for a hub to make an flist of'],
  [`zmachine adopt --remove ${root}`, 'takes them away again'],
])}`
}

function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')
}

const formatRemoved = (path: string, { action, files }: Removed): string =>
  action === 'nothing'
    ? `${path} carries no kernel of ours; nothing has changed\n`
    : `${files.map((file) => `removed ${file}\n`).join('')}A zos host boots ${path} with its own kernel and PID 1 again.\n`
