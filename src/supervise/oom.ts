/** Whether the kernel killed the entrypoint for want of memory: by its cgroup's counter and the kernel's log. */

import { SIGKILL } from '../sys/flags.ts'
import { readKernelLog } from '../sys/linux.ts'
import { type Cgroup, readOomKills } from './cgroup.ts'
import { restoreLimits } from './limits.ts'
import { namesVictim, signalOf } from './outcome.ts'

/** How much of the log's end is read: the kernel logs a line or two after it has named its victim. */
const LOG_SIZE = 16_384

/** @param status as wait(2) encodes it */
export function wasKilledForMemory(cgroup: Cgroup, pid: number, status: number): boolean {
  if (signalOf(status) !== SIGKILL) return false
  // Without descriptors nothing can be read.
  restoreLimits()
  // The counter has everything that the cgroup ever lost, such as a worker an hour ago; the log has the pids.
  if (readOomKills(cgroup) === 0) return false
  const log = readKernelLog(LOG_SIZE)
  return typeof log !== 'string' || namesVictim(log, pid)
}
