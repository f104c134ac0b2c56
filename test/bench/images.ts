/** `npm run bench -- images`: sizes of the contenders' files. */

import { stat } from 'node:fs/promises'
import { PRODUCTS } from '../../build/paths.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import type { Bench } from './container.ts'
import { ashScript, debianInitramfs, floor, LEAN, NODE } from './rivals.ts'
import { count, table } from './statistics.ts'

/** PID 1's file, and the initramfs with everything that is needed before the root is mounted. */
export async function imageTable({ folder }: Bench): Promise<string> {
  const rows = [
    ['lean build', await bytes(PRODUCTS.init), await bytes(LEAN.initramfs)],
    ['node build', await bytes(PRODUCTS.node.init), await bytes(NODE.initramfs)],
    ['C program with its answers written in', '', await bytes((await floor(folder, false)).initramfs)],
    [
      'ash script, with busybox and blkid',
      await bytes(needProgram('busybox', 'busybox-static')),
      await bytes((await ashScript(folder)).initramfs),
    ],
    [
      'Debian’s initramfs-tools, with its modules',
      '',
      await bytes((await debianInitramfs(folder)).initramfs),
    ],
    // Not measured here, but reported for the initramfs that zos hosts boot containers with.
    ['threefoldtech/cloud-container, as reported', '', 'about 6,000,000'],
  ]
  return table(['', 'PID 1’s file, bytes', 'initramfs, bytes'], rows)
}

const bytes = async (file: string): Promise<string> => count((await stat(file)).size)
