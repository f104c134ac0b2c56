/** Starts the entrypoint: the child's system calls from fork to execve. */

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
import { blockSignals } from './signals.ts'

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

/** systemd's defaults: select(2) breaks above 1024, so programs that can handle more raise the soft limit themselves. */
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
    // Without a terminal (console=none) the container does without one.
    {
      number: SYS_ioctl,
      args: [0, TIOCSCTTY, 1],
      tolerated: true,
      name: 'take the console as controlling terminal',
    },
    ...becoming(workload),
  ]
  // Starts inside the cgroup: moving there later takes 20 to 30 ms, until all processors have noticed.
  const begun = spawn(currentRuntime(), calls, cgroup)
  return begun.pid < 0 && cgroup >= 0 ? startAndMove(calls, cgroup) : begun
}

/** For kernels before 5.7, which can't start a child inside a cgroup. */
function startAndMove(calls: readonly Call[], cgroup: number): SpawnResult {
  const processes = open('cgroup.procs', O_WRONLY | O_CLOEXEC, 0, cgroup)
  // "0" stands for the writing process (cgroups(7)).
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
 * PID 1 becomes the workload. Returns only on failure, as root again, with the call and the negative errno: PID 1 must still
 * be able to shut the machine down.
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
  blockSignals()
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
    // The saved ids stay root's until execve replaces them (execve(2)): the way back after a failure.
    { number: SYS_setresgid, args: [gid, gid, 0], name: `setgid ${gid}` },
    { number: SYS_setresuid, args: [uid, uid, 0], name: `setuid ${uid}` },
    // As the user, so that a directory that only root may enter is an error here.
    { number: SYS_chdir, args: [cwd], name: `chdir ${cwd}` },
    // Last before the execve: nothing may interrupt what comes before.
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

/** gid_t[], with one more: empty memory has no address. */
function ids(groups: readonly number[]): Words {
  const list = new Uint32Array(groups.length + 1)
  groups.forEach((group, at) => {
    list[at] = group
  })
  return list
}
