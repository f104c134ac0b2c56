import { describe, expect, test } from 'vitest'
import { containerExit } from '../../../src/host/console/container-exit.ts'

const line = (code: number): string =>
  `zmachine: exited code=${code} signal=none reason=exit uptime=12.345\r\n`

test('containerExit reads PID 1’s last line, which only the kernel follows', () => {
  const text = `${line(1)}zmachine: exited code=139 signal=SEGV reason=signal uptime=12.345\r\n[   12.4] reboot: Power down\r\n`
  expect(containerExit(text)).toEqual({ code: 139, signal: 'SEGV', reason: 'signal', uptime: 12.345 })
})

test.each([
  ['behind a line that the container left without its end', `text${line(3)}`],
  ['without its own end', line(3).trimEnd()],
  [
    'before the kernel’s lines without times',
    `${line(3)}reboot: Restarting system\r\nreboot: machine restart\r\n`,
  ],
  ['before a kernel that can’t', `${line(3)}zmachine: warning: poweroff: EINVAL; halting\r\n\r\n`],
])('the line counts %s', (_, text) => expect(containerExit(text)?.code).toBe(3))

describe('a container that prints the line', () => {
  test('and goes on has said nothing of its exit', () => {
    expect(containerExit(`${line(0)}more\r\n`)).toBeUndefined()
    expect(containerExit(`${line(0)}[  OK  ] Reached target\r\n`)).toBeUndefined()
    expect(containerExit(`${line(0)}more`)).toBeUndefined()
  })
  test('is followed by PID 1, which counts', () => {
    expect(containerExit(`${line(0)}more\r\n${line(7)}`)?.code).toBe(7)
    expect(containerExit(`${line(0)}${line(7)}`)?.code).toBe(7)
  })
})

test('an end that is followed by a restart is not the last', () => {
  const again = line(1).replace('\r', '; restarting in 1 s\r')
  expect(containerExit(again)).toBeUndefined()
})

test('a log may have none', () => expect(containerExit('Kernel panic - not syncing')).toBeUndefined())
