/** Runs the steps of a plan, times them, and handles their failures. */

import { parseRootFiles } from '../config/layers.ts'
import type { Layer, Settings } from '../config/machine.ts'
import { DEFAULT_SETTINGS } from '../config/merge.ts'
import { load } from '../lazy.ts'
import { formatProblem } from '../lib/problem.ts'
import type { Plan } from '../plan/plan.ts'
import {
  type BootStep,
  type DhcpStep,
  describe,
  isFatal,
  type MountStep,
  type RootStep,
} from '../plan/step.ts'
import { EEXIST, must } from '../sys/errno.ts'
import { microseconds, setHostname, stat, symlink, uptime } from '../sys/linux.ts'
import { debug, harmless, isDebug, line, warn, warnings } from './io/console.ts'
import { isDeviceSource, seedDisks } from './io/device.ts'
import { isDirectory, readText } from './io/files.ts'
import { closeModules, loadModules, type Modules, NO_MODULES } from './io/modules.ts'
import { Stopped } from './io/requests.ts'
import { DISK_PATIENCE, SERVER_PATIENCE, watch } from './io/watchdog.ts'
import type { Relay } from './log/relay.ts'
import { updateFile } from './steps/file.ts'
import type { KeyInProgress } from './steps/host-keys.ts'
import type { Leases } from './steps/leases.ts'
import { mountStep } from './steps/mount.ts'
import type { Mounted } from './steps/mount-attempt.ts'
import { orderMounts } from './steps/mount-order.ts'
import { announce, configureNetwork, type Nics } from './steps/network.ts'
import { mountPseudo } from './steps/pseudo.ts'
import { enterRoot, freeInitramfs, mountRoot, openInitramfs, type Root, sealRoot } from './steps/root.ts'

/** An error that ends the boot, with its message for the console. */
export class Fatal extends Error {}

export interface StepTime {
  readonly name: () => string
  /** Microseconds */
  readonly took: number
}

/** The state of a boot: what steps have found out and opened, for later steps and for the supervisor. */
export interface Boot {
  settings: Settings
  /** How long steps took, if that is wanted. */
  readonly times: StepTime[]
  /** Until when to wait for the root, disks and shares, as `uptime()` counts. */
  deadline: number
  modules: Modules
  /** A descriptor of its root directory. */
  initramfs: number
  /** The root, before it is entered. */
  mounted: Mounted | undefined
  /** Has the watchdog watch the root: for all steps that mount nothing. */
  watchRoot: () => void
  seed: readonly Layer[]
  /** Once it is entered. */
  root: Root | undefined
  rootFiles: readonly Layer[]
  readonly nics: Nics
  leases: Leases | undefined
  /** Where the container's output is kept in a file. */
  relay: Relay | undefined
  hostKeys: readonly KeyInProgress[]
}

export const newBoot = (): Boot => ({
  settings: DEFAULT_SETTINGS,
  times: [],
  deadline: 0,
  modules: NO_MODULES,
  initramfs: -1,
  mounted: undefined,
  watchRoot: () => {},
  seed: [],
  root: undefined,
  rootFiles: [],
  nics: new Map(),
  leases: undefined,
  relay: undefined,
  hostKeys: [],
})

/**
 * Runs the steps in order. One that fails is skipped with a warning, unless that is fatal (`isFatal`).
 * @param isTimed whether to measure each, by two system calls
 * @throws Fatal
 */
export function runSteps(
  steps: readonly BootStep[],
  boot: Boot,
  isTimed = boot.settings.timeline || isDebug(),
): void {
  const { strict } = boot.settings
  for (const step of orderMounts(steps)) {
    const start = isTimed ? microseconds() : 0
    const problems = runStep(step, boot)
    // These had the watchdog watch something else.
    if (step.kind === 'mount' || step.kind === 'seed') boot.watchRoot()
    for (const problem of problems) {
      if (isFatal(step, strict)) throw new Fatal(strict ? `${problem} (zmachine.strict)` : problem)
      warn(problem)
    }
    if (!isTimed) continue
    const took = microseconds() - start
    boot.times.push({ name: () => describe(step), took })
    debug(() => `${(took / 1000).toFixed(1)} ms ${describe(step)}`)
  }
}

/**
 * Warns about a plan's problems.
 * @throws Fatal if the machine must not boot
 */
export function accept({ problems, refusals }: Plan, { strict }: Settings): void {
  for (const problem of problems) warn(problem)
  if (refusals.length > 0) throw new Fatal(shorten(refusals).join('\n'))
  if (strict && warnings() > 0) throw new Fatal('zmachine.strict: the warnings above are errors')
}

/** The host shows only the last 2 KB of the log, so they must be there. */
const MOST_REFUSALS = 8

function shorten(refusals: readonly string[]): readonly string[] {
  const more = refusals.length - MOST_REFUSALS
  return more > 0 ? [...refusals.slice(0, MOST_REFUSALS), `and ${more} more`] : refusals
}

/** @returns what failed, in words */
function runStep(step: BootStep, boot: Boot): readonly string[] {
  try {
    return perform(step, boot) ?? []
  } catch (error) {
    if (error instanceof Stopped) throw error
    return [error instanceof Error ? error.message : String(error)]
  }
}

/** @returns what failed, in words, if the rest is done. Throws if nothing is */
function perform(step: BootStep, boot: Boot): readonly string[] | undefined {
  switch (step.kind) {
    case 'pseudo':
      mountPseudo(step)
      return undefined
    case 'root':
      root(step, boot)
      return undefined
    case 'seed':
      boot.seed = readSeed(boot.modules)
      return undefined
    case 'enter':
      if (boot.mounted !== undefined) boot.root = enterRoot(boot.mounted, step, boot.modules)
      return undefined
    case 'root-files':
      boot.rootFiles = readRootFiles()
      return undefined
    case 'symlink': {
      const result = symlink(step.target, step.path)
      if (result !== -EEXIST) must(result, () => describe(step))
      return undefined
    }
    case 'hostname':
      must(setHostname(step.name), () => describe(step))
      return undefined
    case 'network':
      return configureNetwork(step, boot.nics, boot.modules)
    case 'dhcp':
      return dhcp(step, boot)
    case 'host-keys':
      return hostKeys(step.stage, boot)
    case 'announce':
      return announce(step, boot.nics)
    case 'mount':
      watcher(`${step.source} on ${step.target}`, step.source)()
      growMounted(step, mountStep(step, boot.deadline, boot.modules))
      return undefined
    case 'file': {
      const done = updateFile(step.path, step.content, step.mode, step.directoryMode)
      debug(() => `${step.path} ${done}`)
      return undefined
    }
    case 'free-initramfs':
      free(boot)
      return undefined
  }
}

/** A file system may be smaller than its disk by this much, in bytes: mkfs leaves out a last group that is too small. */
const UNUSED_END = 16 << 20

/** When a deployment grows, hosts enlarge the disk but not the file system. */
function growMounted({ grow, target }: MountStep, { disk, readOnly }: Mounted): void {
  const size = disk?.superblock.space?.size
  if (disk === undefined || size === undefined || readOnly || !grow) return
  if (disk.size >= size + UNUSED_END) load('grow').growFileSystem(disk, target)
}

function root(step: RootStep, boot: Boot): void {
  boot.deadline = uptime() + step.delay * 1000
  boot.initramfs = openInitramfs()
  boot.watchRoot = watcher(`the root ${step.source}`, step.source)
  boot.watchRoot()
  boot.mounted = mountRoot(step, boot.deadline, boot.modules)
}

/** Makes a function that has the watchdog watch a disk or a share. */
function watcher(subject: string, source: string): () => void {
  const name = harmless(subject)
  const patience = isDeviceSource(source) ? DISK_PATIENCE : SERVER_PATIENCE
  return () => watch(name, patience)
}

function readSeed(modules: Modules): readonly Layer[] {
  const disks = seedDisks()
  if (disks.length === 0) return []
  const { layers, problems } = load('seed').readSeed(disks, modules)
  for (const problem of problems) warn(problem)
  return layers
}

function readRootFiles(): Layer[] {
  const parsed = parseRootFiles(readText, load, isDirectory)
  for (const { problems } of parsed) for (const problem of problems) warn(formatProblem(problem))
  return parsed.map(({ layer }) => layer)
}

function free({ initramfs, modules, root }: Boot): void {
  // The power button's drivers, which no other step needs.
  loadModules(modules, 'button', 'evdev')
  closeModules(modules)
  freeInitramfs(initramfs)
  if (root?.overlaid === true) sealRoot()
}

function dhcp(step: DhcpStep, boot: Boot): string[] {
  const { requestLeases, awaitLeases } = load('dhcp')
  if (step.stage === 'await') return boot.leases === undefined ? [] : awaitLeases(boot.leases)
  const problems: string[] = []
  boot.leases = requestLeases(step, boot.nics, problems)
  return problems
}

/** Without an /etc/ssh no sshd needs keys. */
function hostKeys(stage: 'start' | 'finish', boot: Boot): string[] {
  if (stage === 'finish')
    return boot.hostKeys.length === 0 ? [] : load('hostKeys').finishHostKeys(boot.hostKeys)
  if (typeof stat('/etc/ssh') === 'number') return []
  const problems: string[] = []
  boot.hostKeys = load('hostKeys').startHostKeys(problems)
  return problems
}

/**
 * `zmachine: timeline 12.3 ms mount /data (ext4)` for each step. It forgets them: an entrypoint that then fails to start
 * must not print them again.
 */
export function printTimeline(times: StepTime[]): void {
  for (const { name, took } of times) line(`timeline ${(took / 1000).toFixed(1)} ms ${name()}`)
  times.length = 0
}
