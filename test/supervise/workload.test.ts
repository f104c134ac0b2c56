import { afterEach, expect, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { ROOT, startWorkload } from '../../src/supervise/workload.ts'
import { SYS_setsid, SYS_write, useRuntime } from '../../src/sys/linux.ts'
import type { Words } from '../../src/sys/port.ts'

const SYS_openat = 257
const ENOSYS = 38

afterEach(() => useRuntime(nodeRuntime))

/** The kernels that CI boots all begin a child in a cgroup; what older ones answer is said here. */
test.each([
  ['begins in its cgroup', 42, ['into 3', SYS_setsid]],
  [
    'enters it by itself where the kernel is too old to begin there',
    -ENOSYS,
    ['into 3', SYS_setsid, SYS_write],
  ],
])('the entrypoint %s', (_, answer, expected) => {
  const made: unknown[] = []
  useRuntime({
    ...nodeRuntime,
    syscall: (number) => (number === SYS_openat ? 5 : 0),
    spawn(calls: Words) {
      made.push(calls[0])
      expect([calls[2], calls[6]]).toEqual([5, 1])
      return 43
    },
    spawnInto(cgroup, calls: Words) {
      made.push(`into ${cgroup}`, calls[0])
      return answer
    },
  })
  const workload = { path: '/bin/true', argv: ['true'], environment: [], identity: ROOT, cwd: '/' }
  expect(startWorkload(workload, 3)).toEqual({ pid: answer < 0 ? 43 : answer })
  expect(made).toEqual(expected)
})
