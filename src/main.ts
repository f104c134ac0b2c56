/** PID 1, from start to hand-over: the stages in order. */

import { info, line, openLog, setLogLevel, warn } from './boot/io/console.ts'
import { readText } from './boot/io/files.ts'
import { loadModules, openModules } from './boot/io/modules.ts'
import { Stopped } from './boot/io/requests.ts'
import { stopWatchdog } from './boot/io/watchdog.ts'
import { accept, type Boot, Fatal, newBoot, printTimeline, runSteps } from './boot/run-steps.ts'
import { configure, parseCommandLine } from './config/layers.ts'
import type { Layer, Settings } from './config/machine.ts'
import { DEFAULT_SETTINGS } from './config/merge.ts'
import { load } from './lazy.ts'
import { describeExitRecord, EXIT_RECORD } from './lib/exit-record.ts'
import { formatProblem } from './lib/problem.ts'
import { trim } from './lib/text.ts'
import { EARLY_MOUNTS, plan, planEntry, planRoot } from './plan/plan.ts'
import { summarize } from './plan/summary.ts'
import { guardBoot, type Machine, powerAfter, type Refusal, start } from './start.ts'
import { noCgroup } from './supervise/cgroup.ts'
import { failure, type Outcome, STOPPED } from './supervise/outcome.ts'
import { openSignals } from './supervise/signals.ts'
import type { PowerState } from './supervise/state.ts'
import { SysError } from './sys/errno.ts'
import { LINUX_REBOOT_CMD_CAD_OFF, O_PATH } from './sys/flags.ts'
import { close, currentRuntime, microseconds, open, reboot, unlink, useRuntime } from './sys/linux.ts'
import type { Runtime } from './sys/port.ts'

/** Runs as PID 1 and does not return. */
export function main(runtime: Runtime): never {
  useRuntime(runtime)
  holdStandardStreams()
  openSignals()
  const machine: Machine = { ...newBoot(), cgroup: noCgroup() }
  try {
    return run(machine)
  } catch (error) {
    if (error instanceof Stopped) return stopEarly(machine, error.power)
    const message = error instanceof Error ? error.message : String(error)
    const ours = error instanceof Fatal || error instanceof SysError
    return abandon(machine, { message: ours ? message : `internal error: ${message}`, outcome: failure(125) })
  }
}

/**
 * If the kernel found no console for init, the standard descriptors are free: what is opened first would get them, and be
 * lost to `openTerminal`.
 */
function holdStandardStreams(): void {
  let fd = open('/', O_PATH)
  while (fd >= 0 && fd < 3) fd = open('/', O_PATH)
  close(fd)
}

/** The stages: each finds out what the next one is planned from. */
function run(boot: Machine): never {
  const began = microseconds()
  runSteps(EARLY_MOUNTS, boot)
  openLog()
  prepareKernel(boot)
  // The first includes the start of this program, a few milliseconds.
  addTime(boot, 'kernel', began)
  addTime(boot, 'initramfs', microseconds() - began)

  const cmdline = readCommandLine(boot)
  inspect(boot.settings)
  guardBoot(boot.settings)
  // What is still to be read may ask for a timeline.
  runSteps(planRoot(cmdline), boot, true)

  const host = [cmdline, ...boot.seed]
  const early = configure([], host, false)
  runSteps(planEntry(early), boot, true)
  repeatFormerEnd(boot)

  const config = boot.rootFiles.length === 0 ? early : configure(boot.rootFiles, host, false)
  // Variables of the root and of the seed may have changed them.
  useSettings(boot, config.settings)
  const planned = plan(config)
  accept(planned, boot.settings)
  runSteps(planned.steps, boot)
  const summary = summarize(config)
  if (summary !== '') info(summary)
  const end = (outcome: Outcome, power: PowerState): never => shutDown(boot, outcome, power)
  return abandon(boot, start(planned.start, config.environment, boot, end))
}

const addTime = ({ times }: Boot, name: string, took: number): unknown =>
  times.push({ name: () => name, took })

function prepareKernel(boot: Boot): void {
  // Ctrl-Alt-Del becomes SIGINT to PID 1 instead of an immediate reset.
  reboot(LINUX_REBOOT_CMD_CAD_OFF)
  boot.modules = openModules(trim(readText('/proc/sys/kernel/osrelease') ?? ''))
  loadModules(boot.modules, 'virtio_pci', 'virtio_mmio', 'virtio_blk')
}

/** Reads the kernel command line: where the root is, and how to log. */
function readCommandLine(boot: Boot): Layer {
  const { layer, problems } = parseCommandLine(readText('/proc/cmdline') ?? '')
  for (const problem of problems) warn(formatProblem(problem))
  useSettings(boot, { ...DEFAULT_SETTINGS, ...layer.settings })
  return layer
}

function useSettings(boot: Boot, settings: Settings): void {
  boot.settings = settings
  setLogLevel(settings.log)
}

/** After a reset the same log continues: its readers want to know why the machine starts again. */
function repeatFormerEnd({ root }: Boot): void {
  const record = readText(EXIT_RECORD)
  if (record === undefined) return
  const end = describeExitRecord(record)
  if (end !== undefined) info(`the previous run ended: ${end}`)
  // A run that is cut off writes none, and must not be taken for the one before it.
  if (root?.readOnly === false) unlink(EXIT_RECORD)
}

/** Opens the debugger's port. A failure is only a warning. */
function inspect({ inspect: port }: Settings): void {
  if (port === undefined) return
  const { inspect } = currentRuntime()
  try {
    if (inspect !== undefined) inspect(port)
    else warn('zmachine.inspect: this build has no inspector; the node build has one')
  } catch (error) {
    warn(`zmachine.inspect: port ${port}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** A fatal error: the whole message, a shell if one was asked for, then the exit policy. */
function abandon(boot: Machine, { message, outcome }: Refusal): never {
  const { shell, timeline } = boot.settings
  stopWatchdog()
  if (timeline) printTimeline(boot.times)
  // Last, since the host shows only the end of the log.
  for (const part of message.split('\n')) line(`fatal: ${part}`)
  const stop = shell && boot.root !== undefined ? load('supervise').runShell(boot.relay) : undefined
  return shutDown(boot, outcome, stop ?? powerAfter(boot.settings))
}

function stopEarly(boot: Machine, power: PowerState): never {
  line('stopped on request, before the entrypoint was started')
  return shutDown(boot, STOPPED, power)
}

function shutDown({ settings, root, cgroup, relay }: Machine, outcome: Outcome, power: PowerState): never {
  return load('supervise').shutDown({
    outcome,
    power,
    cgroup,
    grace: settings.grace * 1000,
    record: root !== undefined && !root.readOnly,
    relay,
  })
}
