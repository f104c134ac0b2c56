/** Whether the kernel killed the entrypoint for want of memory: by its cgroup's count, and by the kernel's log. */

import { SIGKILL } from '../sys/flags.ts'
import { readKernelLog } from '../sys/linux.ts'
import { readOomKills } from './cgroup.ts'
import { restoreLimits } from './limits.ts'
import { namesVictim, signalOf } from './outcome.ts'

/** How much of the log's end is read: what the kernel says after it has named its victim is a line or two. */
const LOG_SIZE = 16_384

/** @param status as wait(2) encodes it */
export function wasKilledForMemory(pid: number, status: number): boolean {
  if (signalOf(status) !== SIGKILL) return false
  // Without descriptors nothing could be counted.
  restoreLimits()
  // The count has all that the cgroup ever lost, a worker of an hour ago among them; the log has their pids.
  if (readOomKills() === 0) return false
  const log = readKernelLog(LOG_SIZE)
  return typeof log !== 'string' || namesVictim(log, pid)
}
