/** Identifies file systems by their superblocks. Pure. */

import { type Bytes, u8, u16, u32, u32be, u64 } from './bytes.ts'
import { hex } from './text.ts'

export interface Superblock {
  /** The kernel's name of the file system; `ext4` also for ext2 and ext3, which the same driver mounts. */
  readonly type: string
  /** A byte string; '' if there is none. */
  readonly label: string
  /** As blkid(8) writes it, in lower case; '' if there is none. */
  readonly uuid: string
  /** Of file systems that can grow. */
  readonly space?: Space
}

/** How much of its disk a file system takes. */
export interface Space {
  /** In bytes. */
  readonly size: number
  /** In bytes; sizes are given to the kernel in blocks. */
  readonly blockSize: number
  /** btrfs: the number of this disk among those of the file system. */
  readonly device?: number
  /** xfs: how much of the space inodes may take, in percent. */
  readonly inodeLimit?: number
}

/** Where to look for superblocks, in order; in bytes. */
const PROBES: readonly {
  offset: number
  length: number
  parse: (bytes: Bytes) => Superblock | undefined
}[] = [
  { offset: 0, length: 2048, parse: parseStart },
  { offset: 65536, length: 1024, parse: parseBtrfs },
  { offset: 32768, length: 1024, parse: parseIso9660 },
]

/**
 * The file system on a disk; undefined if it is none that is known here.
 * @param read as pread(2): fewer bytes, or none, at the end of the disk
 */
export function identify(read: (offset: number, length: number) => Bytes): Superblock | undefined {
  for (const { offset, length, parse } of PROBES) {
    const found = parse(read(offset, length))
    if (found !== undefined) return found
  }
  return undefined
}

function parseStart(bytes: Bytes): Superblock | undefined {
  return parseExt(bytes) ?? parseXfs(bytes) ?? parseErofs(bytes) ?? parseSquashfs(bytes) ?? parseFat(bytes)
}

/** Documentation/filesystems/ext4/super.rst: 1024 bytes in. */
function parseExt(bytes: Bytes): Superblock | undefined {
  if (bytes.length < 2048 || u16(bytes, 1024 + 0x38) !== 0xef53) return undefined
  const blockSize = 1024 << (u32(bytes, 1024 + 0x18) & 15)
  // s_blocks_count_hi counts with the feature 64bit only.
  const high = (u32(bytes, 1024 + 0x60) & INCOMPAT_64BIT) === 0 ? 0 : u32(bytes, 1024 + 0x150)
  return {
    type: 'ext4',
    label: field(bytes, 1024 + 0x78, 16),
    uuid: uuid(bytes, 1024 + 0x68),
    space: { size: (u32(bytes, 1024 + 0x4) + high * 0x1_0000_0000) * blockSize, blockSize },
  }
}

/** EXT4_FEATURE_INCOMPAT_64BIT */
const INCOMPAT_64BIT = 0x80

/** xfs_dsb in fs/xfs/libxfs/xfs_format.h. */
function parseXfs(bytes: Bytes): Superblock | undefined {
  if (!startsWith(bytes, 0, 'XFSB')) return undefined
  const blockSize = u32be(bytes, 4)
  return {
    type: 'xfs',
    label: field(bytes, 108, 12),
    uuid: uuid(bytes, 32),
    space: {
      size: (u32be(bytes, 8) * 0x1_0000_0000 + u32be(bytes, 12)) * blockSize,
      blockSize,
      inodeLimit: u8(bytes, 127),
    },
  }
}

/** struct erofs_super_block in fs/erofs/erofs_fs.h: 1024 bytes in. */
function parseErofs(bytes: Bytes): Superblock | undefined {
  if (bytes.length < 2048 || u32(bytes, 1024) !== 0xe0f5e1e2) return undefined
  return { type: 'erofs', label: field(bytes, 1024 + 64, 16), uuid: uuid(bytes, 1024 + 48) }
}

function parseSquashfs(bytes: Bytes): Superblock | undefined {
  return startsWith(bytes, 0, 'hsqs') ? { type: 'squashfs', label: '', uuid: '' } : undefined
}

/** struct fat_boot_sector in include/uapi/linux/msdos_fs.h; FAT32's fields are 28 bytes further on. */
function parseFat(bytes: Bytes): Superblock | undefined {
  if (bytes.length < 512 || u8(bytes, 510) !== 0x55 || u8(bytes, 511) !== 0xaa) return undefined
  const fat32 = startsWith(bytes, 82, 'FAT32   ')
  if (!fat32 && !startsWith(bytes, 54, 'FAT12   ') && !startsWith(bytes, 54, 'FAT16   ')) return undefined
  const at = fat32 ? 67 : 39
  const serial = hex(u32(bytes, at), 8)
  const label = padded(bytes, at + 4, 11)
  return {
    type: 'vfat',
    label: label === 'NO NAME' ? '' : label,
    uuid: `${serial.slice(0, 4)}-${serial.slice(4)}`,
  }
}

/** struct btrfs_super_block in include/uapi/linux/btrfs_tree.h: 64 KiB in. */
function parseBtrfs(bytes: Bytes): Superblock | undefined {
  if (!startsWith(bytes, 64, '_BHRfS_M')) return undefined
  // struct btrfs_dev_item of this disk, at 201.
  const space = { size: u64(bytes, 209), blockSize: u32(bytes, 144), device: u64(bytes, 201) }
  return { type: 'btrfs', label: field(bytes, 299, 256), uuid: uuid(bytes, 32), space }
}

/** ECMA-119, 8.4: the primary volume descriptor, 32 KiB in. Like blkid, the uuid is the date and time of creation, or of modification if it is set. */
function parseIso9660(bytes: Bytes): Superblock | undefined {
  if (!startsWith(bytes, 1, 'CD001')) return undefined
  const modified = field(bytes, 830, 16)
  const digits = modified === '' || modified === '0000000000000000' ? field(bytes, 813, 16) : modified
  const stamp = [0, 4, 6, 8, 10, 12, 14].map((at) => digits.slice(at, at === 0 ? 4 : at + 2)).join('-')
  return { type: 'iso9660', label: padded(bytes, 40, 32), uuid: stamp }
}

function startsWith(bytes: Bytes, at: number, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic.charCodeAt(i)) return false
  return true
}

/** Text up to the first NUL. */
function field(bytes: Bytes, at: number, length: number): string {
  let found = ''
  for (let i = 0; i < length && u8(bytes, at + i) !== 0; i++) found += String.fromCharCode(u8(bytes, at + i))
  return found
}

/** A field padded with spaces. */
function padded(bytes: Bytes, at: number, length: number): string {
  const text = field(bytes, at, length)
  let end = text.length
  while (text.charAt(end - 1) === ' ') end--
  return text.slice(0, end)
}

/** '' if it is all zeros, which means that there is none. */
function uuid(bytes: Bytes, at: number): string {
  let found = ''
  let isSet = false
  for (let i = 0; i < 16; i++) {
    if (u8(bytes, at + i) !== 0) isSet = true
    if (i === 4 || i === 6 || i === 8 || i === 10) found += '-'
    found += hex(u8(bytes, at + i), 2)
  }
  return isSet ? found : ''
}
