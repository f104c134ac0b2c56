/** Signals to PID 1, held back from its first moment on and read from a descriptor. */

import { watchSignals } from '../boot/io/requests.ts'
import { must } from '../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, SIG_BLOCK } from '../sys/flags.ts'
import { signalfd, sigprocmask } from '../sys/linux.ts'
import type { Words } from '../sys/port.ts'

/**
 * All but those that a fault of PID 1's own raises (ILL, TRAP, BUS, FPE, SEGV, SYS: they must not be held back) and
 * those that can't be caught (KILL, STOP): a sigset_t of 64 bits.
 */
export const WATCHED: Words = Uint32Array.of(~0x4004_05d8, ~0)

/** Holds back every signal; `run/requests.ts` reads them from then on. Early: what comes during the boot waits. */
export function openSignals(): void {
  holdSignals()
  watchSignals(must(signalfd(WATCHED, O_CLOEXEC | O_NONBLOCK), () => 'signalfd'))
}

export function holdSignals(): void {
  must(sigprocmask(SIG_BLOCK, WATCHED), () => 'sigprocmask')
}
