/** The console flooded, stalled, typed full of garbage, or missing. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type BootOptions, booted } from '../qemu/lib/boot.ts'
import { end, HOLD, press, pressAfter, record, scripted, told } from './faults.ts'

describe('a console that the container floods', () => {
  const boot = booted({
    ...scripted('yes flooded & yes flooded & sleep 1; yes "script: holds"'),
    cmdline: 'zmachine.grace=1',
    during: press,
  })

  test('does not keep a stop from its end, and the last line is whole', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' })
  })
})

/** All bytes but those that a terminal makes signals of, or stops for: ^C ^Z ^\ ^S. */
const GARBAGE = Buffer.alloc(
  1 << 20,
  Buffer.from(Array.from({ length: 256 }, (_, at) => at).filter((byte) => ![3, 26, 28, 19].includes(byte))),
)

describe('a megabyte of garbage typed into the console', () => {
  const boot = booted({
    ...scripted(HOLD),
    during: async (machine) => {
      machine.write(GARBAGE)
      await machine.console.waitFor('script: holds')
      machine.write(GARBAGE)
      await machine.powerdown()
    },
  })

  test('changes nothing', () => {
    expect(told(boot())).toContain('holds')
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

describe('keys typed during the boot that would end a foreground process', () => {
  const boot = booted({
    ...scripted(HOLD),
    during: async (machine) => {
      machine.write('\x03\x1c\x1a\x13\x03')
      await press(machine)
    },
  })

  test('end nothing before there is one', () => {
    expect(told(boot())).toContain('holds')
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

/** PID 1's console is a second serial line, and the kernel's words go to the first as well. Nobody reads the second. */
function stalled(folder: string): BootOptions {
  const pipe = join(folder, 'stalled')
  execFileSync('mkfifo', [`${pipe}.in`, `${pipe}.out`])
  return {
    cmdline: 'console=ttyS1 zmachine.log=debug zmachine.timeline zmachine.grace=1',
    qemuArgs: ['-chardev', `pipe,id=stalled,path=${pipe}`, '-serial', 'chardev:stalled'],
    last: /reboot: Power down/,
  }
}

describe('a console that nobody reads', () => {
  const boot = booted((folder) => ({
    // The kernel's log shows on the first line that it has come so far.
    ...scripted('yes full & sleep 3; echo "<0>script: holds" > /dev/kmsg; sleep 1000'),
    ...stalled(folder),
    during: pressAfter('script: holds'),
  }))

  test('does not keep a stop from its end', () => {
    expect(boot().exit.reason).toBe('powerdown')
    expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' })
  })
})

describe.each([
  ['with console=none', 'console=none', '/dev/null'],
  ['with console=null', 'console=null', '/dev/null'],
  ['with a serial console that the machine does not have', 'console=ttyS3', '/dev/'],
])('a machine %s', (_, console, streams) => {
  const boot = booted((folder) => ({
    root: 'none',
    shares: [{ tag: 'vroot', directory: join(folder, 'root') }],
    files: scripted('ls -l /proc/self/fd > /out 2>&1; exit 21').files ?? {},
    init: null,
    // The harness' own command line has a console: the last -append counts.
    qemuArgs: [
      '-append',
      `rw ${console} reboot=k panic=1 root=vroot rootfstype=virtiofs init=/script zmachine.on_exit=poweroff`,
    ],
    last: /^/,
  }))

  test('runs its container all the same, and records its end', () => {
    expect(boot().exit.reason).toBe('powerdown')
    expect(record(boot())).toMatchObject({ code: 21, signal: null, reason: 'exit' })
    expect(boot().file('out')).toContain(`0 -> ${streams}`)
  })
})
