/** The last step of a boot: hands over to the image's own init, or starts the entrypoint and supervises it. */

import { harmless, info, line, openTerminal, quietKernel, warn } from './boot/io/console.ts'
import { readText } from './boot/io/files.ts'
import { listen, throwIfStopped } from './boot/io/requests.ts'
import { pauseWatchdog, SERVER_PATIENCE, stopWatchdog, watch } from './boot/io/watchdog.ts'
import type { Relay } from './boot/log/relay.ts'
import { type Boot, printTimeline } from './boot/run-steps.ts'
import type { Leases } from './boot/steps/leases.ts'
import type { Settings } from './config/machine.ts'
import type { Identity } from './config/users.ts'
import { load } from './lazy.ts'
import type { StartStep } from './plan/step.ts'
import { type Cgroup, openCgroup } from './supervise/cgroup.ts'
import { releaseCgroups, resolveEntrypoint, wantsPid1 } from './supervise/entrypoint.ts'
import type { Service, Supervision } from './supervise/loop.ts'
import { failure, type Outcome } from './supervise/outcome.ts'
import { armWatchdog } from './supervise/power.ts'
import type { PowerState } from './supervise/state.ts'
import { becomeWorkload, ROOT, startWorkload, type Workload } from './supervise/workload.ts'
import { SysError } from './sys/errno.ts'
import { uptime, wait4 } from './sys/linux.ts'

/** What the boot has made, and the entrypoint's cgroup. */
export interface Machine extends Boot {
  readonly cgroup: Cgroup
}

/** Why the entrypoint can't be started, and the outcome that the machine reports. */
export interface Refusal {
  readonly message: string
  readonly outcome: Outcome
}

/** How a machine ends that has no entrypoint: with nothing to start again, `restart` restarts the machine. */
export const powerAfter = ({ onExit }: Settings): PowerState => (onExit === 'restart' ? 'reboot' : onExit)

/** Starts the watchdog; not under a debugger, which may stop PID 1 for as long as it likes. */
export function guardBoot(settings: Settings): void {
  if (settings.inspect === undefined) armWatchdog(powerAfter(settings))
}

/** Returns only if the entrypoint can't be started. */
export function start(
  step: StartStep,
  environment: ReadonlyMap<string, string>,
  machine: Machine,
  shutDown: Supervision['shutDown'],
): Refusal {
  const { settings, times, leases, cgroup } = machine
  const workload = prepareWorkload(step, environment)
  if ('outcome' in workload) return workload
  if (settings.timeline) printTimeline(times)
  const handOver = wantsPid1(step.mode, workload.path, step.args)
  // So that the container's output can be read.
  quietKernel()
  // Not its arguments: they may hold secrets, and the host knows them.
  info(`${handOver ? 'handing over to' : 'starting'} ${workload.path} after ${uptime()} ms`)
  machine.relay = openStreams(workload, machine, handOver)
  listen()
  throwIfStopped()
  if (handOver) {
    stopWatchdog()
    releaseCgroups(workload.path)
    const { call, result } = becomeWorkload(workload)
    return refusal(workload, call.name, result)
  }
  const pid = launch(workload, machine)
  restWatchdog(machine)
  if (typeof pid !== 'number') return pid
  return load('supervise').supervise({
    pid,
    cgroup,
    policy: { onExit: settings.onExit, grace: settings.grace * 1000 },
    start: () => startAgain(workload, machine),
    relay: machine.relay,
    shutDown,
    service: leases === undefined ? undefined : leaseService(leases),
  })
}

function startAgain(workload: Workload, machine: Machine): number | Outcome {
  const { settings, relay } = machine
  guardBoot(settings)
  watch(harmless(workload.path), SERVER_PATIENCE)
  giveStreams(workload, relay)
  const pid = launch(workload, machine)
  restWatchdog(machine)
  if (typeof pid === 'number') return pid
  line(`error: ${pid.message}`)
  return pid.outcome
}

/** The entrypoint's standard streams. @returns the relay that keeps its output in a file as well, if one was asked for */
function openStreams(
  workload: Workload,
  { settings: { logFile } }: Machine,
  handOver: boolean,
): Relay | undefined {
  if (logFile !== undefined && handOver)
    warn('zmachine.log_file: not in mode exec, in which PID 1 is gone and nobody keeps the output')
  const relay = logFile === undefined || handOver ? undefined : load('log').openRelay(logFile)
  giveStreams(workload, relay)
  return relay
}

/** The terminal, or what the relay reads. */
function giveStreams(workload: Workload, relay: Relay | undefined): void {
  const owner = ownerOf(workload)
  if (relay === undefined) openTerminal(owner)
  else relay.openStreams(owner)
}

/** From here on PID 1 uses files of the root only for a log. */
function restWatchdog({ relay }: Machine): void {
  if (relay === undefined) stopWatchdog()
  else pauseWatchdog()
}

/** The user who gets the terminal; undefined for root, who has it already. */
const ownerOf = ({ identity: { uid } }: Workload): number | undefined => (uid === ROOT.uid ? undefined : uid)

function leaseService(leases: Leases): Service {
  const { leaseFds, leaseDeadline, handleLeases } = load('dhcp')
  return {
    fds: leaseFds(leases),
    deadline: () => leaseDeadline(leases),
    handle: (now) => handleLeases(leases, now),
  }
}

function prepareWorkload(
  { init, args, user, cwd }: StartStep,
  environment: ReadonlyMap<string, string>,
): Workload | Refusal {
  const identity = identityOf(user)
  if (typeof identity === 'string') return { message: `zmachine.user: ${identity}`, outcome: failure(125) }
  const path = environment.get('PATH') ?? ''
  const found = resolveEntrypoint(init, cwd, path)
  if (!('path' in found)) {
    const near = found.code === 127 ? load('supervise').nearPrograms(init, cwd, path) : ''
    return { message: found.message + near, outcome: failure(found.code) }
  }
  const assignments = environment.has('HOME') ? [] : [`HOME=${identity.home}`]
  environment.forEach((value, key) => {
    assignments.push(`${key}=${value}`)
  })
  return { path: found.path, argv: [init, ...args], environment: assignments, identity, cwd }
}

/** Without zmachine.user it is root, for whom passwd need not be read. */
function identityOf(user: string | undefined): Identity | string {
  if (user === undefined) return ROOT
  return load('users').resolveUser(user, readText('/etc/passwd') ?? '', readText('/etc/group') ?? '')
}

/** The child's pid, or why there is none. */
function launch(workload: Workload, { cgroup, relay }: Machine): number | Refusal {
  // The relay has paused the watchdog.
  if (relay !== undefined) watch(harmless(workload.path), SERVER_PATIENCE)
  openCgroup(cgroup, workload.identity)
  const { pid, failed } = startWorkload(workload, cgroup.directory)
  if (pid < 0) return { message: new SysError('fork', pid).message, outcome: failure(125) }
  if (failed === undefined) return pid
  wait4(pid, 0)
  return refusal(workload, failed.call.name, failed.result)
}

function refusal({ path }: Workload, call: string, result: number): Refusal {
  if (!call.startsWith('execve'))
    return { message: new SysError(call, result).message, outcome: failure(125) }
  const { code, message } = load('supervise').explainExec(path, result)
  return { message, outcome: failure(code) }
}
