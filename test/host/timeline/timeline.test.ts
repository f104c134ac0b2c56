import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { formatTimeline, readTimeline, spansOf, sumOf } from '../../../src/host/timeline/timeline.ts'

const LOG =
  '[    1.391123] Run /init as init process\r\n' +
  'zmachine: timeline 0.4 ms mount proc on /proc\r\n' +
  'zmachine: timeline 12.3 ms mount /data (ext4)\r\nother\r\n'

const STARTED = 'zmachine: starting /app after 1410 ms\r\n'
const EXITED = 'zmachine: exited code=3 signal=none reason=exit uptime=2.500\r\n'
const exit = { code: 3, signal: 'none', reason: 'exit', uptime: 2.5 }

test('readTimeline finds the kernel’s time and each step', () => {
  expect(readTimeline(LOG)).toEqual({
    kernel: 1391.123,
    steps: [
      { milliseconds: 0.4, name: 'mount proc on /proc' },
      { milliseconds: 12.3, name: 'mount /data (ext4)' },
    ],
  })
})

test.each<[what: string, log: string, kernel: number | undefined]>([
  ['a caller behind the time', '[    0.512300][    T1] Run /init as init process\n', 512.3],
  ['PID 1’s own line', 'zmachine: timeline 512.3 ms kernel\r\n', 512.3],
  [
    'both, of which PID 1’s is on the clock of its steps',
    LOG.replace('zmachine', 'zmachine: timeline 1390.0 ms kernel\r\nzmachine'),
    1390,
  ],
  ['neither', 'zmachine: timeline 1 ms x\n', undefined],
  ['no printk.time', 'Run /init as init process\nzmachine: timeline 1 ms x\n', undefined],
])('readTimeline has the kernel’s time with %s', (_, log, kernel) => {
  const timeline = readTimeline(log)
  expect(timeline.kernel).toBe(kernel)
  expect(timeline.steps.map(({ name }) => name)).not.toContain('kernel')
})

test('readTimeline finds when the entrypoint started and how it ended', () => {
  expect(readTimeline(LOG + STARTED + EXITED)).toMatchObject({ started: 1410, exit })
  expect(readTimeline('zmachine: handing over to /sbin/init after 77 ms')).toEqual({ steps: [], started: 77 })
})

test('readTimeline takes the first start and the last end of an entrypoint that was restarted', () => {
  const again = EXITED.replace('\r', '; restarting in 0.1 s\r').replace('2.500', '2.000')
  expect(readTimeline(LOG + STARTED + again + EXITED)).toMatchObject({
    kernel: 1391.123,
    started: 1410,
    exit,
  })
})

test.each([
  ['the kernel’s line', LOG],
  [
    'PID 1’s line of the kernel',
    `zmachine: timeline 1391.123 ms kernel\r\n${LOG.slice(LOG.indexOf('zmachine'))}`,
  ],
])('readTimeline of several boots has the last one, which begins with %s', (_, second) => {
  const first = `${LOG.replaceAll('proc', 'sysfs')}${STARTED}${EXITED}`
  expect(readTimeline(first + second)).toEqual(readTimeline(LOG))
})

test('readTimeline of several boots without the kernel’s times has the last one', () => {
  const log = `zmachine: timeline 1 ms first\n${EXITED}zmachine: timeline 2 ms second\n${EXITED}`
  expect(readTimeline(log)).toEqual({ steps: [{ milliseconds: 2, name: 'second' }], exit })
})

test('readTimeline of any text is a timeline', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const { milliseconds, start } of spansOf(readTimeline(`zmachine: timeline 1 ms ${text}`))) {
        expect(milliseconds).toBeGreaterThanOrEqual(0)
        expect(start).toBeGreaterThanOrEqual(0)
      }
    }),
  )
})

describe('spansOf', () => {
  it('puts each piece of a boot where the one before ends', () => {
    expect(spansOf(readTimeline(LOG + STARTED + EXITED))).toEqual([
      { kind: 'kernel', name: 'kernel, until it runs /init', start: 0, milliseconds: 1391.123 },
      { kind: 'step', name: 'mount proc on /proc', start: 1391.123, milliseconds: 0.4 },
      { kind: 'step', name: 'mount /data (ext4)', start: 1391.523, milliseconds: 12.3 },
      { kind: 'untimed', name: 'not timed, mostly the console', start: 1403.823, milliseconds: 6.177 },
      { kind: 'entrypoint', name: 'entrypoint and the way down', start: 1410, milliseconds: 1090 },
    ])
  })

  test.each<[what: string, log: string, last: readonly [string, number] | undefined]>([
    ['the start is not told', LOG + EXITED, ['entrypoint', 1096.177]],
    [
      'the kernel’s time is not known',
      `zmachine: timeline 5 ms x\n${STARTED}${EXITED}`,
      ['entrypoint', 1090],
    ],
    ['neither is', `zmachine: timeline 5 ms x\n${EXITED}`, ['step', 5]],
    ['the end is not told', LOG, ['step', 12.3]],
    ['the end is before the start', LOG + STARTED + EXITED.replace('2.5', '0.5'), ['entrypoint', 0]],
    ['there is nothing', '', undefined],
  ])('ends as far as it is known where %s', (_, log, last) => {
    const span = spansOf(readTimeline(log)).at(-1)
    expect(span && [span.kind, span.milliseconds]).toEqual(last)
  })

  it('has no entrypoint where PID 1 had nothing to run', () => {
    const log = LOG + EXITED.replace('reason=exit', 'reason=failed')
    expect(spansOf(readTimeline(log)).at(-1)?.name).toBe('the way down')
  })
})

test('sumOf adds what it is asked for', () => {
  const spans = spansOf(readTimeline(LOG + STARTED + EXITED))
  expect([sumOf(spans, 'step'), sumOf(spans, 'kernel', 'step', 'untimed'), sumOf(spans)]).toEqual([
    12.7, 1410, 0,
  ])
})

test('formatTimeline makes a table with a sum', () => {
  expect(formatTimeline(readTimeline(LOG))).toEqual([
    '   1391.1 ms  kernel, until it runs /init',
    '      0.4 ms  mount proc on /proc',
    '     12.3 ms  mount /data (ext4)',
    '     12.7 ms  PID 1 in all, until the entrypoint',
  ])
})

test('formatTimeline of a log without times is empty', () => {
  expect(formatTimeline(readTimeline('nothing'))).toEqual([])
})
