/** Runs a plan: each step by itself, timed, and a failure where it belongs. */

import type { Settings } from '../config/machine.ts'
import { load } from '../lazy.ts'
import { type DhcpStep, describe, type Step } from '../plan/step.ts'
import { EEXIST, must } from '../sys/errno.ts'
import { microseconds, setHostname, stat, symlink } from '../sys/linux.ts'
import { debug, harmless, isDebug, line, warn } from './io/console.ts'
import { isDeviceSource } from './io/device.ts'
import { updateFile } from './io/files.ts'
import { Stopped } from './io/requests.ts'
import { DISK_PATIENCE, SERVER_PATIENCE, watch } from './io/watchdog.ts'
import type { KeyInProgress } from './steps/host-keys.ts'
import type { Leases } from './steps/leases.ts'
import { mountPseudo, mountStep } from './steps/mount.ts'
import { orderMounts } from './steps/mount-order.ts'
import { announce, configureNetwork, type Nics } from './steps/network.ts'

/** What makes going on pointless or dangerous. Its message is for the console. */
export class Fatal extends Error {}

/** What a step leaves for later ones, and for the time after the steps. */
export interface Progress {
  readonly nics: Nics
  leases: Leases | undefined
  hostKeys: readonly KeyInProgress[]
}

export const noProgress = (): Progress => ({ nics: new Map(), leases: undefined, hostKeys: [] })

export interface StepTime {
  readonly name: () => string
  /** Microseconds */
  readonly took: number
}

/**
 * Runs the steps in order. A disk or share that fails is fatal unless it says `nofail`: an application must not write
 * to the wrong disk. Everything else is told and skipped, but with zmachine.strict.
 * @param deadline until when disks and shares are waited for, as `uptime()` counts
 * @param watchRoot has the watchdog watch the root again, once another file system was mounted
 * @returns how long each took, where somebody wants to know
 */
export function runSteps(
  steps: readonly Step[],
  settings: Settings,
  deadline: number,
  progress = noProgress(),
  watchRoot: () => void = () => {},
): StepTime[] {
  const times: StepTime[] = []
  // Two system calls a step, for nobody in most boots.
  const isTimed = settings.timeline || isDebug()
  for (const step of orderMounts(steps)) {
    const start = isTimed ? microseconds() : 0
    if (step.kind === 'mount')
      watch(
        harmless(`${step.source} on ${step.target}`),
        isDeviceSource(step.source) ? DISK_PATIENCE : SERVER_PATIENCE,
      )
    const problems = runStep(step, deadline, progress)
    if (step.kind === 'mount') watchRoot()
    for (const problem of problems) {
      const fatal = settings.strict || (step.kind === 'mount' && !step.nofail)
      if (fatal) throw new Fatal(`${problem}${settings.strict ? ' (zmachine.strict)' : ''}`)
      warn(problem)
    }
    if (!isTimed) continue
    const took = microseconds() - start
    times.push({ name: () => describe(step), took })
    debug(() => `${(took / 1000).toFixed(1)} ms ${describe(step)}`)
  }
  return times
}

/** @returns what went wrong, in words */
function runStep(step: Step, deadline: number, progress: Progress): string[] {
  try {
    switch (step.kind) {
      case 'pseudo':
        mountPseudo(step)
        return []
      case 'symlink': {
        const result = symlink(step.target, step.path)
        if (result !== -EEXIST) must(result, () => describe(step))
        return []
      }
      case 'hostname':
        must(setHostname(step.name), () => describe(step))
        return []
      case 'network':
        return configureNetwork(step, progress.nics)
      case 'dhcp':
        return dhcp(step, progress)
      case 'host-keys':
        return hostKeys(step.stage, progress)
      case 'announce':
        return announce(step, progress.nics)
      case 'mount':
        mountStep(step, deadline)
        return []
      case 'file': {
        const done = updateFile(step.path, step.content, step.mode, step.directoryMode)
        debug(() => `${step.path} ${done}`)
        return []
      }
    }
  } catch (error) {
    if (error instanceof Stopped) throw error
    return [error instanceof Error ? error.message : String(error)]
  }
}

function dhcp(step: DhcpStep, progress: Progress): string[] {
  const { askForLeases, awaitLeases } = load('dhcp')
  if (step.stage === 'await') return progress.leases === undefined ? [] : awaitLeases(progress.leases)
  const problems: string[] = []
  progress.leases = askForLeases(step, progress.nics, problems)
  return problems
}

/** Without an /etc/ssh there is no sshd to have keys. */
function hostKeys(stage: 'start' | 'finish', progress: Progress): string[] {
  if (stage === 'finish')
    return progress.hostKeys.length === 0 ? [] : load('hostKeys').finishHostKeys(progress.hostKeys)
  if (typeof stat('/etc/ssh') === 'number') return []
  const problems: string[] = []
  progress.hostKeys = load('hostKeys').startHostKeys(problems)
  return problems
}

/** `zmachine: timeline 12.3 ms mount /data (ext4)` for each step. */
export function printTimeline(times: readonly StepTime[]): void {
  for (const { name, took } of times) line(`timeline ${(took / 1000).toFixed(1)} ms ${name()}`)
}
