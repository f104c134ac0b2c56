/** `zmachine extract-vmlinux`: extracts the ELF of a kernel, for cloud-hypervisor. */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { isatty } from 'node:tty'
import { errorCode } from '../lib/input.ts'
import type { Output } from '../lib/output.ts'
import { parseArguments, UsageError } from '../lib/usage.ts'
import { hasPvhEntry, type Kernel, LARGEST_KERNEL, readKernel } from './vmlinux.ts'

export const EXTRACT_VMLINUX_HELP = `zmachine extract-vmlinux: the ELF inside a kernel, for cloud-hypervisor

  zmachine extract-vmlinux FILE [-o OUT]

FILE is a kernel for x86-64: vmlinuz, bzImage or vmlinux, with gzip, zstd, xz or the like around it
or not. Its ELF goes to the standard output, and one line to the standard error: what was found,
sizes, and whether there is the PVH entry that cloud-hypervisor starts a kernel at.

Options
  -o, --output OUT  the file to write instead; what it held is replaced once all is written
  -h, --help        this text

gzip and zstd are unpacked here (zstd from Node 22.15 on), the others by the programs zstd, xz, lz4,
lzop, bzip2; a message names the Debian package of one that is missing.

Exit code
  0  the ELF is written
  2  wrong usage, or FILE is no kernel for x86-64

Examples
  zmachine extract-vmlinux /boot/vmlinuz-$(uname -r) -o vmlinux
  zmachine extract-vmlinux bzImage | readelf --notes -
`

const OPTIONS = {
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const

/**
 * @param tell takes the line about what was found, with its newline
 * @param toTerminal whether the output is a terminal, which binary data would garble
 * @returns the exit code; throws a UsageError for 2
 */
export function extractVmlinuxCommand(
  args: readonly string[],
  output: Output,
  tell: (text: string) => void,
  toTerminal = isatty(1),
): number {
  const { values, positionals } = parseArguments('zmachine extract-vmlinux', args, OPTIONS, ['FILE'])
  if (values.help === true) {
    output.write(Buffer.from(EXTRACT_VMLINUX_HELP))
    return 0
  }
  const [file] = positionals
  if (file === undefined) throw new UsageError('FILE is missing', 'zmachine extract-vmlinux --help')
  const { output: out } = values
  if (out === undefined && toTerminal) {
    throw new UsageError('stdout is a terminal, and a kernel is binary', '-o vmlinux')
  }
  const image = readImage(file)
  const kernel = readKernel(image, JSON.stringify(file))
  if (out === undefined) output.write(kernel.elf)
  else replaceFile(out, kernel.elf)
  tell(`zmachine: ${describe(image, kernel)}\n`)
  return 0
}

function describe(image: Uint8Array, { elf, layers }: Kernel): string {
  const found = [...layers, 'ELF'].join(' > ')
  const entry = hasPvhEntry(elf)
    ? 'with a PVH entry'
    : 'without a PVH entry (CONFIG_PVH), so cloud-hypervisor will not start it'
  return `${found}: ${image.length} bytes in, ${elf.length} bytes out, ${entry}`
}

function readImage(path: string): Uint8Array {
  const refused = (why: string): UsageError => new UsageError(`${JSON.stringify(path)}: ${why}`)
  let fd: number | undefined
  try {
    // O_NONBLOCK: opening a FIFO must not block.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw refused('not a regular file')
    if (stat.size > LARGEST_KERNEL) throw refused('larger than 1 GB')
    return readFileSync(fd)
  } catch (error) {
    throw error instanceof UsageError ? error : refused(`cannot be read (${errorCode(error)})`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Writes a new file and renames it, so that a machine that starts meanwhile finds the old or the new kernel whole. */
function replaceFile(path: string, bytes: Uint8Array): void {
  const refused = (why: string): UsageError => new UsageError(`--output ${JSON.stringify(path)}: ${why}`)
  const beside = `${path}.${process.pid}.part`
  try {
    // A rename would replace /dev/null by a file.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw refused('not a regular file')
    writeFileSync(beside, bytes, { flag: 'wx' })
    renameSync(beside, path)
  } catch (error) {
    rmSync(beside, { force: true })
    throw error instanceof UsageError ? error : refused(`cannot be written (${errorCode(error)})`)
  }
}
