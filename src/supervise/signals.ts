/** Signals to PID 1: blocked from the start, and read from a descriptor. */

import { watchSignals } from '../boot/io/requests.ts'
import { must } from '../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, SIG_BLOCK } from '../sys/flags.ts'
import { signalfd, sigprocmask } from '../sys/linux.ts'
import type { Words } from '../sys/port.ts'

/**
 * All but those that a fault in PID 1 itself raises (ILL, TRAP, BUS, FPE, SEGV, SYS), which must not be blocked, and those
 * that can't be caught (KILL, STOP): a sigset_t of 64 bits.
 */
export const WATCHED: Words = Uint32Array.of(~0x4004_05d8, ~0)

/** Blocks all signals, so that those that arrive during the boot wait; `boot/io/requests.ts` reads them from then on. */
export function openSignals(): void {
  blockSignals()
  watchSignals(must(signalfd(WATCHED, O_CLOEXEC | O_NONBLOCK), () => 'signalfd'))
}

export function blockSignals(): void {
  must(sigprocmask(SIG_BLOCK, WATCHED), () => 'sigprocmask')
}
