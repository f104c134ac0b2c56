/** Every way in which a process can end, in one boot. */

import { describe, expect, test } from 'vitest'
import { booted } from './boot.ts'

/** Signals whose default action is not to end a process, and those between the standard and the real-time ones. */
const HARMLESS = new Set([17, 18, 19, 20, 21, 22, 23, 28])
const DEADLY = Array.from({ length: 64 }, (_, at) => at + 1).filter(
  (signal) => !HARMLESS.has(signal) && (signal < 32 || signal > 34),
)

describe('an entrypoint that is restarted and ends otherwise each time', () => {
  // PID 1 waits longer before each restart, up to half a minute. With icount the guest's clock follows its
  // instructions and jumps over what it sleeps, so that its three hours take us some seconds.
  const boot = booted({
    cmdline: 'zmachine.on_exit=restart',
    probe: ['next', '/run/count'],
    qemuArgs: ['-icount', 'shift=1,sleep=off'],
    last: /probe: all ends tried/,
    during: async (machine) => {
      await machine.console.waitFor('probe: all ends tried')
      machine.kill()
    },
  })

  const ends = (): { code: number; signal: string; reason: string }[] =>
    [...boot().console.matchAll(/zmachine: exited code=(\d+) signal=(\S+) reason=(\S+)/g)].map(
      ([, code, signal = '', reason = '']) => ({ code: Number(code), signal, reason }),
    )

  test('has each of the 256 exit codes told as it is', () => {
    const codes = Array.from({ length: 256 }, (_, code) => ({ code, signal: 'none', reason: 'exit' }))
    expect(ends().slice(0, 256)).toEqual(codes)
  })

  test('has each deadly signal told as 128+N, by name', () => {
    const signals = ends().slice(256)
    expect(signals.map(({ code }) => code)).toEqual(DEADLY.map((signal) => 128 + signal))
    expect(new Set(signals.map(({ signal }) => signal)).size).toBe(DEADLY.length)
    for (const { signal } of signals) expect(signal).not.toBe('none')
  })
})
