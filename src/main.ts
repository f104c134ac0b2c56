/** PID 1, in order. */

import { parseEnvironment } from './config/environment.ts'
import { parseKeys } from './config/keys.ts'
import type { Layer, MachineConfig } from './config/machine.ts'
import { merge } from './config/merge.ts'
import { type Identity, resolveUser } from './config/users.ts'
import { parseZosrc } from './config/zosrc.ts'
import { formatProblem, type Problem } from './lib/problem.ts'
import { quote } from './lib/text.ts'
import { load } from './parts.ts'
import { EARLY_MOUNTS, type Plan, plan } from './plan/plan.ts'
import { debug, info, line, openLog, openTerminal, setLogLevel, warn } from './run/console.ts'
import { readText } from './run/files.ts'
import { closeModules, loadModules, openModules } from './run/modules.ts'
import { mountPseudo } from './run/mount.ts'
import { enterRoot, freeInitramfs, openInitramfs, type Root, sealRoot } from './run/root.ts'
import { Fatal, printTimeline, runSteps, type StepTime } from './run/steps.ts'
import { resolveEntrypoint, wantsPid1 } from './supervise/entrypoint.ts'
import { failure, type Outcome } from './supervise/outcome.ts'
import { openSignals } from './supervise/signals.ts'
import type { PowerState } from './supervise/state.ts'
import { becomeWorkload, startWorkload, type Workload } from './supervise/workload.ts'
import { SysError } from './sys/errno.ts'
import { LINUX_REBOOT_CMD_CAD_OFF } from './sys/flags.ts'
import { reboot, uptime, useRuntime, wait4 } from './sys/linux.ts'
import type { Runtime } from './sys/port.ts'

/** What the stages hand on, and what the way down needs whenever it begins. */
interface Boot {
  readonly signals: number
  config: MachineConfig
  root: Root | undefined
  readonly times: StepTime[]
}

/** Runs as PID 1 and does not return. */
export function main(runtime: Runtime): never {
  useRuntime(runtime)
  const boot: Boot = { signals: openSignals(), config: merge([]), root: undefined, times: [] }
  try {
    timed(boot, 'initramfs', () => prepare())
    const cmdline = readConfiguration(boot)
    const deadline = uptime() + boot.config.root.delay * 1000
    const initramfs = openInitramfs()
    timed(boot, `root ${boot.config.root.source}`, () => {
      boot.root = enterRoot(
        boot.config.root,
        boot.config.mounts.map(({ target }) => target),
        deadline,
      )
    })
    const planned = timed(boot, 'configuration of the root', () => readRoot(boot, cmdline))
    boot.times.push(...runSteps(planned.steps, boot.config.settings, deadline))
    timed(boot, 'free the initramfs', () => {
      closeModules()
      freeInitramfs(initramfs)
    })
    if (boot.root?.overlaid === true) sealRoot()
    return start(boot)
  } catch (error) {
    return fail(boot, error)
  }
}

/** The initramfs: pseudo file systems, the console, drivers. */
function prepare(): void {
  for (const step of EARLY_MOUNTS) mountPseudo(step)
  openLog()
  // Ctrl-Alt-Del becomes SIGINT to PID 1 instead of an immediate reset.
  reboot(LINUX_REBOOT_CMD_CAD_OFF)
  openModules(readText('/proc/sys/kernel/osrelease')?.trim() ?? '')
  loadModules('virtio_pci', 'virtio_mmio')
}

function timed<T>(boot: Boot, name: string, work: () => T): T {
  const start = uptime()
  const result = work()
  boot.times.push({ name: () => name, took: uptime() - start })
  return result
}

/** The kernel command line, which says where the root is. The seed's layer will stand above it. */
function readConfiguration(boot: Boot): Layer {
  const { layer, problems } = parseKeys(readText('/proc/cmdline') ?? '')
  boot.config = merge([layer])
  setLogLevel(boot.config.settings.log)
  tell(problems)
  return layer
}

/** What the root itself says, below the command line; then the plan of the rest. */
function readRoot(boot: Boot, cmdline: Layer): Plan {
  const layers: Layer[] = []
  const hostname = readText('/etc/hostname')?.trim()
  if (hostname !== undefined && hostname !== '') layers.push({ source: '/etc/hostname', hostname })
  const environment = readText('/etc/environment')
  if (environment !== undefined) layers.push(told(parseEnvironment(environment)))
  const zosrc = readText('/.zosrc')
  if (zosrc !== undefined) layers.push(told(parseZosrc(zosrc, '/.zosrc')))
  boot.config = merge([...layers, cmdline])
  const planned = plan(boot.config)
  for (const problem of planned.problems) warn(problem)
  if (planned.refusals.length > 0) throw new Fatal(planned.refusals.join('\n'))
  return planned
}

function told({ layer, problems }: { layer: Layer; problems: readonly Problem[] }): Layer {
  tell(problems)
  return layer
}

function tell(problems: readonly Problem[]): void {
  for (const problem of problems) warn(formatProblem(problem))
}

/** Hands over to an init of the image's own, or starts the entrypoint and supervises it. */
function start(boot: Boot): never {
  const { config } = boot
  const workload = prepareWorkload(config)
  if ('outcome' in workload) return abandon(boot, workload.message, workload.outcome)
  if (config.settings.timeline) printTimeline(boot.times)
  const handOver = wantsPid1(config.settings.mode, workload.path, config.args)
  info(
    `${handOver ? 'handing over to' : 'starting'} ${workload.argv.map(quote).join(' ')} after ${uptime().toFixed(0)} ms`,
  )
  if (handOver) {
    openTerminal()
    const { call, result } = becomeWorkload(workload)
    return abandon(boot, ...why(workload, call.name, result))
  }
  const first = launch(workload)
  if (typeof first !== 'number') return abandon(boot, first.message, first.outcome)
  return load('supervise').supervise({
    pid: first,
    policy: { onExit: config.settings.onExit, grace: config.settings.grace * 1000 },
    signals: boot.signals,
    start: () => {
      const again = launch(workload)
      if (typeof again === 'number') return again
      line(`error: ${again.message}`)
      return again.outcome
    },
    shutDown: (outcome, power) => down(boot, outcome, power),
  })
}

interface Refused {
  readonly message: string
  readonly outcome: Outcome
}

function prepareWorkload(config: MachineConfig): Workload | Refused {
  const { init, args, settings } = config
  const identity = resolveUser(
    settings.user ?? '0',
    readText('/etc/passwd') ?? '',
    readText('/etc/group') ?? '',
  )
  if (typeof identity === 'string') return { message: `zmachine.user: ${identity}`, outcome: failure(125) }
  const path = config.environment.get('PATH') ?? ''
  const found = resolveEntrypoint(init, settings.cwd, path)
  if (!('path' in found)) return { message: found.message, outcome: failure(found.code) }
  return {
    path: found.path,
    argv: [init, ...args],
    environment: environmentOf(config, identity),
    identity,
    cwd: settings.cwd,
  }
}

function environmentOf(config: MachineConfig, identity: Identity): string[] {
  const variables = new Map<string, string>([['HOME', identity.home], ...config.environment])
  return Array.from(variables, ([key, value]) => `${key}=${value}`)
}

/** The child's pid, or why there is none. */
function launch(workload: Workload): number | Refused {
  openTerminal()
  const { pid, failed } = startWorkload(workload)
  if (pid < 0) {
    return { message: new SysError('fork', pid).message, outcome: failure(125) }
  }
  if (failed === undefined) return pid
  wait4(pid, 0)
  const [message, outcome] = why(workload, failed.call.name, failed.result)
  return { message, outcome }
}

function why(workload: Workload, call: string, result: number): [string, Outcome] {
  if (!call.startsWith('execve')) return [new SysError(call, result).message, failure(125)]
  const { code, message } = load('supervise').explainExec(workload.path, result)
  return [message, failure(code)]
}

function fail(boot: Boot, error: unknown): never {
  const message = error instanceof Error ? error.message : String(error)
  const internal = error instanceof Fatal || error instanceof SysError ? '' : 'internal error: '
  return abandon(boot, `${internal}${message}`, failure(125))
}

/** A fatal error: told in full, then the exit policy. */
function abandon(boot: Boot, message: string, outcome: Outcome): never {
  for (const part of message.split('\n')) line(`fatal: ${part}`)
  debug(() => `steps so far: ${boot.times.map(({ name }) => name()).join('; ')}`)
  const { onExit } = boot.config.settings
  return down(boot, outcome, onExit === 'restart' ? 'reboot' : onExit)
}

function down(boot: Boot, outcome: Outcome, power: PowerState): never {
  return load('supervise').shutDown({
    outcome,
    power,
    grace: boot.config.settings.grace * 1000,
    signals: boot.signals,
    record: boot.root !== undefined && !boot.root.readOnly,
  })
}
