import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { describeExitRecord } from '../../src/lib/exit-record.ts'
import { encodeOutcome, failure, outcomeOf, STOPPED } from '../../src/supervise/outcome.ts'
import { anyBytes, textOf } from '../bytes.ts'

describe('an exit record', () => {
  it.each([
    ['an exit', outcomeOf(3 << 8, false), 'code=3 signal=none reason=exit uptime=12.345'],
    ['a signal', outcomeOf(9, false, true), 'code=137 signal=SIGKILL reason=oom uptime=12.345'],
    ['a real-time signal', outcomeOf(40, false), 'code=168 signal=SIGRTMIN+6 reason=signal uptime=12.345'],
    ['a stop', STOPPED, 'code=143 signal=SIGTERM reason=stop uptime=12.345'],
    ['a failure', failure(127), 'code=127 signal=none reason=failed uptime=12.345'],
  ])('of %s says in the next boot’s log how the run ended', (_, outcome, expected) => {
    const usage = { memoryPeak: 1_290_240, cpuTime: 21, oomKills: 0 }
    expect(describeExitRecord(encodeOutcome(outcome, 12_345, usage))).toBe(expected)
  })

  it.each([
    '',
    '{}',
    '{"code":"x","signal":null,"reason":"exit","uptime":1}',
    '{"code":3,"signal":null,"uptime":1}',
    '{"code":3,"signal":null,"reason":"","uptime":1}',
    `{"code":3,"signal":null,"reason":"${'x'.repeat(25)}","uptime":1}`,
  ])('that PID 1 did not write says nothing: %j', (text) => {
    expect(describeExitRecord(text)).toBeUndefined()
  })

  test('never brings more than a short line of plain characters into the log', () => {
    const parts = fc.oneof(anyBytes(40), textOf('"{}:,ab1.+ \n\x1b', 40))
    const record = fc
      .tuple(parts, parts, parts)
      .map(
        ([signal, reason, uptime]) =>
          `{"code":1,"signal":"${signal}","reason":"${reason}","uptime":${uptime}}`,
      )
    fc.assert(
      fc.property(fc.oneof(record, parts), (text) => {
        expect(describeExitRecord(text) ?? '').toMatch(/^[\w.+= ]{0,120}$/)
      }),
    )
  })
})
