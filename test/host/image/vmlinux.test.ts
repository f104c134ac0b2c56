import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import zlib, { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { EXTRACT_VMLINUX_HELP, extractVmlinuxCommand } from '../../../src/host/image/extract-vmlinux.ts'
import { extractVmlinux, hasPvhEntry, readKernel } from '../../../src/host/image/vmlinux.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { testWith } from '../../programs.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()

afterEach(() => {
  vi.unstubAllEnvs()
  vi.doUnmock('node:zlib')
  vi.resetModules()
})

// Fixtures: a kernel as elf(5) and Documentation/arch/x86/boot.rst have it, with nothing in it that runs.

/** An ELF note; its name and its descriptor are padded to the given unit. */
function note(name: string, type: number, descriptor: Buffer, unit = 4): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(name.length, 0)
  header.writeUInt32LE(descriptor.length, 4)
  header.writeUInt32LE(type, 8)
  const padded = (bytes: Buffer): Buffer =>
    Buffer.concat([bytes, Buffer.alloc(Math.ceil(bytes.length / unit) * unit - bytes.length)])
  return Buffer.concat([padded(Buffer.concat([header, Buffer.from(name)])), padded(descriptor)])
}

const LINUX_NOTE = note('Linux\0', 0x101, Buffer.alloc(5))
const PVH_NOTE = note('Xen\0', 18, Buffer.from('1000000001000000', 'hex'))

interface ElfParts {
  readonly notes?: Buffer
  readonly noteAlign?: number
  readonly type?: number
  readonly machine?: number
  /** Of the first segment: PT_LOAD. */
  readonly segment?: number
}

/** An ELF header, a segment of code, one of notes, and 100,000 bytes of the former. */
function makeElf({
  notes = Buffer.concat([LINUX_NOTE, PVH_NOTE]),
  noteAlign = 4,
  type = 2,
  machine = 62,
  segment = 1,
}: ElfParts = {}): Buffer {
  const head = Buffer.alloc(64 + 2 * 56)
  head.write('\x7fELF\x02\x01\x01', 'latin1')
  head.writeUInt16LE(type, 16)
  head.writeUInt16LE(machine, 18)
  head.writeBigUInt64LE(64n, 32)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(2, 56)
  const code = Buffer.alloc(100_000, 'nothing that runs; ')
  const segments = [
    { type: segment, offset: head.length + notes.length, size: code.length, align: 4096 },
    { type: 4, offset: head.length, size: notes.length, align: noteAlign },
  ]
  segments.forEach((each, index) => {
    const at = 64 + index * 56
    head.writeUInt32LE(each.type, at)
    head.writeBigUInt64LE(BigInt(each.offset), at + 8)
    head.writeBigUInt64LE(BigInt(each.size), at + 32)
    head.writeBigUInt64LE(BigInt(each.align), at + 48)
  })
  return Buffer.concat([head, notes, code])
}

const ELF = makeElf()

interface HeaderParts {
  readonly version?: number
  readonly setupSectors?: number
}

/** A payload behind its header, as arch/x86/boot/tools/build.c lays them out, and a signature's bytes behind all. */
function makeBzImage(payload: Buffer, { version = 0x020f, setupSectors = 3 }: HeaderParts = {}): Buffer {
  const header = Buffer.alloc(((setupSectors === 0 ? 4 : setupSectors) + 1) * 512)
  header.write('MZ', 'latin1')
  header.writeUInt8(setupSectors, 0x1f1)
  header.writeUInt16LE(0xaa55, 0x1fe)
  header.write('HdrS', 0x202, 'latin1')
  header.writeUInt16LE(version, 0x206)
  const decompressor = Buffer.alloc(716, 0x90)
  header.writeUInt32LE(decompressor.length, 0x248)
  header.writeUInt32LE(payload.length, 0x24c)
  return Buffer.concat([header, decompressor, payload, Buffer.alloc(999, 0xee)])
}

/** What the kernel's build does with all but gzip. */
function withSize(packed: Buffer, size = ELF.length): Buffer {
  const trailer = Buffer.alloc(4)
  trailer.writeUInt32LE(size)
  return Buffer.concat([packed, trailer])
}

const pack = (program: string, ...args: readonly string[]): Buffer =>
  execFileSync(program, args, { input: ELF, stdio: ['pipe', 'pipe', 'ignore'] })

const GZIPPED = makeBzImage(gzipSync(ELF))

/** The error's message and its hint, of whatever must be refused. */
function refusalOf(image: Uint8Array): string {
  try {
    extractVmlinux(image, 'kernel')
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}; try: ${error.hint}`
    throw error
  }
  throw new Error('not refused')
}

/** The same bytes with a few others at a place. */
function patched(bytes: Buffer, at: number, hex: string): Buffer {
  const copy = Buffer.from(bytes)
  copy.write(hex, at, 'hex')
  return copy
}

describe('extractVmlinux', () => {
  it('gives an ELF as it is, fixed or relocatable', () => {
    expect(extractVmlinux(ELF, 'kernel')).toBe(ELF)
    const relocatable = makeElf({ type: 3 })
    expect(extractVmlinux(relocatable, 'kernel')).toBe(relocatable)
  })

  // As scripts/Makefile.lib packs them.
  testWith('xz', 'zstd', 'lz4', 'lzop', 'bzip2').each<[string, () => Buffer]>([
    ['gzip', () => pack('gzip', '-n', '-f', '-9')],
    ['xz', () => withSize(pack('xz', '--check=crc32', '--x86', '--lzma2=dict=32MiB'))],
    ['zstd', () => withSize(pack('zstd', '-22', '--ultra'))],
    ['lz4', () => withSize(pack('lz4', '-l', '-9'))],
    ['lzo', () => withSize(pack('lzop', '-9'))],
    ['bzip2', () => withSize(pack('bzip2', '-9'))],
    ['lzma', () => withSize(pack('xz', '--format=lzma', '-9'))],
  ])('unpacks a bzImage with %s', (name, payload) => {
    const kernel = readKernel(makeBzImage(payload()), 'kernel')
    expect(ELF.equals(kernel.elf)).toBe(true)
    expect(kernel.layers).toEqual(['bzImage 2.15', name])
  })

  it('takes a payload that is not compressed', () => {
    expect(ELF.equals(extractVmlinux(makeBzImage(ELF), 'kernel'))).toBe(true)
  })

  it('takes no setup sectors for four', () => {
    const image = makeBzImage(gzipSync(ELF), { setupSectors: 0 })
    expect(ELF.equals(extractVmlinux(image, 'kernel'))).toBe(true)
  })

  it('reads an image that is a part of a larger buffer', () => {
    const around = Buffer.concat([Buffer.alloc(13, 0xff), GZIPPED])
    expect(ELF.equals(extractVmlinux(around.subarray(13), 'kernel'))).toBe(true)
  })

  it('keeps the relocations that follow the ELF in a payload', () => {
    const relocated = Buffer.concat([ELF, Buffer.alloc(400, 7)])
    expect(relocated.equals(extractVmlinux(makeBzImage(gzipSync(relocated)), 'kernel'))).toBe(true)
  })

  testWith('xz', 'lz4').each<[string, () => Buffer]>([
    ['gzip', () => gzipSync(ELF)],
    ['zstd', () => zstdCompressSync(ELF)],
    ['xz', () => pack('xz')],
    ['lz4', () => pack('lz4')],
  ])('unpacks a vmlinux in %s', (name, packed) => {
    const kernel = readKernel(packed(), 'kernel')
    expect(ELF.equals(kernel.elf)).toBe(true)
    expect(kernel.layers).toEqual([name])
  })

  it('unpacks what is packed twice, around a bzImage, and no more than that', () => {
    const twice = gzipSync(zstdCompressSync(GZIPPED))
    expect(readKernel(twice, 'kernel').layers).toEqual(['gzip', 'zstd', 'bzImage 2.15', 'gzip'])
    expect(refusalOf(gzipSync(twice))).toContain('packed more than 2 times')
  })

  testWith('zstd')('unpacks zstd by the program where Node has no zstd', async () => {
    const { zstdDecompressSync: _, ...older } = zlib
    vi.doMock('../../../src/host/lib/lazy.ts', () => ({ zlib: () => older }))
    vi.resetModules()
    const onNode20 = await import('../../../src/host/image/vmlinux.ts')
    const image = makeBzImage(withSize(zstdCompressSync(ELF)))
    expect(ELF.equals(onNode20.extractVmlinux(image, 'kernel'))).toBe(true)
    vi.stubEnv('PATH', folder)
    expect(() => onNode20.extractVmlinux(image, 'kernel')).toThrow('zstd unpacks, which is not installed')
  })

  // The magic numbers are enough to know the program by.
  test.each<[string, string, string]>([
    ['xz', 'fd377a585a00', 'xz-utils'],
    ['lz4', '02214c18', 'lz4'],
    ['lzop', '894c5a4f', 'lzop'],
    ['bzip2', '425a68', 'bzip2'],
    ['xz', '5d0000', 'xz-utils'],
  ])('says what to install where %s is missing (%s)', (program, magic, debianPackage) => {
    vi.stubEnv('PATH', folder)
    const refusal = refusalOf(makeBzImage(withSize(Buffer.from(`${magic}00000000`, 'hex'))))
    expect(refusal).toContain(`packed in a way that ${program} unpacks, which is not installed`)
    expect(refusal).toContain(`try: apt-get install ${debianPackage}`)
  })

  testWith('xz')('does not listen to the user’s own settings of a program', () => {
    const packed = pack('xz')
    vi.stubEnv('XZ_OPT', '--nonsense')
    expect(ELF.equals(extractVmlinux(packed, 'kernel'))).toBe(true)
  })
})

const bytes = (text: string, length = 0x400): Buffer => {
  const padded = Buffer.alloc(Math.max(length, text.length), 0x01)
  padded.write(text, 'latin1')
  return padded
}
const at = (offset: number, text: string): Buffer => {
  const image = bytes('MZ')
  image.write(text, offset, 'latin1')
  return image
}
const elfFor = (machine: number): Buffer => makeElf({ machine })

describe('extractVmlinux refuses', () => {
  test.each<[string, Buffer, string, string?]>([
    ['an empty file', Buffer.alloc(0), 'kernel: empty', 'download or copy it again'],
    ['an ARM64 Image', at(0x38, 'ARM\x64'), 'an ARM64 kernel (Image), no kernel for x86-64', 'x86-64'],
    ['a RISC-V Image', at(0x38, 'RSC\x05'), 'a RISC-V kernel (Image)'],
    ['a zImage of 32-bit ARM', at(0x24, '\x18\x28\x6f\x01'), 'a 32-bit ARM kernel (zImage)'],
    ['an EFI zboot image', at(4, 'zimg'), 'an EFI zboot kernel'],
    [
      'a unified kernel image',
      bytes('MZ'),
      'a unified kernel image, perhaps',
      '--dump-section .linux=bzImage',
    ],
    ['a uImage', bytes('\x27\x05\x19\x56'), 'an image for U-Boot'],
    ['an initramfs', bytes('070701'), 'a cpio archive: an initramfs', 'the kernel that belongs to it'],
    ['a packed initramfs', gzipSync('070701'), 'a cpio archive: an initramfs'],
    ['a package', bytes('!<arch>\n'), 'a Debian package', 'dpkg-deb -x'],
    ['a tar archive', patched(bytes(''), 0x101, '7573746172'), 'a tar archive', 'unpack it'],
    ['a boot sector', patched(bytes(''), 0x1fe, '55aa'), 'a boot sector, of a disk image perhaps'],
    ['a shell script', Buffer.from('#!/bin/sh\nexec true\n'), 'a script, no kernel for x86-64'],
    [
      'a symlink’s text',
      Buffer.from('vmlinuz-6.1.0-56'),
      'text, not a kernel: "vmlinuz-6.1.0-56"',
      'points to',
    ],
    ['an error page', Buffer.from('<html>\n404'), 'text, not a kernel: "<html>\\n404"'],
    ['anything else', Buffer.from('00ff10', 'hex'), 'no kernel that is known here: it begins with 00 ff 10'],

    ['a 32-bit kernel', elfFor(3), 'an ELF for 32-bit x86, not for x86-64', 'a kernel for x86-64'],
    ['a bzImage for 32 bits', makeBzImage(gzipSync(elfFor(3))), 'an ELF for 32-bit x86'],
    ['an ELF for MIPS', elfFor(8), 'an ELF for MIPS'],
    ['an ELF for PowerPC', elfFor(20), 'an ELF for PowerPC'],
    ['an ELF for 64-bit PowerPC', patched(elfFor(21 << 8), 5, '02'), 'an ELF for 64-bit PowerPC'],
    ['an ELF for S/390', patched(elfFor(22 << 8), 5, '02'), 'an ELF for S/390'],
    ['an ELF for ARM', elfFor(40), 'an ELF for 32-bit ARM'],
    ['an ELF for ARM64', elfFor(183), 'an ELF for ARM64'],
    ['an ELF for RISC-V', elfFor(243), 'an ELF for RISC-V'],
    ['an ELF for LoongArch', elfFor(258), 'an ELF for LoongArch'],
    ['an ELF for another machine', elfFor(9), 'an ELF for machine 9'],
    ['an x32 ELF', patched(ELF, 4, '01'), 'an ELF that is not 64-bit little-endian'],
    ['a kernel module', makeElf({ type: 1 }), 'an object file, such as a kernel module, no kernel'],
    ['a core dump', makeElf({ type: 4 }), 'a core dump, no kernel'],
    ['an ELF of another type', makeElf({ type: 9 }), 'of type 9, no kernel'],
    ['a program', makeElf({ type: 3, segment: 3 }), 'a program for Linux, no kernel'],
    ['an ELF without segments', patched(ELF, 56, '0000'), 'an ELF without program headers'],
    ['an ELF that is only a beginning', ELF.subarray(0, 63), 'less than its header, and there are 63 bytes'],
    ['an ELF with a table outside', patched(ELF, 32, 'ffffffffffffffff'), 'the program headers are outside'],
    ['an ELF that is cut off', ELF.subarray(0, -1), `its segments end at ${ELF.length}`, 'copy it again'],

    [
      'an old bzImage',
      makeBzImage(gzipSync(ELF), { version: 0x0207 }),
      'boot protocol 2.07',
      'a newer kernel',
    ],
    ['a bzImage that is only a header', GZIPPED.subarray(0, 0x24f), 'less than its header'],
    [
      'a bzImage that is cut off',
      GZIPPED.subarray(0, -1000),
      'a bzImage that is cut off: the payload ends at',
    ],
    ['a bzImage without a payload', makeBzImage(Buffer.alloc(0)), 'a bzImage without a payload'],
    [
      'a bzImage packed in an unknown way',
      makeBzImage(Buffer.from('0123456789abcdef', 'hex')),
      'known way: it begins with 01 23 45 67 89 ab cd ef',
      'CONFIG_KERNEL_GZIP',
    ],
    [
      'a payload that says too much',
      makeBzImage(withSize(zstdCompressSync(ELF), 2 ** 30 + 1)),
      'a bzImage that says it unpacks to 1073741825 bytes',
    ],
  ])('%s', (_, image, message, hint = '') => {
    const refusal = refusalOf(image)
    expect(refusal).toMatch(/^kernel: /)
    expect(refusal.slice(0, refusal.indexOf('; try: '))).toContain(message)
    expect(refusal.slice(refusal.indexOf('; try: '))).toContain(hint)
  })

  const PACKERS: readonly [string, () => Buffer][] = [
    ['zstd', () => zstdCompressSync(ELF)],
    ['xz', () => pack('xz', '--check=crc32')],
    ['lz4', () => pack('lz4', '-l')],
    ['bzip2', () => pack('bzip2')],
  ]

  testWith('xz', 'lz4', 'bzip2').each(PACKERS)('%s data larger than its trailer says', (name, packed) => {
    const message = (size: number) => `its ${name} data unpacks to more than ${size} bytes`
    for (const size of [0, 10, ELF.length - 1]) {
      expect(refusalOf(makeBzImage(withSize(packed(), size)))).toContain(message(Math.max(size, 1)))
    }
  })

  testWith('xz', 'lz4', 'bzip2').each(PACKERS)('%s data smaller than its trailer says', (_, packed) => {
    const refusal = refusalOf(makeBzImage(withSize(packed(), ELF.length + 1)))
    expect(refusal).toContain(`unpacks to ${ELF.length} bytes instead of ${ELF.length + 1}`)
  })

  testWith('xz', 'lz4', 'bzip2').each<[string, () => Buffer]>([
    ...PACKERS,
    ['gzip', () => gzipSync(ELF)],
    ['xz', () => pack('xz', '--format=lzma')],
  ])('%s data that is damaged', (name, packed) => {
    const whole = packed()
    const half = whole.subarray(0, whole.length >> 1)
    expect(refusalOf(makeBzImage(withSize(half)))).toMatch(
      new RegExp(
        `^kernel: (its ${name} data cannot be unpacked\n {2}\\S|a bzImage whose ${name} data unpacks to \\d+)`,
      ),
    )
    const broken = Buffer.from(whole).fill(0x55, 12)
    expect(refusalOf(makeBzImage(withSize(broken)))).toMatch(/^kernel: its \w+ data /)
  })

  it('gzip data larger than its own size', () => {
    const lying = gzipSync(ELF)
    lying.writeUInt32LE(10, lying.length - 4)
    expect(refusalOf(makeBzImage(lying))).toContain('its gzip data unpacks to more than 10 bytes')
  })
})

describe('extractVmlinux throws nothing but UsageError', () => {
  const isTotal = (image: Uint8Array): void => {
    try {
      hasPvhEntry(extractVmlinux(image, 'kernel'))
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError)
    }
  }

  it('for any bytes, with any known beginning', () => {
    const beginnings = ['', '1f8b08', '28b52ffd', '7f454c46', '7f454c460201', '4d5a'].map((hex) =>
      Buffer.from(hex, 'hex'),
    )
    fc.assert(
      fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 1000 }), (beginning, rest) =>
        isTotal(Buffer.concat([beginning, rest])),
      ),
      { numRuns: 500 },
    )
  })

  it('for any bytes that a program is to unpack', () => {
    const magics = ['fd377a585a00', '02214c18', '5d0000', '425a68'].map((hex) => Buffer.from(hex, 'hex'))
    fc.assert(
      fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 200 }), (magic, rest) =>
        isTotal(Buffer.concat([magic, rest])),
      ),
      { numRuns: 20 },
    )
  })

  const flips = (end: number) =>
    fc.array(fc.record({ at: fc.nat(end - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 })
  const flipped = (bytes: Buffer, changes: readonly { at: number; value: number }[]): Buffer => {
    const copy = Buffer.from(bytes)
    for (const { at, value } of changes) copy[at] = value
    return copy
  }

  it('for a bzImage whose header is damaged', () => {
    const fields = fc.constantFrom(
      0x1f1,
      0x1fe,
      0x202,
      0x206,
      0x207,
      0x248,
      0x249,
      0x24b,
      0x24c,
      0x24d,
      0x24f,
    )
    const inFields = fc.array(fc.record({ at: fields, value: fc.nat(255) }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(fc.oneof(flips(0x250), inFields), (changes) => isTotal(flipped(GZIPPED, changes))),
      { numRuns: 500 },
    )
  })

  it('for an ELF whose headers and notes are damaged', () => {
    const end = 64 + 2 * 56 + LINUX_NOTE.length + PVH_NOTE.length
    fc.assert(
      fc.property(flips(end), (changes) => {
        const elf = flipped(ELF, changes)
        isTotal(elf)
        expect(typeof hasPvhEntry(elf)).toBe('boolean')
      }),
      { numRuns: 500 },
    )
  })
})

describe('hasPvhEntry', () => {
  test.each<[string, ElfParts, boolean]>([
    ['the note', { notes: PVH_NOTE }, true],
    ['the note among others', {}, true],
    ['a note of four bytes', { notes: note('Xen\0', 18, Buffer.alloc(4)) }, true],
    [
      'notes in units of eight',
      {
        noteAlign: 8,
        notes: Buffer.concat([note('Linux\0', 1, Buffer.alloc(3), 8), note('Xen\0', 18, Buffer.alloc(8), 8)]),
      },
      true,
    ],
    ['no note', { notes: Buffer.alloc(0) }, false],
    ['another note of Xen’s', { notes: note('Xen\0', 6, Buffer.from('linux\0')) }, false],
    ['another owner’s note', { notes: note('Xon\0', 18, Buffer.alloc(8)) }, false],
    ['a note that is cut off', { notes: PVH_NOTE.subarray(0, 16) }, false],
  ])('with %s', (_, parts, expected) => {
    expect(hasPvhEntry(makeElf(parts))).toBe(expected)
  })

  it('reads no more than the file has where segments lie over one another', () => {
    const headers = 0xffff
    const notes = Buffer.alloc(1 << 20)
    const elf = Buffer.alloc(64 + headers * 56 + notes.length)
    ELF.copy(elf, 0, 0, 64)
    elf.writeUInt16LE(headers, 56)
    for (let index = 0; index < headers; index++) {
      const at = 64 + index * 56
      elf.writeUInt32LE(4, at)
      elf.writeBigUInt64LE(BigInt(64 + headers * 56), at + 8)
      elf.writeBigUInt64LE(BigInt(notes.length), at + 32)
    }
    const start = performance.now()
    expect(hasPvhEntry(elf)).toBe(false)
    // A minute, where each of them is read.
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('is false for what is no whole ELF', () => {
    expect(hasPvhEntry(Buffer.alloc(0))).toBe(false)
    expect(hasPvhEntry(ELF.subarray(0, 100))).toBe(false)
  })
})

describe('zmachine extract-vmlinux', () => {
  function extract(args: readonly string[], toTerminal = false) {
    const chunks: Uint8Array[] = []
    let told = ''
    const output = { colours: false, write: (each: Uint8Array): unknown => chunks.push(each) }
    const tell = (text: string): void => {
      told += text
    }
    const code = extractVmlinuxCommand(args, output, tell, toTerminal)
    return { code, out: Buffer.concat(chunks), told }
  }

  const file = join(folder, 'vmlinuz')
  writeFileSync(file, GZIPPED)

  test.each([['--help'], ['-h']])('%s has options, exit codes and examples', (option) => {
    const { code, out } = extract([option], true)
    expect([code, out.toString()]).toEqual([0, EXTRACT_VMLINUX_HELP])
    for (const part of ['FILE [-o OUT]', '--output', 'Exit code', 'Examples']) {
      expect(EXTRACT_VMLINUX_HELP).toContain(part)
    }
    expect(Math.max(...EXTRACT_VMLINUX_HELP.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
  })

  it('writes the ELF to the standard output, and says what it found', () => {
    const { code, out, told } = extract([file])
    expect([code, out.equals(ELF)]).toEqual([0, true])
    expect(told).toBe(
      `zmachine: bzImage 2.15 > gzip > ELF: ${GZIPPED.length} bytes in, ${ELF.length} bytes out, with a PVH entry\n`,
    )
  })

  it('says that there is no PVH entry', () => {
    const plain = join(folder, 'plain')
    writeFileSync(plain, makeElf({ notes: LINUX_NOTE }))
    expect(extract([plain]).told).toMatch(/: ELF: .* without a PVH entry \(CONFIG_PVH\), so cloud-hypervisor/)
  })

  it('writes a file, in the place of an older one, and leaves nothing beside it', () => {
    const into = join(folder, 'into')
    mkdirSync(into)
    writeFileSync(join(into, 'vmlinux'), 'older')
    const { code, out } = extract([file, '-o', join(into, 'vmlinux')], true)
    expect([code, out.length]).toEqual([0, 0])
    expect(readFileSync(join(into, 'vmlinux')).equals(ELF)).toBe(true)
    expect(readdirSync(into)).toEqual(['vmlinux'])
  })

  test.each<[string, readonly string[], string]>([
    ['no file', [], 'FILE is missing'],
    ['two files', [file, 'more'], 'takes no argument "more", only FILE and options'],
    ['an unknown option', [file, '--outptu', 'x'], 'unknown option --outptu; did you mean --output?'],
    ['an option without its value', [file, '-o'], "'-o, --output <value>' argument missing"],
    ['a file that is not there', [join(folder, 'none')], '/none": cannot be read (ENOENT)'],
    ['a folder', [folder], 'not a regular file'],
    ['a device', ['/dev/null'], '"/dev/null": not a regular file'],
    ['an output that is a device', [file, '-o', '/dev/null'], '--output "/dev/null": not a regular file'],
    ['an output that is a folder', [file, '-o', folder], 'not a regular file'],
    ['an output without its folder', [file, '-o', join(folder, 'a/b')], 'cannot be written (ENOENT)'],
  ])('%s is wrong usage', (_, args, message) => {
    const attempt = () => extract(args)
    expect(attempt).toThrow(UsageError)
    expect(attempt).toThrow(message)
  })

  it('does not write to a terminal', () => {
    expect(() => extract([file], true)).toThrow('stdout is a terminal')
  })

  it('names the file that is no kernel', () => {
    const script = join(folder, 'script')
    writeFileSync(script, '#!/bin/sh\n')
    expect(() => extract([script])).toThrow(`${JSON.stringify(script)}: a script, no kernel for x86-64`)
  })
})
