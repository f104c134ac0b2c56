/** PID 1, in order. */

import {
  harmless,
  info,
  line,
  openLog,
  openTerminal,
  setLogLevel,
  warn,
  warnings,
} from './boot/io/console.ts'
import { isDeviceSource, seedDisks } from './boot/io/device.ts'
import { isDirectory, readText } from './boot/io/files.ts'
import { closeModules, loadModules, openModules } from './boot/io/modules.ts'
import { heedStop, listen, Stopped } from './boot/io/requests.ts'
import { DISK_PATIENCE, SERVER_PATIENCE, stopWatchdog, watch } from './boot/io/watchdog.ts'
import {
  enterRoot,
  freeInitramfs,
  mountRoot,
  openInitramfs,
  type Root,
  sealRoot,
} from './boot/stages/root.ts'
import type { Leases } from './boot/steps/leases.ts'
import { mountPseudo } from './boot/steps/mount.ts'
import { Fatal, noProgress, type Progress, printTimeline, runSteps, type StepTime } from './boot/steps.ts'
import type { Parsed } from './config/keys.ts'
import { configure, parseCommandLine, parseRootFiles } from './config/layers.ts'
import type { ExitPolicy, Layer, MachineConfig, Settings } from './config/machine.ts'
import { DEFAULT_ROOT, DEFAULT_SETTINGS } from './config/merge.ts'
import type { Identity } from './config/users.ts'
import { load } from './lazy.ts'
import { formatProblem } from './lib/problem.ts'
import { trim } from './lib/text.ts'
import { AUTHORIZED_KEYS, EARLY_MOUNTS, plan } from './plan/plan.ts'
import { openCgroup } from './supervise/cgroup.ts'
import { resolveEntrypoint, wantsPid1 } from './supervise/entrypoint.ts'
import type { Service } from './supervise/loop.ts'
import { failure, type Outcome, STOPPED } from './supervise/outcome.ts'
import { armWatchdog } from './supervise/power.ts'
import { openSignals } from './supervise/signals.ts'
import type { PowerState } from './supervise/state.ts'
import { becomeWorkload, ROOT, startWorkload, type Workload } from './supervise/workload.ts'
import { SysError } from './sys/errno.ts'
import { LINUX_REBOOT_CMD_CAD_OFF, O_PATH } from './sys/flags.ts'
import {
  close,
  currentRuntime,
  microseconds,
  open,
  reboot,
  setConsoleLevel,
  uptime,
  useRuntime,
  wait4,
} from './sys/linux.ts'
import type { Runtime } from './sys/port.ts'

/** Kernel messages on the console: errors and worse, so that the container's output can be read; all but debugging. */
const QUIET = 4
const LOUD = 7

/** Where there is nothing to start again, `restart` begins with the machine. */
const restartOr = (onExit: ExitPolicy): PowerState => (onExit === 'restart' ? 'reboot' : onExit)

/** What the way down needs, whenever it begins. */
interface Boot {
  settings: Settings
  root: Root | undefined
  readonly times: StepTime[]
}

/** Runs as PID 1 and does not return. */
export function main(runtime: Runtime): never {
  useRuntime(runtime)
  holdStandardStreams()
  openSignals()
  const boot: Boot = { settings: DEFAULT_SETTINGS, root: undefined, times: [] }
  try {
    return run(boot)
  } catch (error) {
    if (error instanceof Stopped) return stopEarly(boot, error.power)
    const message = error instanceof Error ? error.message : String(error)
    const ours = error instanceof Fatal || error instanceof SysError
    return abandon(boot, { message: ours ? message : `internal error: ${message}`, outcome: failure(125) })
  }
}

/**
 * Where the kernel found no console for init, the standard descriptors are free, and what is opened first would get them and
 * be lost to `openTerminal`.
 */
function holdStandardStreams(): void {
  let fd = open('/', O_PATH)
  while (fd >= 0 && fd < 3) fd = open('/', O_PATH)
  close(fd)
}

function run(boot: Boot): never {
  const began = microseconds()
  prepare()
  // The start of this program among it, which is a few milliseconds.
  const kernel = { name: () => 'kernel', took: began }
  boot.times.push(kernel, { name: () => 'initramfs', took: microseconds() - began })
  const cmdline = timed(boot, 'command line', () => readCommandLine(boot))
  inspect(boot.settings)
  const wanted = { ...DEFAULT_ROOT, ...cmdline.root }
  const deadline = uptime() + wanted.delay * 1000
  const initramfs = openInitramfs()
  const theRoot = harmless(`the root ${wanted.source}`)
  const patience = isDeviceSource(wanted.source) ? DISK_PATIENCE : SERVER_PATIENCE
  const watchRoot = (): void => watch(theRoot, patience)
  // From here on disks and the host's file servers are asked, and one that has died never answers.
  guardBoot(boot.settings)
  watchRoot()
  const mounted = timed(boot, `root ${wanted.source}`, () => mountRoot(wanted, deadline))
  // After the root, which may have taken its time to appear: a seed that comes late is there by now as well.
  const host = timed(boot, 'seed', () => [cmdline, ...readSeed()])
  watchRoot()
  const early = configure([], host, false)
  timed(boot, 'change to the root', () => {
    const targets = early.mounts.map(({ target }) => target)
    const files = early.authorizedKeys.length > 0 ? [AUTHORIZED_KEYS] : []
    boot.root = enterRoot(mounted, targets, files)
  })
  const config = timed(boot, 'configuration of the root', () => readRoot(early, host))
  // Variables of the root and of the seed may have changed them.
  useSettings(boot, config.settings)
  const { steps, problems, refusals } = plan(config)
  for (const problem of problems) warn(problem)
  if (refusals.length > 0) throw new Fatal(refusals.join('\n'))
  if (config.settings.strict && warnings() > 0)
    throw new Fatal('zmachine.strict: the warnings above are errors')
  const progress = noProgress()
  for (const time of runSteps(steps, config.settings, deadline, progress, watchRoot)) boot.times.push(time)
  timed(boot, 'free the initramfs', () => {
    // The power button; nobody waits for it.
    loadModules('button', 'evdev')
    closeModules()
    freeInitramfs(initramfs)
  })
  if (boot.root?.overlaid === true) sealRoot()
  return start(boot, config, progress)
}

/** The initramfs: pseudo file systems, the log, drivers. */
function prepare(): void {
  for (const step of EARLY_MOUNTS) mountPseudo(step)
  openLog()
  // Ctrl-Alt-Del becomes SIGINT to PID 1 instead of an immediate reset.
  reboot(LINUX_REBOOT_CMD_CAD_OFF)
  openModules(trim(readText('/proc/sys/kernel/osrelease') ?? ''))
  loadModules('virtio_pci', 'virtio_mmio', 'virtio_blk')
}

function timed<T>(boot: Boot, name: string, work: () => T): T {
  const start = microseconds()
  const result = work()
  boot.times.push({ name: () => name, took: microseconds() - start })
  return result
}

/** The kernel command line, the weaker part of what the host says. It tells where the root is, and how to log. */
function readCommandLine(boot: Boot): Layer {
  const layer = told(parseCommandLine(readText('/proc/cmdline') ?? ''))
  useSettings(boot, { ...DEFAULT_SETTINGS, ...layer.settings })
  return layer
}

function useSettings(boot: Boot, settings: Settings): void {
  boot.settings = settings
  setLogLevel(settings.log)
}

/** As early as the port is known. A debugger is no reason not to boot. */
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

/** A debugger may stop PID 1 for as long as it likes. */
function guardBoot({ inspect, onExit }: Settings): void {
  if (inspect === undefined) armWatchdog(restartOr(onExit))
}

/** The seed, the stronger part, where there is one. */
function readSeed(): readonly Layer[] {
  const disks = seedDisks()
  if (disks.length === 0) return []
  const seed = load('seed').readSeed(disks)
  for (const problem of seed.problems) warn(problem)
  return seed.layers
}

/** What the root itself says, below the host. */
function readRoot(early: MachineConfig, host: readonly Layer[]): MachineConfig {
  const root = parseRootFiles(readText, load, isDirectory).map(told)
  return root.length === 0 ? early : configure(root, host, false)
}

function told({ layer, problems }: Parsed): Layer {
  for (const problem of problems) warn(formatProblem(problem))
  return layer
}

interface Refused {
  readonly message: string
  readonly outcome: Outcome
}

/** Hands over to an init of the image's own, or starts the entrypoint and supervises it. */
function start(boot: Boot, config: MachineConfig, { leases }: Progress): never {
  const { settings } = config
  const workload = prepareWorkload(config)
  if ('outcome' in workload) return abandon(boot, workload)
  if (settings.timeline) printTimeline(boot.times)
  const handOver = wantsPid1(settings.mode, workload.path, config.args)
  // Not its arguments: they may hold secrets, and are the host's own to know.
  if (settings.log !== 'debug') setConsoleLevel(QUIET)
  info(`${handOver ? 'handing over to' : 'starting'} ${workload.path} after ${uptime()} ms`)
  // The kernel gives it to root, who can open it as it is.
  const { uid } = workload.identity
  const owner = uid === ROOT.uid ? undefined : uid
  openTerminal(owner)
  listen()
  heedStop()
  if (handOver) {
    stopWatchdog()
    const { call, result } = becomeWorkload(workload)
    return abandon(boot, refusal(workload, call.name, result))
  }
  const pid = launch(workload)
  stopWatchdog()
  if (typeof pid !== 'number') return abandon(boot, pid)
  return load('supervise').supervise({
    pid,
    policy: { onExit: settings.onExit, grace: settings.grace * 1000 },
    start: () => {
      guardBoot(settings)
      watch(harmless(workload.path), SERVER_PATIENCE)
      openTerminal(owner)
      const again = launch(workload)
      stopWatchdog()
      if (typeof again === 'number') return again
      line(`error: ${again.message}`)
      return again.outcome
    },
    shutDown: (outcome, power) => shutDown(boot, outcome, power),
    service: leases === undefined ? undefined : leaseService(leases),
  })
}

function leaseService(leases: Leases): Service {
  const { leaseFds, leaseDeadline, handleLeases } = load('dhcp')
  return {
    fds: leaseFds(leases),
    deadline: () => leaseDeadline(leases),
    handle: (now) => handleLeases(leases, now),
  }
}

function prepareWorkload(config: MachineConfig): Workload | Refused {
  const { init, args, settings, environment } = config
  const identity = identityOf(settings.user)
  if (typeof identity === 'string') return { message: `zmachine.user: ${identity}`, outcome: failure(125) }
  const path = environment.get('PATH') ?? ''
  const found = resolveEntrypoint(init, settings.cwd, path)
  if (!('path' in found)) {
    const near = found.code === 127 ? load('supervise').nearPrograms(init, settings.cwd, path) : ''
    return { message: found.message + near, outcome: failure(found.code) }
  }
  const assignments = environment.has('HOME') ? [] : [`HOME=${identity.home}`]
  environment.forEach((value, key) => {
    assignments.push(`${key}=${value}`)
  })
  return {
    path: found.path,
    argv: [init, ...args],
    environment: assignments,
    identity,
    cwd: settings.cwd,
  }
}

/** Without zmachine.user it is root, whose home is the same everywhere: no reason to read passwd. */
function identityOf(user: string | undefined): Identity | string {
  if (user === undefined) return ROOT
  return load('users').resolveUser(user, readText('/etc/passwd') ?? '', readText('/etc/group') ?? '')
}

/** The child's pid, or why there is none. */
function launch(workload: Workload): number | Refused {
  const { pid, failed } = startWorkload(workload, openCgroup(workload.identity))
  if (pid < 0) return { message: new SysError('fork', pid).message, outcome: failure(125) }
  if (failed === undefined) return pid
  wait4(pid, 0)
  return refusal(workload, failed.call.name, failed.result)
}

function refusal({ path }: Workload, call: string, result: number): Refused {
  if (!call.startsWith('execve'))
    return { message: new SysError(call, result).message, outcome: failure(125) }
  const { code, message } = load('supervise').explainExec(path, result)
  return { message, outcome: failure(code) }
}

/** A fatal error: told in full, a shell where one was asked for, then the exit policy. */
function abandon(boot: Boot, { message, outcome }: Refused): never {
  for (const part of message.split('\n')) line(`fatal: ${part}`)
  const { onExit, shell, timeline } = boot.settings
  stopWatchdog()
  setConsoleLevel(LOUD)
  if (timeline) printTimeline(boot.times)
  const stop = shell && boot.root !== undefined ? load('supervise').runShell() : undefined
  return shutDown(boot, outcome, stop ?? restartOr(onExit))
}

/** A stop that was asked for before the entrypoint was started. */
function stopEarly(boot: Boot, power: PowerState): never {
  line('stopped on request, before the entrypoint was started')
  return shutDown(boot, STOPPED, power)
}

function shutDown({ settings, root }: Boot, outcome: Outcome, power: PowerState): never {
  return load('supervise').shutDown({
    outcome,
    power,
    grace: settings.grace * 1000,
    record: root !== undefined && !root.readOnly,
  })
}
