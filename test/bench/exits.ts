/**
 * `npm run bench -- exits`: how often a boot leaves the guest to reach an emulated device. With KVM each of these takes 2 to
 * 10 µs, and other than time, their number does not depend on what else the computer does.
 *
 * QEMU's own trace tells each access and the device; where a stage ends is told by the addresses of the programs, whose
 * first instruction QEMU's emulator translates just before it runs. Neither changes anything in the guest.
 */

import { createReadStream } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PRODUCTS } from '../../build/paths.ts'
import { note } from '../../build/progress.ts'
import { readRunOptions } from '../../src/host/cli/run-options.ts'
import { configurationOf } from '../../src/host/cli/run-plan.ts'
import { boot } from '../../src/host/machine/machine.ts'
import type { MachineOptions } from '../../src/host/machine/options.ts'
import { seedImage } from '../../src/host/seed/seed-image.ts'
import { guestProgram, writeTree } from '../qemu/lib/files.ts'
import { type Exits, STAGES, type Stage, traceReader } from './exits-trace.ts'
import { count, table } from './statistics.ts'

/** `.last` of exits.c. */
const END = 0x21000000

const LINKED = ['-Wl,-Ttext-segment=0x20000000', `-Wl,--section-start=.last=0x${END.toString(16)}`]

export interface BootedMachine {
  readonly name: string
  /** Options of `zmachine run`. */
  readonly options: readonly string[]
  /** Another machine than `zmachine run` makes, as QEMU makes it where nobody says otherwise. */
  readonly machine?: string
}

export const MACHINES: readonly BootedMachine[] = [
  { name: 'zmachine run', options: [] },
  { name: 'zmachine run --verbose', options: ['--verbose'] },
  { name: 'pc', options: [], machine: 'pc,hpet=on,vmport=auto,smbus=on' },
  { name: 'q35', options: [], machine: 'q35,hpet=on,vmport=auto,smbus=on' },
]

/** Boots a container of one line of output, and counts. */
export async function countExits(folder: string, { options, machine }: BootedMachine): Promise<Exits> {
  const program = await guestProgram(new URL('exits.c', import.meta.url), LINKED)
  const marks = {
    init: await entryOf(PRODUCTS.init),
    container: await entryOf(program),
    end: END,
  }
  const root = join(folder, 'exits-root')
  writeTree(root, { container: { copy: program } })
  const log = join(folder, 'exits.log')
  const addresses = Object.values(marks).map((address) => `0x${address.toString(16)}+1`)
  const traced = ['trace:memory_region_ops_read', 'trace:memory_region_ops_write', 'in_asm']
  const running = await boot({
    ...(await machineOf(folder, root, options)),
    kernel: PRODUCTS.flist.kernel,
    initramfs: PRODUCTS.flist.initramfs,
    timeout: 120,
    qemuArgs: [
      ...(machine === undefined ? [] : ['-machine', machine]),
      ...['-d', traced.join(','), '-dfilter', addresses.join(','), '-D', log],
    ],
  })
  const exit = await running.exited
  const reader = traceReader(marks)
  for await (const line of createInterface({ input: createReadStream(log) })) reader.line(line)
  await rm(log)
  await rm(root, { recursive: true })
  try {
    return reader.end()
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error} (${exit.reason}):\n${exit.console}`)
  }
}

/** What `zmachine run OPTIONS ROOT /container` boots. */
async function machineOf(
  folder: string,
  root: string,
  options: readonly string[],
): Promise<Omit<MachineOptions, 'kernel'>> {
  const request = readRunOptions([...options, root, '--', '/container'])
  if (request === 'help') throw new Error('no machine')
  const { cmdline, seed, shares, nics } = configurationOf(request, {
    kind: 'container',
    startup: undefined,
    environment: new Map(),
    sshKeys: [],
    hostname: 'exits',
  })
  const disk = join(folder, 'exits-seed')
  if (seed !== undefined) await writeFile(disk, seedImage(seed))
  return {
    cmdline,
    shares,
    nics,
    disks: seed === undefined ? [] : [{ file: disk, readOnly: true }],
    memoryMB: request.memoryMB,
    cpus: request.cpus,
    root: { kind: 'virtiofs', directory: root },
    accel: 'tcg',
  }
}

/** e_entry of a 64-bit ELF, elf(5). */
async function entryOf(file: string): Promise<number> {
  return Number((await readFile(file)).readBigUInt64LE(24))
}

/**
 * Devices that a reader tells apart, by QEMU's names for the memory that they are reached by; the first that fits counts.
 * Of these, the same boot makes the same number of accesses each time.
 */
const GROUPS: readonly (readonly [name: string, devices: RegExp])[] = [
  ['serial line', /^serial$/],
  ['PCI configuration', /^(pci-conf|pcie-mmcfg)/],
  ['virtio', /^virtio-/],
  ['interrupts’ vectors and routes', /^(ioapic|msix-|elcr$|kvmvapic$)/],
  ['ACPI', /^(acpi-(?!tmr)|apm-)/],
  ['disk controller', /^(ahci|ide)$/],
  ['real-time clock', /^rtc/],
  ['firmware’s configuration', /^fwcfg/],
  ['others', /./],
]

/**
 * Clocks and their interrupts. How often they are read and tick depends on how long a boot takes, and with KVM these are
 * the processor's own (TSC, kvm-clock) or the host kernel's.
 */
const CLOCKS: readonly (readonly [name: string, devices: RegExp])[] = [
  ['`pcspk`: calibrating the clock', /^pcspk$/],
  ['reading the clock', /^(acpi-tmr|hpet|pit)$/],
  ['timer and its interrupts', /^(apic-msi|pic)$/],
]

/** In this stage, devices that the firmware asks again and again until a disk controller answers. */
const WAITING: readonly [stage: Stage, name: string, devices: RegExp] = [
  'firmware',
  'firmware’s waiting',
  /^(ahci|rtc-index|port92)$/,
]

/** The names of what is no part of a sum. */
const APART = [...CLOCKS.map(([name]) => name), WAITING[1]]

function groupOf(device: string, stage: Stage): string {
  const [when, waiting, asked] = WAITING
  if (stage === when && asked.test(device)) return waiting
  return [...CLOCKS, ...GROUPS].find(([, devices]) => devices.test(device))?.[0] ?? ''
}

/** Accesses to the devices of a group in a stage, or in all of them. */
function countOf(exits: Exits, group: string, stages: readonly Stage[] = STAGES): number {
  let sum = 0
  for (const stage of stages) {
    for (const [device, times] of exits[stage]) if (groupOf(device, stage) === group) sum += times
  }
  return sum
}

const SERIAL = 'serial line'

/** What test/bench/budget.json has of a machine: without clocks, and with the serial line apart. */
export interface ExitBudget {
  /** Varies a little: the console has times of various lengths. */
  readonly serial: number
  readonly others: number
}

export function budgetOf(exits: Exits): ExitBudget {
  const groups = GROUPS.map(([name]) => name).filter((name) => name !== SERIAL)
  return {
    serial: countOf(exits, SERIAL),
    others: groups.reduce((sum, group) => sum + countOf(exits, group), 0),
  }
}

export interface CountedMachine {
  readonly machine: BootedMachine
  readonly exits: Exits
}

export async function measureExits(folder: string): Promise<CountedMachine[]> {
  const counted: CountedMachine[] = []
  for (const machine of MACHINES) {
    note(`exits: ${machine.name}`)
    counted.push({ machine, exits: await countExits(folder, machine) })
  }
  return counted
}

/** Devices by machine. */
export const deviceTable = (all: readonly CountedMachine[]): string =>
  tableOf(
    all.map(({ machine }) => `\`${machine.name}\``),
    (group) => all.map(({ exits }) => countOf(exits, group)),
  )

/** Devices by stage, of one machine. */
export const stageTable = ({ exits }: CountedMachine): string =>
  tableOf(STAGES, (group) => STAGES.map((stage) => countOf(exits, group, [stage])))

function tableOf(columns: readonly string[], counts: (group: string) => readonly number[]): string {
  const row = (name: string, of: readonly number[]): string[] => [name, ...of.map((each) => count(each))]
  const groups = GROUPS.map(([name]) => ({ name, of: counts(name) })).filter(({ of }) => of.some(Boolean))
  const sums = columns.map((_, at) => groups.reduce((sum, { of }) => sum + (of[at] ?? 0), 0))
  return table(
    ['', ...columns],
    [
      row('**sum**', sums),
      ...groups.map(({ name, of }) => row(name, of)),
      ...APART.map((name) => row(`apart: ${name}`, counts(name))),
    ],
  )
}
