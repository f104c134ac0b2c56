/** Runs a plan: each step by itself, timed, and a failure where it belongs. */

import type { Settings } from '../config/machine.ts'
import { load } from '../lazy.ts'
import { describe, type Step } from '../plan/step.ts'
import { EEXIST, must } from '../sys/errno.ts'
import { microseconds, setHostname, stat, symlink } from '../sys/linux.ts'
import { debug, harmless, isDebug, line, warn } from './io/console.ts'
import { isDeviceSource } from './io/device.ts'
import { updateFile } from './io/files.ts'
import { Stopped } from './io/requests.ts'
import { DISK_PATIENCE, SERVER_PATIENCE, watch } from './io/watchdog.ts'
import { mountPseudo, mountStep } from './steps/mount.ts'
import { orderMounts } from './steps/mount-order.ts'
import { announce, configureNetwork } from './steps/network.ts'

/** What makes going on pointless or dangerous. Its message is for the console. */
export class Fatal extends Error {}

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
    const problems = runStep(step, deadline)
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
function runStep(step: Step, deadline: number): string[] {
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
        return configureNetwork(step)
      case 'dhcp':
        return step.stage === 'ask' ? load('dhcp').askForLeases(step) : load('dhcp').awaitLeases()
      case 'host-keys':
        return hostKeys(step.stage)
      case 'announce':
        return announce(step)
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

/** Without an /etc/ssh there is no sshd to have keys. */
function hostKeys(stage: 'start' | 'finish'): string[] {
  if (typeof stat('/etc/ssh') === 'number') return []
  return stage === 'start' ? load('hostKeys').startHostKeys() : load('hostKeys').finishHostKeys()
}

/** `zmachine: timeline 12.3 ms mount /data (ext4)` for each step. */
export function printTimeline(times: readonly StepTime[]): void {
  for (const { name, took } of times) line(`timeline ${(took / 1000).toFixed(1)} ms ${name()}`)
}
