/** What is the Node host's own; what both hosts promise is in contract.test.ts. */

import { readFileSync, statSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { spawn, stringVector } from '../../src/sys/calls.ts'
import { SYS_execve, SYS_getpid, stat, useRuntime, wait4 } from '../../src/sys/linux.ts'

beforeAll(() => useRuntime(nodeRuntime))

it('makes its calls in this process', () => {
  expect(nodeRuntime.syscall(SYS_getpid)).toBe(process.pid)
})

it('goes on ignoring what Node ignores after a child was started that does not', () => {
  const argv = stringVector(nodeRuntime, ['/bin/true'])
  const { pid } = spawn(nodeRuntime, [{ number: SYS_execve, args: ['/bin/true', argv, argv], name: 'true' }])
  expect(wait4(pid, 0)).toEqual({ pid, status: 0 })
  const [, ignored = ''] =
    /^SigIgn:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/thread-self/status', 'latin1')) ?? []
  const SIGPIPE = 13n
  expect(BigInt(`0x${ignored}`) & (1n << (SIGPIPE - 1n))).not.toBe(0n)
})

it('stat reads what Node reads', () => {
  const { dev, mode } = statSync('/etc/passwd')
  expect(stat('/etc/passwd')).toMatchObject({ dev, mode })
})
