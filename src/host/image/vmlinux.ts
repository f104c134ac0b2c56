/**
 * Extracts the ELF that cloud-hypervisor starts from a kernel's file: a bzImage, which may be compressed itself.
 *
 * It is found by the numbers in the header (Documentation/arch/x86/boot.rst), not by searching for magic numbers like
 * the kernel's scripts/extract-vmlinux: those also occur by chance.
 */

import { spawnSync } from 'node:child_process'
import { errorCode } from '../lib/input.ts'
// The default export: on Node 20 a named import of what it lacks would keep the whole command from starting.
import { zlib } from '../lib/lazy.ts'
import { findProgram } from '../lib/programs.ts'
import { UsageError } from '../lib/usage.ts'

/** In bytes, packed or not. Debian's largest vmlinux is less than a tenth of this. */
export const LARGEST_KERNEL = 1024 ** 3

export interface Kernel {
  readonly elf: Uint8Array
  /** What was around it, the outermost first: `gzip`, `bzImage 2.15`, `lz4`. */
  readonly layers: readonly string[]
}

/**
 * The ELF of an x86-64 kernel. Bytes after it, such as the relocations at the end of a bzImage's payload, are kept.
 * @param name the image's name in messages
 * @throws UsageError with what the image is instead; nothing else, whatever the bytes
 */
export const extractVmlinux = (image: Uint8Array, name: string): Uint8Array => readKernel(image, name).elf

/** Like extractVmlinux, with what was found on the way. */
export function readKernel(image: Uint8Array, name: string): Kernel {
  try {
    return unwrap(image, [])
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    throw new UsageError(`${name}: ${error.message}`, error.hint)
  }
}

/** Nobody packs a kernel more than twice, except to keep us busy. */
const MOST_LAYERS = 2

const OTHER_KERNEL = 'a kernel for x86-64: vmlinuz, bzImage or vmlinux'
const NEW_COPY = 'download or copy it again'

function unwrap(image: Uint8Array, layers: readonly string[]): Kernel {
  if (isElf(image)) return { elf: checkedElf(image), layers }
  if (isBzImage(image)) return unwrapBzImage(image, layers)
  const compression = compressionOf(image)
  if (compression === undefined) throw refusal(image)
  if (layers.length === MOST_LAYERS) {
    throw new UsageError(`packed more than ${MOST_LAYERS} times`, OTHER_KERNEL)
  }
  return unwrap(compression.unpack(image, LARGEST_KERNEL), [...layers, compression.name])
}

// bzImage

const isBzImage = (image: Uint8Array): boolean =>
  hasAt(image, 0x1fe, '\x55\xaa') && hasAt(image, 0x202, 'HdrS')

function unwrapBzImage(image: Uint8Array, layers: readonly string[]): Kernel {
  const { version, payload } = readBzImage(image)
  const around = [...layers, `bzImage ${version}`]
  if (isElf(payload)) return { elf: checkedElf(payload), layers: around }
  const compression = compressionOf(payload)
  if (compression === undefined) {
    throw new UsageError(
      `a bzImage whose payload is neither an ELF nor compressed in a known way: ${firstBytes(payload)}`,
      'a kernel built with CONFIG_KERNEL_GZIP or CONFIG_KERNEL_ZSTD',
    )
  }
  return { elf: checkedElf(unpackPayload(payload, compression)), layers: [...around, compression.name] }
}

/** The real-mode code with the header, setup_sects sectors behind the first one, then the payload_offset counts. */
function readBzImage(image: Uint8Array): { readonly version: string; readonly payload: Uint8Array } {
  if (image.length < 0x250) throw truncated('a bzImage', 'less than its header', image)
  const view = viewOf(image)
  const number = view.getUint16(0x206, true)
  const version = `${number >> 8}.${String(number & 0xff).padStart(2, '0')}`
  if (number < 0x208) {
    throw new UsageError(
      `a bzImage of boot protocol ${version}; from 2.08 on (Linux 2.6.26) the header says where the payload is`,
      'a newer kernel',
    )
  }
  // 0 means 4, for boot loaders of 1993.
  const sectors = 1 + (view.getUint8(0x1f1) || 4)
  const start = sectors * 512 + view.getUint32(0x248, true)
  const end = start + view.getUint32(0x24c, true)
  if (end > image.length) throw truncated('a bzImage', `the payload ends at ${end}`, image)
  if (end - start < 8) throw new UsageError('a bzImage without a payload', OTHER_KERNEL)
  return { version, payload: image.subarray(start, end) }
}

/**
 * The last four bytes are the unpacked size: gzip's own ISIZE, or what the kernel's build appends to other formats
 * (`size_append` in scripts/Makefile.lib), where decompressors take it for garbage or for another block.
 */
function unpackPayload(payload: Uint8Array, { name, unpack, endsWithSize }: Compression): Uint8Array {
  const end = payload.length - 4
  const size = viewOf(payload).getUint32(end, true)
  if (size > LARGEST_KERNEL) throw new UsageError(`a bzImage that says it unpacks to ${size} bytes`, NEW_COPY)
  const unpacked = unpack(endsWithSize ? payload : payload.subarray(0, end), Math.max(size, 1))
  if (unpacked.length === size) return unpacked
  throw new UsageError(
    `a bzImage whose ${name} data unpacks to ${unpacked.length} bytes instead of ${size}`,
    NEW_COPY,
  )
}

// Compression

/** At most `limit` bytes out of packed ones, or a UsageError. */
type Unpack = (packed: Uint8Array, limit: number) => Uint8Array

interface Compression {
  readonly name: string
  readonly magic: string
  readonly unpack: Unpack
  /** Whether the format itself ends with the size. */
  readonly endsWithSize?: true
}

const lz4 = byProgram('lz4', 'lz4', ['-dc'])
// Its dictionary may be up to 4 GB by the format; the kernel's build takes 128 MB at most.
const XZ = ['-dc', '--memlimit-decompress=1GiB']

/** As lib/decompress.c knows them; lz4's second magic is of its newer frame, which only files outside have. */
const COMPRESSIONS: readonly Compression[] = [
  {
    name: 'gzip',
    magic: '\x1f\x8b',
    unpack: byZlib('gzip', (packed, options) => zlib().gunzipSync(packed, options)),
    endsWithSize: true,
  },
  { name: 'xz', magic: '\xfd7zXZ\0', unpack: byProgram('xz', 'xz-utils', XZ) },
  {
    name: 'zstd',
    magic: '\x28\xb5\x2f\xfd',
    unpack: unpackZstd,
  },
  { name: 'lz4', magic: '\x02\x21\x4c\x18', unpack: lz4 },
  { name: 'lz4', magic: '\x04\x22\x4d\x18', unpack: lz4 },
  { name: 'lzo', magic: '\x89LZO', unpack: byProgram('lzop', 'lzop', ['-dc']) },
  { name: 'bzip2', magic: 'BZh', unpack: byProgram('bzip2', 'bzip2', ['-dc']) },
  { name: 'lzma', magic: '\x5d\0\0', unpack: byProgram('xz', 'xz-utils', [...XZ, '--format=lzma']) },
]

/** Node's own from 22.15 on. */
function unpackZstd(packed: Uint8Array, limit: number): Uint8Array {
  const { zstdDecompressSync }: Partial<ReturnType<typeof zlib>> = zlib()
  const unpack =
    zstdDecompressSync === undefined ? byProgram('zstd', 'zstd', ['-dc']) : byZlib('zstd', zstdDecompressSync)
  return unpack(packed, limit)
}

const compressionOf = (bytes: Uint8Array): Compression | undefined =>
  COMPRESSIONS.find(({ magic }) => hasAt(bytes, 0, magic))

function byZlib(
  name: string,
  unpack: (packed: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array,
): Unpack {
  return (packed, limit) => {
    try {
      return unpack(packed, { maxOutputLength: limit })
    } catch (error) {
      if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(name, limit)
      throw damaged(name, error instanceof Error ? error.message : String(error))
    }
  }
}

function byProgram(name: string, debianPackage: string, args: readonly string[]): Unpack {
  return (packed, limit) => {
    const program = findProgram(name)
    if (program === undefined) {
      throw new UsageError(
        `packed in a way that ${name} unpacks, which is not installed`,
        `apt-get install ${debianPackage}`,
      )
    }
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      // Without the user's own settings (XZ_OPT, LZOP, BZIP2).
      env: { LC_ALL: 'C' },
      input: packed,
      // It also limits standard error, which is longer than some limits.
      maxBuffer: Math.max(limit, 65536),
    })
    if (error !== undefined && errorCode(error) === 'ENOBUFS') throw tooLarge(name, limit)
    // After the status: EPIPE comes from a program that gave up, and its own message says why.
    if (status !== 0) throw damaged(name, stderr?.toString() || String(error?.message ?? 'it said nothing'))
    if (stdout.length > limit) throw tooLarge(name, limit)
    return stdout
  }
}

const tooLarge = (name: string, limit: number): UsageError =>
  new UsageError(`its ${name} data unpacks to more than ${limit} bytes`, NEW_COPY)

function damaged(name: string, said: string): UsageError {
  const lines = said.split('\n').filter((line) => line.trim() !== '')
  return new UsageError(`its ${name} data cannot be unpacked\n  ${lines.slice(0, 3).join('\n  ')}`, NEW_COPY)
}

// ELF: elf(5)

const ET_EXEC = 2
const ET_DYN = 3
const EM_X86_64 = 62
const PT_INTERP = 3
const PT_NOTE = 4
const XEN_ELFNOTE_PHYS32_ENTRY = 18

/** Other machines, for the message. */
const MACHINES: Readonly<Record<number, string>> = {
  3: '32-bit x86',
  8: 'MIPS',
  20: 'PowerPC',
  21: '64-bit PowerPC',
  22: 'S/390',
  40: '32-bit ARM',
  183: 'ARM64',
  243: 'RISC-V',
  258: 'LoongArch',
}

const TYPES: Readonly<Record<number, string>> = {
  1: 'an object file, such as a kernel module',
  4: 'a core dump',
}

interface ProgramHeader {
  readonly type: number
  readonly offset: number
  readonly size: number
  readonly align: number
}

/**
 * Whether the kernel can be entered as a PVH guest: by a Xen note with the address (include/xen/interface/elfnote.h),
 * which CONFIG_PVH makes.
 */
export function hasPvhEntry(elf: Uint8Array): boolean {
  if (elf.length < 64) return false
  const notes = programHeaders(elf)?.filter(({ type }) => type === PT_NOTE) ?? []
  // Overlapping segments are forged: never read more than the file has.
  let left = elf.length
  return notes.some((header) => {
    left -= header.size
    return left >= 0 && hasXenEntry(elf, header)
  })
}

function hasXenEntry(elf: Uint8Array, { offset, size, align }: ProgramHeader): boolean {
  const view = viewOf(elf)
  const end = Math.min(offset + size, elf.length)
  // 8 is rare, and 0 and 1 mean 4.
  const unit = align === 8 ? 8 : 4
  const padded = (length: number): number => Math.ceil(length / unit) * unit
  for (let at = offset; at + 12 <= end; ) {
    const nameSize = view.getUint32(at, true)
    const descriptor = at + padded(12 + nameSize)
    const next = descriptor + padded(view.getUint32(at + 4, true))
    const isEntry = view.getUint32(at + 8, true) === XEN_ELFNOTE_PHYS32_ENTRY && nameSize === 4
    if (isEntry && hasAt(elf, at + 12, 'Xen\0') && descriptor + 4 <= end) return true
    at = next
  }
  return false
}

const isElf = (bytes: Uint8Array): boolean => hasAt(bytes, 0, '\x7fELF')

/** Returns the bytes if they are a whole kernel for x86-64. */
function checkedElf(elf: Uint8Array): Uint8Array {
  if (elf.length < 64) throw truncated('an ELF', 'less than its header', elf)
  const view = viewOf(elf)
  const littleEndian = elf[5] !== 2
  const machine = view.getUint16(18, littleEndian)
  if (machine !== EM_X86_64) {
    throw new UsageError(
      `an ELF for ${MACHINES[machine] ?? `machine ${machine}`}, not for x86-64`,
      OTHER_KERNEL,
    )
  }
  if (elf[4] !== 2 || !littleEndian)
    throw new UsageError('an ELF that is not 64-bit little-endian', OTHER_KERNEL)
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new UsageError(`an ELF, but ${TYPES[type] ?? `of type ${type}`}, no kernel`, OTHER_KERNEL)
  }
  checkSegments(elf)
  return elf
}

function checkSegments(elf: Uint8Array): void {
  const headers = programHeaders(elf)
  if (headers === undefined) throw truncated('an ELF', 'the program headers are outside', elf)
  if (headers.length === 0) throw new UsageError('an ELF without program headers, no kernel', OTHER_KERNEL)
  if (headers.some(({ type }) => type === PT_INTERP)) {
    throw new UsageError('an ELF with an interpreter: a program for Linux, no kernel', OTHER_KERNEL)
  }
  const end = Math.max(...headers.map(({ offset, size }) => (size === 0 ? 0 : offset + size)))
  if (end > elf.length) throw truncated('an ELF', `its segments end at ${end}`, elf)
}

/** For a 64-bit little-endian ELF with a whole header; undefined if the table is outside the file. */
function programHeaders(elf: Uint8Array): readonly ProgramHeader[] | undefined {
  const view = viewOf(elf)
  const table = getUint64(view, 32)
  const count = view.getUint16(56, true)
  if (count === 0) return []
  if (view.getUint16(54, true) !== 56 || table + count * 56 > elf.length) return undefined
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * 56
    return {
      type: view.getUint32(at, true),
      offset: getUint64(view, at + 8),
      size: getUint64(view, at + 32),
      align: getUint64(view, at + 48),
    }
  })
}

/** Rounded above 53 bits, which is outside any file. */
const getUint64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32

// What is not a kernel for x86-64

interface Other {
  readonly at: number
  readonly magic: string
  readonly what: string
  readonly hint?: string
}

/** The first match counts. */
const OTHERS: readonly Other[] = [
  // Documentation/arch/arm64/booting.rst, arch/riscv/boot-image-header.rst
  { at: 0x38, magic: 'ARM\x64', what: 'an ARM64 kernel (Image)' },
  { at: 0x38, magic: 'RSC\x05', what: 'a RISC-V kernel (Image)' },
  { at: 0x24, magic: '\x18\x28\x6f\x01', what: 'a 32-bit ARM kernel (zImage)' },
  // drivers/firmware/efi/libstub/zboot-header.S
  { at: 4, magic: 'zimg', what: 'an EFI zboot kernel, which is for other machines than x86-64' },
  {
    at: 0,
    magic: 'MZ',
    what: 'an EFI program without a Linux boot header: a unified kernel image, perhaps',
    hint: 'take the kernel out: objcopy --dump-section .linux=bzImage FILE /dev/null',
  },
  { at: 0, magic: '\x27\x05\x19\x56', what: 'an image for U-Boot' },
  { at: 0, magic: '07070', what: 'a cpio archive: an initramfs', hint: 'the kernel that belongs to it' },
  {
    at: 0,
    magic: '!<arch>\n',
    what: 'a Debian package or another ar archive',
    hint: 'dpkg-deb -x FILE FOLDER',
  },
  { at: 0x101, magic: 'ustar', what: 'a tar archive', hint: 'unpack it and take the kernel in it' },
  { at: 0x1fe, magic: '\x55\xaa', what: 'a boot sector, of a disk image perhaps' },
  { at: 0, magic: '#!', what: 'a script' },
]

function refusal(image: Uint8Array): UsageError {
  if (image.length === 0) return new UsageError('empty', NEW_COPY)
  const other = OTHERS.find(({ at, magic }) => hasAt(image, at, magic))
  if (other !== undefined)
    return new UsageError(`${other.what}, no kernel for x86-64`, other.hint ?? OTHER_KERNEL)
  const text = Buffer.from(image.subarray(0, 512)).toString('latin1')
  // A symlink that a checkout or a copy turned into a file, an error page from a download, a Git LFS pointer.
  if (/^[\t\n\r -~]+$/.test(text)) {
    return new UsageError(
      `text, not a kernel: ${JSON.stringify(text.slice(0, 60))}`,
      'name the file that it points to',
    )
  }
  return new UsageError(`no kernel that is known here: ${firstBytes(image)}`, OTHER_KERNEL)
}

const truncated = (what: string, why: string, bytes: Uint8Array): UsageError =>
  new UsageError(`${what} that is cut off: ${why}, and there are ${bytes.length} bytes`, NEW_COPY)

const firstBytes = (bytes: Uint8Array): string =>
  `it begins with ${Buffer.from(bytes.subarray(0, 8)).toString('hex').replace(/..\B/g, '$& ')}`

// Bytes

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Whether a byte string is at this offset; false if the bytes end before. */
const hasAt = (bytes: Uint8Array, at: number, magic: string): boolean =>
  [...magic].every((char, index) => bytes[at + index] === char.charCodeAt(0))
