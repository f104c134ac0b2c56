/** Grows a mounted file system to its disk. */

import { putU32 } from '../../lib/bytes.ts'
import type { Space } from '../../lib/superblock.ts'
import { describeErrno } from '../../sys/errno.ts'
import {
  BTRFS_IOC_RESIZE,
  EXT4_IOC_RESIZE_FS,
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDONLY,
  XFS_IOC_FSGROWFSDATA,
} from '../../sys/flags.ts'
import { close, currentRuntime, ioctl, open } from '../../sys/linux.ts'
import type { Memory } from '../../sys/port.ts'
import { info, warn } from '../io/console.ts'
import type { Disk } from '../io/device.ts'

/**
 * Logs one line about what was done. A failure is only a warning, since the file system works as before.
 * @param target where it is mounted for writing
 */
export function growFileSystem({ superblock: { type, space }, size }: Disk, target: string): void {
  if (space === undefined) return
  const fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  const result = fd < 0 ? fd : resize(fd, type, space, size)
  if (fd >= 0) close(fd)
  const change = `from ${megabytes(space.size)} to ${megabytes(size)}, the size of its disk`
  if (result < 0) warn(`${target}: cannot grow ${type} ${change}: ${describeErrno(result)}`)
  else info(`${target}: grew ${type} ${change}`)
}

const megabytes = (bytes: number): string => `${Math.floor(bytes / 1_000_000)} MB`

/** @returns a negative errno on failure */
function resize(fd: number, type: string, space: Space, size: number): number {
  switch (type) {
    case 'ext4':
      // __u64: the new size in blocks
      return ioctl(fd, EXT4_IOC_RESIZE_FS, blocksOf(space, size, 8))
    case 'xfs': {
      // struct xfs_growfs_data: the new size in blocks, and the limit of inodes, which does not change
      const request = blocksOf(space, size, 16)
      putU32(request, 8, space.inodeLimit ?? 0)
      return ioctl(fd, XFS_IOC_FSGROWFSDATA, request)
    }
    default: {
      // struct btrfs_ioctl_vol_args: a descriptor that is not used, then DEVICE:SIZE
      const request = new Uint8Array(4096)
      currentRuntime().putText(request, 8, `${space.device ?? 1}:max`)
      return ioctl(fd, BTRFS_IOC_RESIZE, request)
    }
  }
}

/** A structure that begins with a size in blocks, of 64 bits. */
function blocksOf({ blockSize }: Space, size: number, length: number): Memory {
  const memory = new Uint8Array(length)
  const blocks = Math.floor(size / blockSize)
  putU32(memory, 0, blocks % 0x1_0000_0000)
  putU32(memory, 4, Math.floor(blocks / 0x1_0000_0000))
  return memory
}
