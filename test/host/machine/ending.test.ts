import { describe, expect, test } from 'vitest'
import { createConsole } from '../../../src/host/console/console.ts'
import { areHalted, exitReason, halted, shutdownReason } from '../../../src/host/machine/ending.ts'

test.each([
  ['guest-shutdown', 'powerdown'],
  ['guest-reset', 'reset'],
  ['guest-panic', 'panic'],
  ['host-qmp-quit', 'quit'],
  ['host-signal', 'quit'],
])('QEMU’s %s is %s', (reason, is) => expect(shutdownReason({ reason })).toBe(is))

describe('a reset', () => {
  test.each([
    ['[    1.52] Kernel panic - not syncing: x\r\n[    1.53] Rebooting in 1 seconds..\r\n', 'panic'],
    ['Rebooting in 10 seconds..', 'panic'],
    ['[    2.000000][    T1] Rebooting in 1 seconds..\n', 'panic'],
    ['Kernel panic - not syncing: says the container\r\n[    9.1] reboot: Restarting system\r\n', 'reset'],
    ['[    1.5] Rebooting in 1 seconds..\r\nmore of the container\r\n', 'reset'],
    ['', 'reset'],
  ])('after %j is %s', (text, reason) => expect(exitReason('reset', text)).toBe(reason))
})

test('nothing but a reset is made a panic by a text', () => {
  const text = '[    1.53] Rebooting in 1 seconds..\r\n'
  expect(exitReason('powerdown', text)).toBe('powerdown')
  expect(exitReason(undefined, text)).toBe('failed')
})

/** As QEMU 7.2 prints a processor, in 32 and in 64 bits. */
const registers = (flags: string, halt: number): string =>
  `CPU#0\r\nRAX=0000000000000000 RBX=0\r\nRIP=ffffffff81c5e0cb RFL=${flags} [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=${halt}\r\nES =0000 0 0 0\r\n`
const registers32 =
  'CPU#1\r\nEAX=00000000\r\nEIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n'

test.each<[what: string, text: string, is: boolean]>([
  ['a HLT with interrupts off', registers('00000046', 1), true],
  ['a HLT that an interrupt ends', registers('00000246', 1), false],
  ['at work', registers('00000046', 0), false],
  ['two of two', registers('00000046', 1) + registers32, true],
  ['one of two', registers('00000246', 1) + registers32, false],
  ['nothing that is known', 'unknown command', false],
])('areHalted of %s is %s', (_, text, is) => expect(areHalted(text)).toBe(is))

test('halted asks only because of the kernel’s line, and believes the processors', async () => {
  const console = createConsole()
  const answers = [registers('00000246', 1), registers('00000046', 1)]
  let asked = 0
  const execute = async (): Promise<unknown> => answers[asked++]
  const end = halted(console, execute)
  console.push(Buffer.from('a line\r\n'))
  await Promise.resolve()
  expect(asked).toBe(0)
  console.push(Buffer.from('[    3.1] reboot: System halted\r\n'))
  expect(await end).toBe(true)
  expect(asked).toBe(2)
})

test('halted comes to its end with the machine', async () => {
  const console = createConsole()
  const end = halted(console, () => Promise.reject(new Error('gone')))
  console.push(Buffer.from('reboot: System halted\r\n'))
  expect(await end).toBe(false)
  const quiet = createConsole()
  quiet.end()
  expect(await halted(quiet, () => Promise.reject(new Error('gone')))).toBe(false)
})
