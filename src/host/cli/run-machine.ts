/** From a request and what its root is to the options of a machine. */

import type { RootKind } from '../image/root-kind.ts'
import { type Kernel, packagedKernel } from '../machine/kernels.ts'
import type { MachineFiles } from '../machine/machine-files.ts'
import type { MachineOptions } from '../machine/options.ts'
import { seedImage } from '../seed/seed-image.ts'
import type { RunRequest } from './run-options.ts'
import type { Configuration } from './run-plan.ts'

export interface Found {
  readonly kind: RootKind
  readonly directory: string
  readonly configuration: Configuration
}

export function machineFor(
  request: RunRequest,
  { kind, directory, configuration }: Found,
  files: MachineFiles,
): MachineOptions {
  const { seed, cmdline, shares, nics } = configuration
  const own = files.disks(request.disks, kind.kind === 'vm' ? kind.image : undefined)
  const common: MachineOptions = {
    shares,
    disks: seed === undefined ? own : [...own, files.seed(seedImage(seed))],
    nics,
    memoryMB: request.memoryMB,
    cpus: request.cpus,
    accel: request.accel,
  }
  if (kind.kind === 'vm') return { ...common, firmware: files.firmware(), resets: true }
  return {
    ...common,
    ...kernelFor(request, kind, files),
    root: { kind: 'virtiofs', directory, readOnly: request.readOnly },
    cmdline: request.readOnly ? `ro ${cmdline}` : cmdline,
  }
}

function kernelFor(request: RunRequest, kind: RootKind, files: MachineFiles): Kernel {
  const { kernel, initramfs } = request
  const given = {
    ...(kernel === undefined ? {} : { kernel }),
    ...(initramfs === undefined ? {} : { initramfs }),
  }
  if (kind.kind === 'kernel' && kernel === undefined) return { ...files.kernel(kind), ...given }
  if (kernel !== undefined && initramfs !== undefined) return { kernel, initramfs }
  return { ...packagedKernel(request.pid1), ...given }
}
