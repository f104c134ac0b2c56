import { expect, test } from 'vitest'
import { containerExit } from '../../../src/host/machine/container-exit.ts'

test('containerExit reads the last line of its shape', () => {
  const text =
    'zmachine: exited code=1 signal=none reason=exit uptime=1.5\r\n' +
    'zmachine: exited code=139 signal=SEGV reason=signal uptime=12.345\r\n[   12.4] reboot: Power down\r\n'
  expect(containerExit(text)).toEqual({ code: 139, signal: 'SEGV', reason: 'signal', uptime: 12.345 })
})

test('containerExit knows a log without one', () => {
  expect(containerExit('Kernel panic - not syncing')).toBeUndefined()
})
