import { constants } from 'node:os'
import { describe, expect, it, test } from 'vitest'
import {
  encodeOutcome,
  failure,
  formatOutcome,
  namesVictim,
  outcomeOf,
  signalName,
} from '../../src/supervise/outcome.ts'

const SIGNALS = Array.from({ length: 64 }, (_, index) => index + 1)

describe('outcomeOf', () => {
  it('hands on each of the 256 exit codes', () => {
    for (let code = 0; code < 256; code++) {
      const outcome = { code, signal: undefined, coreDumped: false }
      expect(outcomeOf(code << 8, false)).toEqual({ ...outcome, reason: 'exit' })
      expect(outcomeOf(code << 8, true)).toEqual({ ...outcome, reason: 'stop' })
    }
  })

  it('makes 128+N of signal N, with and without a core', () => {
    for (const signal of SIGNALS) {
      for (const coreDumped of [false, true]) {
        const status = signal | (coreDumped ? 0x80 : 0)
        const outcome = { code: 128 + signal, signal, coreDumped }
        expect(outcomeOf(status, false)).toEqual({ ...outcome, reason: coreDumped ? 'core' : 'signal' })
        expect(outcomeOf(status, true)).toEqual({ ...outcome, reason: 'stop' })
      }
    }
  })
})

describe('namesVictim', () => {
  const killed = (pid: number, prefix = '<3>[   12.345678] '): string =>
    `${prefix}Memory cgroup out of memory: Killed process ${pid} (app) total-vm:1234kB, anon-rss:1000kB\n`
  const log = `<6>[    1.000000] input: Power Button\n${killed(77)}<6>[   12.4] oom_reaper: reaped process 77 (app)\n`

  test.each([
    ['the process that the kernel killed', log, 77, true],
    [
      'one of the whole machine',
      '<3>[    9.1] Out of memory: Killed process 7 (app) total-vm:1kB\n',
      7,
      true,
    ],
    ['another one: a worker was killed', log, 78, false],
    ['a pid that begins with the other', log, 7, false],
    ['what a container wrote to /dev/kmsg', killed(77, '<11>[   12.345678] '), 77, false],
    ['nothing', '', 77, false],
  ])('finds %s', (_, text, pid, found) => {
    expect(namesVictim(text, pid)).toBe(found)
  })
})

test('a KILL for want of memory is oom; other ends are what they are', () => {
  expect(outcomeOf(9, false, true).reason).toBe('oom')
  expect(outcomeOf(15, false, true).reason).toBe('signal')
  expect(outcomeOf(1 << 8, false, true).reason).toBe('exit')
  expect(outcomeOf(9, true, true).reason).toBe('stop')
})

describe('signalName', () => {
  it('knows each signal as this system does', () => {
    const aliases = ['SIGIOT', 'SIGPOLL', 'SIGUNUSED']
    const known = Object.entries(constants.signals).filter(([name]) => !aliases.includes(name))
    expect(known.length).toBeGreaterThanOrEqual(31)
    for (const [name, number] of known) expect(signalName(number)).toBe(name)
  })

  it('gives each signal one word of its own', () => {
    const names = SIGNALS.map(signalName)
    expect(new Set(names).size).toBe(64)
    for (const name of names) expect(name).toMatch(/^SIG[A-Z0-9+]+$/)
  })

  it('counts real-time signals from SIGRTMIN', () => {
    expect([signalName(34), signalName(64)]).toEqual(['SIGRTMIN+0', 'SIGRTMIN+30'])
  })
})

describe('failure', () => {
  test.each([125, 126, 127] as const)('%d is told as a failure, not as an exit', (code) => {
    expect(failure(code)).toEqual({ code, signal: undefined, reason: 'failed', coreDumped: false })
  })
})

describe('formatOutcome', () => {
  test.each([
    [outcomeOf(3 << 8, false), 12345, 'exited code=3 signal=none reason=exit uptime=12.345'],
    [outcomeOf(0, true), 0, 'exited code=0 signal=none reason=stop uptime=0.000'],
    [outcomeOf(15, true), 1, 'exited code=143 signal=SIGTERM reason=stop uptime=0.001'],
    [outcomeOf(11 | 0x80, false), 999.6, 'exited code=139 signal=SIGSEGV reason=core uptime=1.000'],
    [failure(127), 86_400_000, 'exited code=127 signal=none reason=failed uptime=86400.000'],
  ])('is the contract’s line: %o after %d ms', (outcome, uptime, line) => {
    expect(formatOutcome(outcome, uptime)).toBe(line)
  })
})

describe('encodeOutcome', () => {
  it('tells the same as the line, as JSON', () => {
    const outcomes = [
      ...Array.from({ length: 256 }, (_, code) => outcomeOf(code << 8, false)),
      ...SIGNALS.map((signal) => outcomeOf(signal, false)),
      outcomeOf(6 | 0x80, true),
      failure(126),
    ]
    for (const outcome of outcomes) {
      const json: unknown = JSON.parse(encodeOutcome(outcome, 12345))
      const { code, signal, reason, coreDumped } = outcome
      const name = signal === undefined ? null : signalName(signal)
      expect(json).toEqual({ code, signal: name, reason, coreDumped, uptime: 12.345 })
      const line = formatOutcome(outcome, 12345)
      expect(line).toBe(`exited code=${code} signal=${name ?? 'none'} reason=${reason} uptime=12.345`)
    }
  })
})

test.each([
  [
    { memoryPeak: 1_048_576, cpuTime: 12_345.6, oomKills: 2 },
    { memoryPeak: 1_048_576, cpuTime: 12.346, oomKills: 2 },
  ],
  [
    { memoryPeak: undefined, cpuTime: undefined, oomKills: 0 },
    { memoryPeak: null, cpuTime: null, oomKills: 0 },
  ],
])('the record tells what was used, times in seconds: %o', (usage, told) => {
  expect(JSON.parse(encodeOutcome(failure(127), 1500, usage))).toEqual({
    ...{ code: 127, signal: null, reason: 'failed', coreDumped: false, uptime: 1.5 },
    ...told,
  })
})
