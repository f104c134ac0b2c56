/** What is started, and how: the child's way from fork to execve as a list of system calls. */

import type { Identity } from '../config/users.ts'
import { type Call, type SpawnResult, spawn, stringVector } from '../sys/calls.ts'
import { O_CLOEXEC, O_WRONLY, RLIMIT_NOFILE, SIG_SETMASK, TIOCSCTTY } from '../sys/flags.ts'
import {
  chdir,
  close,
  currentRuntime,
  open,
  SYS_chdir,
  SYS_execve,
  SYS_ioctl,
  SYS_prlimit64,
  SYS_rt_sigprocmask,
  SYS_setgroups,
  SYS_setresgid,
  SYS_setresuid,
  SYS_setsid,
  SYS_write,
  syscall,
} from '../sys/linux.ts'
import type { Words } from '../sys/port.ts'
import { holdSignals } from './signals.ts'

export interface Workload {
  /** The file to execute. */
  readonly path: string
  readonly argv: readonly string[]
  /** `KEY=value` */
  readonly environment: readonly string[]
  readonly identity: Identity
  readonly cwd: string
}

/** root, as every image has it. */
export const ROOT: Identity = { name: 'root', uid: 0, gid: 0, groups: [], home: '/root' }

/** Soft and hard, as systemd has them: select(2) breaks above 1024, so who can do better raises it. */
const NOFILE_SOFT = 1024
const NOFILE_HARD = 524_288

/**
 * Starts the workload as a child in a session of its own, with the console as its controlling terminal, default
 * dispositions, an empty signal mask and no descriptor above 2 (all of PID 1's are close-on-exec).
 * @param cgroup the descriptor of its cgroup's directory; negative for none
 */
export function startWorkload(workload: Workload, cgroup = -1): SpawnResult {
  const calls: Call[] = [
    { number: SYS_setsid, args: [], name: 'setsid' },
    // No terminal, as with console=none: the container does without.
    {
      number: SYS_ioctl,
      args: [0, TIOCSCTTY, 1],
      tolerated: true,
      name: 'take the console as controlling terminal',
    },
    ...becoming(workload),
  ]
  // It begins there: who moves waits for all processors to have seen it, 20 to 30 ms.
  const begun = spawn(currentRuntime(), calls, cgroup)
  return begun.pid < 0 && cgroup >= 0 ? startAndMove(calls, cgroup) : begun
}

/** Where the kernel is older than that (5.7), or does not have it so. */
function startAndMove(calls: readonly Call[], cgroup: number): SpawnResult {
  const processes = open('cgroup.procs', O_WRONLY | O_CLOEXEC, 0, cgroup)
  // «0» is who writes it (cgroups(7)).
  const enter: Call = {
    number: SYS_write,
    args: [processes, '0', 1],
    tolerated: true,
    name: 'enter the cgroup',
  }
  const started = spawn(currentRuntime(), [enter, ...calls])
  close(processes)
  return started
}

/**
 * PID 1 becomes the workload. Comes back only where that failed, as root again, with the call and the negative errno: a
 * machine that nobody can take down would be worse than one without its entrypoint.
 */
export function becomeWorkload(workload: Workload): { call: Call; result: number } {
  const calls = becoming(workload)
  let last = { call: calls[0] as Call, result: 0 }
  for (const call of calls) {
    last = { call, result: syscall(call.number, ...call.args) }
    if (last.result < 0 && call.tolerated !== true) break
  }
  syscall(SYS_setresuid, 0, 0, 0)
  syscall(SYS_setresgid, 0, 0, 0)
  chdir('/')
  holdSignals()
  return last
}

function becoming({ path, argv, environment, identity, cwd }: Workload): Call[] {
  const { uid, gid, groups } = identity
  const runtime = currentRuntime()
  return [
    {
      number: SYS_prlimit64,
      args: [0, RLIMIT_NOFILE, limit(NOFILE_SOFT, NOFILE_HARD), 0],
      tolerated: true,
      name: 'setrlimit NOFILE',
    },
    { number: SYS_setgroups, args: [groups.length, ids(groups)], name: `setgroups ${groups.join(' ')}` },
    // The saved ids stay root's until execve sets them to the effective ones (execve(2)): the way back from a failure.
    { number: SYS_setresgid, args: [gid, gid, 0], name: `setgid ${gid}` },
    { number: SYS_setresuid, args: [uid, uid, 0], name: `setuid ${uid}` },
    // As the user, so that a directory that only root may enter is told now.
    { number: SYS_chdir, args: [cwd], name: `chdir ${cwd}` },
    // Last before the execve: until here nothing may interrupt.
    { number: SYS_rt_sigprocmask, args: [SIG_SETMASK, new Uint32Array(2), 0, 8], name: 'sigprocmask' },
    {
      number: SYS_execve,
      args: [path, stringVector(runtime, argv), stringVector(runtime, environment)],
      name: `execve ${path}`,
    },
  ]
}

/** struct rlimit64 — getrlimit(2) */
const limit = (soft: number, hard: number): Words => Uint32Array.of(soft, 0, hard, 0)

/** gid_t[], and one more: what is empty has no address. */
function ids(groups: readonly number[]): Words {
  const list = new Uint32Array(groups.length + 1)
  groups.forEach((group, at) => {
    list[at] = group
  })
  return list
}
