/** Children that have ended are reaped many at a time: orphans may come by the thousand, and are of no interest. */

import { putWord64, word } from '../lib/bytes.ts'
import { CALL_WORDS, RESULT } from '../sys/calls.ts'
import { WNOHANG } from '../sys/flags.ts'
import { currentRuntime, poll, SYS_wait4, wait4 } from '../sys/linux.ts'
import type { Words } from '../sys/port.ts'

/** So many in one go that the engine's part in one does not count. */
const BATCH = 64

/** Where orphans come faster than they are reaped there would be no end; but somebody may want to stop the machine. */
const BATCHES = 64

/**
 * How long orphans gather before they are reaped, in milliseconds. Whoever makes many makes them one after another, and a
 * wake-up for each would cost more than the rest; of those that one parent leaves behind, the kernel tells the first one
 * while it still has to hand over the others.
 */
const GATHER = 5

/** Where in a record wait4 puts the status: an argument that it does not have. */
const STATUS = 10

/** For `reap`, where nobody's end is of interest. */
export const NOBODY = 0

let prepared: Words | undefined

export interface Reaped {
  /** How the one that was asked for ended, as wait(2) encodes it; undefined where it did not. */
  readonly status: number | undefined
  /** wait4's last answer: 0 where all children live, -ECHILD where there are none; more than 0 where more may have ended. */
  readonly answer: number
}

/**
 * Reaps what has ended, without waiting for it.
 * @param pid the one whose end is of interest; others may be reaped in the same go
 * @param gather whether others may take a moment, so that they are many
 */
export function reap(pid: number, gather = false): Reaped {
  if (gather) {
    const one = pid === NOBODY ? undefined : wait4(pid, WNOHANG)
    if (one?.pid === pid) return { status: one.status, answer: pid }
    poll([], GATHER)
  }
  prepared ??= prepareCalls()
  const calls = prepared
  const last = calls.length - CALL_WORDS + RESULT
  for (let batch = 1; ; batch++) {
    const end = currentRuntime().drain(calls, BATCH) * CALL_WORDS + RESULT
    const answer = word(calls, Math.min(end, last)) | 0
    // In one step of the engine; what it finds may be another word of the same value.
    if (calls.includes(pid)) {
      for (let at = RESULT; at < end; at += CALL_WORDS) {
        if (calls[at] === pid) return { status: word(calls, at - RESULT + STATUS), answer }
      }
    }
    if (answer <= 0 || batch === BATCHES) return { status: undefined, answer }
  }
}

/** pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) for any child — wait4(2) */
function prepareCalls(): Words {
  const calls = new Uint32Array(BATCH * CALL_WORDS)
  const address = currentRuntime().addressOf(calls)
  for (let at = 0; at < calls.length; at += CALL_WORDS) {
    calls[at] = SYS_wait4
    putWord64(calls, at + 2, -1)
    putWord64(calls, at + 4, address + (at + STATUS) * 4)
    calls[at + 6] = WNOHANG
  }
  return calls
}
