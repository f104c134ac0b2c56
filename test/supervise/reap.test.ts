/** `reap` on a kernel that has so many children that have ended. */

import { expect, it, test } from 'vitest'
import { makeReaper, NOBODY, type Reaped, reap } from '../../src/supervise/reap.ts'
import { ECHILD } from '../../src/sys/errno.ts'
import { SYS_wait4, useRuntime } from '../../src/sys/linux.ts'
import type { Runtime, Words } from '../../src/sys/port.ts'

const RECORD = 16
const STATUS = 0x0700

/** One by one, in this order; then `last` for ever. Its memory is where it says that it is. */
function kernel(pids: Iterable<number>, last: number): { asked: number } {
  const ended = pids[Symbol.iterator]()
  const made = { asked: 0 }
  const refuse = (): never => {
    throw new Error('not for this test')
  }
  const runtime: Runtime = {
    syscall: refuse,
    addressOf: () => 0,
    drain(calls: Words, count) {
      for (let call = 0; call < count; call++) {
        const record = call * RECORD
        expect([calls[record], calls[record + 2], calls[record + 6]]).toEqual([SYS_wait4, 0xffff_ffff, 1])
        const next = ended.next()
        const answer = next.done === true ? last : next.value
        made.asked++
        if (answer > 0) calls[(calls[record + 4] ?? 0) / 4] = STATUS + (answer & 0xff)
        calls[record + 14] = answer
        if (answer <= 0) return call
      }
      return count
    },
    spawn: refuse,
    spawnInto: refuse,
    text: refuse,
    putText: refuse,
    load: refuse,
  }
  useRuntime(runtime)
  return made
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => from + at)

test.each<[string, number[], number, Reaped]>([
  ['none, while others live', [], 0, { status: undefined, left: 'running' }],
  ['none, and there are none', [], -ECHILD, { status: undefined, left: 'none' }],
  ['others', range(100, 3), 0, { status: undefined, left: 'running' }],
  ['it alone', [7], -ECHILD, { status: STATUS + 7, left: 'none' }],
  ['it among others', [...range(100, 3), 7, ...range(200, 3)], 0, { status: STATUS + 7, left: 'running' }],
  ['it after very many', [...range(100, 1000), 7], 0, { status: STATUS + 7, left: 'running' }],
  ['it as the last of a batch', [...range(100, 63), 7], 0, { status: STATUS + 7, left: 'ended' }],
])('reap finds the end that it is asked for: %s', (_, pids, last, expected) => {
  kernel(pids, last)
  expect(reap(makeReaper(), 7)).toEqual(expected)
})

test.each([1, 61, 0x0764])('reap does not take another word of a record for the pid %d', (pid) => {
  kernel([100], 0)
  expect(reap(makeReaper(), pid)).toEqual({ status: undefined, left: 'running' })
})

it('comes back from the one that it is asked for at once, and says that more may have ended', () => {
  kernel([7, ...range(100, 200)], 0)
  const reaper = makeReaper()
  expect(reap(reaper, 7)).toEqual({ status: STATUS + 7, left: 'ended' })
  expect(reap(reaper, NOBODY)).toEqual({ status: undefined, left: 'running' })
})

it('comes back from a flood without an end', () => {
  const flood = function* (): Generator<number> {
    for (;;) yield 100
  }
  const made = kernel(flood(), 0)
  expect(reap(makeReaper(), 7)).toEqual({ status: undefined, left: 'ended' })
  expect(made.asked).toBeLessThan(10_000)
})
