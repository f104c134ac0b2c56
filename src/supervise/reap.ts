/** Reaps children that have ended, many at a time: orphans may come by the thousand, and their ends interest nobody. */

import { putWord64, word } from '../lib/bytes.ts'
import { ARGUMENTS, CALL_WORDS, RESULT } from '../sys/calls.ts'
import { WNOHANG } from '../sys/flags.ts'
import { currentRuntime, poll, SYS_wait4, wait4 } from '../sys/linux.ts'
import type { Words } from '../sys/port.ts'

/** As many in one go as make the interpreter's share negligible. */
const BATCH = 64

/** Orphans may come faster than they are reaped; after so many batches requests get a look, or nothing could stop the machine. */
const BATCHES = 64

/**
 * How long orphans gather before they are reaped, in milliseconds. Whoever makes many makes them one after another, and a
 * wake-up for each would cost more than the rest; of those that one parent leaves behind, the kernel reports the first one
 * while it still has to hand over the others.
 */
const GATHER = 5

/** Where a call has the address of wait4's status. */
const STATUS_ADDRESS = ARGUMENTS + 2
const OPTIONS = ARGUMENTS + 4
/** And where the status itself is put: into an argument that wait4 does not have. */
const STATUS = ARGUMENTS + 8

/** For `reap`, where nobody's end is of interest. */
export const NOBODY = 0

/** wait4(2) for any child, so many times, as `drain` takes it. */
export type Reaper = Words

export interface Reaped {
  /** How the one that was asked for ended, as wait(2) encodes it; undefined where it did not. */
  readonly status: number | undefined
  /** What is left: more that have ended, maybe; only running children; no child at all. */
  readonly left: 'ended' | 'running' | 'none'
}

/** pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) for any child — wait4(2) */
export function makeReaper(): Reaper {
  const calls = new Uint32Array(BATCH * CALL_WORDS)
  const address = currentRuntime().addressOf(calls)
  for (let at = 0; at < calls.length; at += CALL_WORDS) {
    calls[at] = SYS_wait4
    putWord64(calls, at + ARGUMENTS, -1)
    putWord64(calls, at + STATUS_ADDRESS, address + (at + STATUS) * 4)
    calls[at + OPTIONS] = WNOHANG
  }
  return calls
}

/**
 * Reaps what has ended, without waiting for it.
 * @param pid the one whose end is of interest; others may be reaped in the same go
 * @param gather whether others may take a moment, so that they are many
 */
export function reap(reaper: Reaper, pid: number, gather = false): Reaped {
  if (gather) {
    const one = pid === NOBODY ? undefined : wait4(pid, WNOHANG)
    if (one?.pid === pid) return { status: one.status, left: 'ended' }
    poll([], GATHER)
  }
  for (let batch = 1; ; batch++) {
    const count = currentRuntime().drain(reaper, BATCH)
    const status = statusOf(reaper, count, pid)
    if (count < BATCH) return { status, left: resultOf(reaper, count) === 0 ? 'running' : 'none' }
    if (status !== undefined || batch === BATCHES) return { status, left: 'ended' }
  }
}

/** How one of the first `count` that were reaped ended. */
function statusOf(reaper: Reaper, count: number, pid: number): number | undefined {
  // One step of the engine, which nearly always finds nothing. What it finds may be another word of the same value.
  if (pid === NOBODY || !reaper.includes(pid)) return undefined
  for (let index = 0; index < count; index++) {
    if (resultOf(reaper, index) === pid) return word(reaper, index * CALL_WORDS + STATUS)
  }
  return undefined
}

/** A call's answer: a pid, 0 or a negative errno, so that the lower word with its sign is all of it. */
const resultOf = (reaper: Reaper, index: number): number => word(reaper, index * CALL_WORDS + RESULT) | 0
