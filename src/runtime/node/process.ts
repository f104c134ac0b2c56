/** Undoes what Node has changed in the process, so that PID 1 finds it as in the lean build. */

import ffi from 'node:ffi'
import { readdirSync, readFileSync } from 'node:fs'
import { WATCHED } from '../../supervise/signals.ts'
import { SIG_BLOCK } from '../../sys/flags.ts'
import { mount, SYS_getpid, sigprocmask, umount, useRuntime } from '../../sys/linux.ts'
import type { Runtime } from '../../sys/port.ts'
import { mapCode } from './machine-code.ts'
import { IGNORED, passOnStandardStreams, SIG_DFL } from './spawn.ts'

// sigaction(2), tgkill(2), prctl(2)
const SYS_rt_sigaction = 13
const SYS_prctl = 157
const SYS_tgkill = 234
const PR_SET_NAME = 15
const SIGRTMAX = 64
const SA_SIGINFO = 4n
const SA_RESTORER = 0x0400_0000n
const SA_RESTART = 0x1000_0000n

/** SIGCANCEL and SIGSETXID, 32 and 33, which glibc keeps for itself and holds back from no thread. */
const OF_LIBC = 0x1_8000_0000n

/** Where in the handler's code its restorer is, in bytes. */
const RESTORER = 18n

/** How often we look whether the threads hold their signals back, a millisecond apart. */
const TRIES = 2000

/** Call once, before `main`. A program that replaces us by execve(2) inherits what is not undone here. */
export function settle(runtime: Runtime): void {
  useRuntime(runtime)
  holdSignalsInAllThreads(runtime)
  // What is ignored stays ignored over execve(2).
  for (const signal of IGNORED) setAction(runtime, signal)
  passOnStandardStreams(runtime.syscall)
  // As the kernel names it, for whoever reads a list of processes: Node names its threads.
  runtime.syscall(SYS_prctl, PR_SET_NAME, 'init')
}

/**
 * A signal to the process goes to any thread that does not hold it back: one of V8's or Node's would take it, do nothing,
 * and the descriptor from which the main thread reads signals would never know. A thread's mask can be changed by itself
 * only, so each gets a signal whose handler changes the mask to which it returns. Threads that begin later have
 * their creator's.
 */
function holdSignalsInAllThreads(runtime: Runtime): void {
  const { syscall } = runtime
  const [all = 0n] = new BigUint64Array(WATCHED.buffer)
  const watched = all & ~OF_LIBC
  sigprocmask(SIG_BLOCK, WATCHED)
  const mask = Buffer.from(BigUint64Array.of(watched).buffer).toString('hex')
  const handler = mapCode(syscall, [
    `48 b8 ${mask}       `, // mov  rax, WATCHED
    '48 09 82 28 01 00 00', // or   [rdx+296], rax   ucontext's uc_sigmask
    'c3                  ', // ret                   to the restorer
    'b8 0f 00 00 00      ', // mov  eax, 15          rt_sigreturn(2)
    '0f 05               ', // syscall
  ])
  // An initramfs has nothing mounted yet.
  const mounted = mount('proc', '/proc', 'proc', 0) === 0
  setAction(runtime, SIGRTMAX, handler, handler + RESTORER)
  const self = String(syscall(SYS_getpid))
  for (let tries = 0; ; tries++) {
    const others = readdirSync('/proc/self/task').filter((thread) => thread !== self)
    const loose = others.filter((thread) => !holds(thread, watched))
    if (loose.length === 0) break
    if (tries === TRIES) throw new Error(`threads ${loose.join(', ')} do not hold signals back`)
    for (const thread of loose) syscall(SYS_tgkill, Number(self), Number(thread), SIGRTMAX)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
  setAction(runtime, SIGRTMAX)
  if (mounted) umount('/proc')
}

/** Whether a thread holds them back; one that has just ended does. */
function holds(thread: string, watched: bigint): boolean {
  try {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'latin1')
    return (BigInt(`0x${/^SigBlk:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`) & watched) === watched
  } catch {
    return true
  }
}

function setAction(runtime: Runtime, signal: number, handler = SIG_DFL, restorer = 0n): void {
  // struct sigaction of the kernel's: handler, flags, restorer, mask.
  const action = new BigUint64Array([handler, SA_SIGINFO | SA_RESTORER | SA_RESTART, restorer, 0n])
  const result = runtime.syscall(SYS_rt_sigaction, signal, Number(ffi.getRawPointer(action)), 0, 8)
  if (result < 0) throw new Error(`sigaction ${signal}: errno ${-result}`)
}
