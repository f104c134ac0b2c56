/** PID 1's own resource limits, which the container's root may lower at any time (prlimit(2)). */

import { putWord64 } from '../lib/bytes.ts'
import {
  RLIM_INFINITY,
  RLIMIT_AS,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_NOFILE,
  RLIMIT_STACK,
} from '../sys/flags.ts'
import { SYS_prlimit64, syscall } from '../sys/linux.ts'

/** The kernel's own for its first process (INIT_RLIMITS). */
const STACK_SOFT = 8 << 20
const NOFILE_SOFT = 1024
const NOFILE_HARD = 4096

/** fs.nr_open, which root may lower too, is never less (sysctl_nr_open_min). */
const NOFILE_LEAST = 64

/**
 * Restores the limits that can get in PID 1's way: without descriptors it can neither wait for requests nor open what the
 * way down needs, and when its processor time is used up the kernel kills it.
 */
export function restoreLimits(): void {
  for (const resource of [RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS])
    setLimit(resource, RLIM_INFINITY, RLIM_INFINITY)
  setLimit(RLIMIT_STACK, STACK_SOFT, RLIM_INFINITY)
  if (setLimit(RLIMIT_NOFILE, NOFILE_SOFT, NOFILE_HARD) < 0)
    setLimit(RLIMIT_NOFILE, NOFILE_LEAST, NOFILE_LEAST)
}

/** int prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old) — getrlimit(2) */
function setLimit(resource: number, soft: number, hard: number): number {
  const limit = new Uint32Array(4)
  putWord64(limit, 0, soft)
  putWord64(limit, 2, hard)
  return syscall(SYS_prlimit64, 0, resource, limit)
}
