/**
 * The package as a library (`import { boot } from 'zmachine-init'`): machines for programs that boot containers
 * themselves, and what a host hands to one, for orchestrators. The command and the boot tests are made of the same.
 *
 *     const machine = await boot({ root: { kind: 'virtiofs', directory: './rootfs' }, cmdline: 'init=/bin/app' })
 *     for await (const line of machine.console.lines()) console.log(line)
 *     const { reason, console: log } = await machine.exited
 *     const exit = containerExit(log)
 */

import { packagedKernel } from './machine/kernels.ts'
import { boot as bootMachine, type Machine } from './machine/machine.ts'
import type { MachineOptions } from './machine/options.ts'

export type { Console } from './console/console.ts'
export { type ContainerExit, containerExit } from './console/container-exit.ts'
export type { Machine, MachineExit } from './machine/machine.ts'
export type { Backend, Disk, Forward, MachineOptions, Nic, Root, Share } from './machine/options.ts'
export type { Environment } from './seed/checks.ts'
export {
  type CmdlineData,
  type CmdlineDisk,
  type CmdlineNic,
  type CmdlineRoute,
  type CmdlineShare,
  encodeCmdline,
} from './seed/encode-cmdline.ts'
export {
  type EncodedSeed,
  encodeSeed,
  type SeedData,
  type SeedMount,
  type SeedNic,
  type SeedRoute,
} from './seed/encode-seed.ts'
export { seedImage } from './seed/seed-image.ts'
export { readTimeline, type Timeline } from './timeline/timeline.ts'

/**
 * Starts a machine with this package's kernel and initramfs, unless the options name others or firmware.
 * @throws Error with QEMU's or virtiofsd's own words, what was run and what to do, where one of them does not start
 */
export function boot(options: MachineOptions): Promise<Machine> {
  const isComplete = options.kernel !== undefined || options.firmware !== undefined
  return bootMachine(isComplete ? options : { ...packagedKernel(), ...options })
}
