import { expect, test } from 'vitest'
import { formatTimeline, readTimeline } from '../../src/launcher/timeline.ts'

const LOG =
  '[    1.391123] Run /init as init process\r\n' +
  'zmachine: timeline 0.4 ms mount proc on /proc\r\n' +
  'zmachine: timeline 12.3 ms mount /data (ext4)\r\nother\r\n'

test('readTimeline finds the kernel’s time and each step', () => {
  expect(readTimeline(LOG)).toEqual({
    kernel: 1391.123,
    steps: [
      { milliseconds: 0.4, name: 'mount proc on /proc' },
      { milliseconds: 12.3, name: 'mount /data (ext4)' },
    ],
  })
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
