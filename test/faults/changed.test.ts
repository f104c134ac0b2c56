/** A container that changes what PID 1 stands on: the clock, /proc, /dev, the root, PID 1's limits, its own program. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Boot, booted } from '../qemu/lib/boot.ts'
import { makeExt4 } from '../qemu/lib/files.ts'
import { end, ext4State, press, pressAfter, record, said, scripted } from './faults.ts'

/** Boots with a data disk; the script does its worst, and then comes a stop. */
const withDisk = (script: string, cmdline = '') =>
  booted(async (folder) => ({
    // What it waits for is there before it does its worst.
    ...scripted(`sleep 1000 & usleep 200000; echo kept > /data/x; ${script}; echo script: holds; wait`),
    disks: [{ file: await makeExt4(join(folder, 'data'), {}) }],
    cmdline: `vda=/data zmachine.grace=1 ${cmdline}`,
    during: press,
  }))

const dataOf = ({ root }: Boot): string => root.replace(/root$/, 'data')

describe.each([
  ['sets the clock back by ten years', 'date -s @1480000000'],
  ['changes the hostname', 'hostname other'],
  ['removes everything from /dev', 'rm -rf /dev/*'],
  ['unmounts /dev', 'umount -l /dev'],
  ['unmounts /sys', 'umount -l /sys'],
  ['unmounts /proc', 'umount -l /proc'],
  ['mounts nothing over /proc', 'mount -t tmpfs none /proc'],
  // One by one: kernel/limits.test.ts. The orphan's end wakes PID 1, so that it goes to sleep under its new limits.
  [
    'takes PID 1’s limits, and the most that it could have again',
    'echo 64 > /proc/sys/fs/nr_open; for n in 1 2 3 7 9; do /fault limit $n 1; done; (usleep 1 &); usleep 200000',
  ],
  // Of what it has used no more than a second.
  ['gives PID 1 no time', '/fault limit 0 0'],
])('a container that %s', (_, script) => {
  const boot = withDisk(script)

  test('does not keep a stop from its end, nor the disk from being unmounted', async () => {
    expect(said(boot()).filter((line) => line.includes('internal error'))).toEqual([])
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(await ext4State(dataOf(boot()))).toBe('clean')
  })

  test('has its end recorded', () => expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' }))
})

describe('a container that remounts / read-only', () => {
  const boot = withDisk('mount -o remount,ro /')

  test('has no record, and everything else', async () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toBeUndefined()
    expect(await ext4State(dataOf(boot()))).toBe('clean')
  })
})

describe('a container that mounts its data disk over and below itself', () => {
  const boot = withDisk(
    'mkdir /data/a /data/b; mount -o bind /data/a /data/b; mount -o bind /data /mnt; mount -o bind / /data/a',
  )

  test('has it unmounted all the same', async () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(await ext4State(dataOf(boot()))).toBe('clean')
  })
})

/** The console's lines about restarts. */
const restarts = (boot: Boot): string[] =>
  said(boot).flatMap((line) => {
    const [, code, delay] = /^exited code=(\d+) .*restarting in ([\d.]+) s$/.exec(line) ?? []
    return code === undefined ? [] : [`${code} ${delay}`]
  })

describe('a clock that is set back before each restart', () => {
  const boot = booted({
    ...scripted('date -s @1000000000; exit 2'),
    cmdline: 'zmachine.on_exit=restart',
    during: pressAfter('restarting in 0.8 s'),
  })

  test('changes no delay', () => {
    expect(restarts(boot())).toEqual(['2 0.1', '2 0.2', '2 0.4', '2 0.8'])
    expect(boot().container?.uptime).toBeLessThan(60)
    expect(end(boot())).toBe('code=2 signal=none reason=stop powerdown')
  })
})

describe.each<[does: string, script: string, code: number, message: string]>([
  ['deletes itself', 'rm /script', 127, "error: entrypoint '/script': ENOENT (no such file or directory)"],
  [
    'deletes its interpreter',
    '/busybox mv /busybox /moved',
    126,
    "error: entrypoint '/script' can't be executed: its interpreter '/busybox' (from its #! line) is not in the root",
  ],
  [
    'takes its own permission',
    'chmod 644 /script',
    126,
    "error: entrypoint '/script' can't be executed: EACCES (permission denied): its mode, the mode of a parent directory or a noexec mount forbids it",
  ],
  [
    'empties itself',
    'cp /script /kept; > /script',
    126,
    "error: entrypoint '/script' can't be executed: the file is empty",
  ],
  [
    'has itself open in the kernel',
    'cp /script /copy; mv /copy /script; losetup -f /script',
    126,
    "error: entrypoint '/script' can't be executed: ETXTBSY (text file busy): it is open for writing",
  ],
])('an entrypoint that %s and is restarted', (_, script, code, message) => {
  const boot = booted({
    ...scripted(`${script}; exit 5`),
    cmdline: 'zmachine.on_exit=restart',
    during: pressAfter('restarting in 0.4 s'),
  })

  test('is told in full each time, and tried on after longer and longer delays', () => {
    expect(said(boot()).filter((line) => line.startsWith('error: '))).toEqual([message, message])
    expect(restarts(boot())).toEqual(['5 0.1', `${code} 0.2`, `${code} 0.4`])
    expect(end(boot())).toBe(`code=${code} signal=none reason=stop powerdown`)
  })
})

/** An ELF header and one segment's; elf(5). */
function elf(machine: number, interpreter = ''): Uint8Array {
  const file = Buffer.alloc(120 + interpreter.length + 1)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(machine, 18)
  file.writeUInt32LE(1, 20)
  file.writeUInt32LE(64, 32)
  file.writeUInt16LE(64, 52)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(interpreter === '' ? 0 : 1, 56)
  file.writeUInt32LE(3, 64)
  file.writeUInt32LE(4, 68)
  file.writeUInt32LE(120, 72)
  file.writeUInt32LE(interpreter.length + 1, 96)
  file.write(interpreter, 120)
  return file
}

describe.each<
  [what: string, init: string, program: Uint8Array | string, place: string, code: number, message: string]
>([
  [
    'misspelt',
    '/opt/serber',
    '',
    'opt/server',
    127,
    "fatal: entrypoint '/opt/serber': ENOENT (no such file or directory); did you mean '/opt/server'?",
  ],
  [
    'in another directory',
    '/bin/server',
    '',
    'usr/bin/server',
    127,
    "fatal: entrypoint '/bin/server': ENOENT (no such file or directory); did you mean '/usr/bin/server'?",
  ],
  [
    'for arm64',
    '/app',
    elf(183),
    'app',
    126,
    "fatal: entrypoint '/app' can't be executed: it is built for arm64, and this machine is x86-64",
  ],
  [
    'for another C library',
    '/app',
    elf(62, '/lib/ld-other.so.1'),
    'app',
    126,
    "fatal: entrypoint '/app' can't be executed: its dynamic loader '/lib/ld-other.so.1' is not in the root; is it built for another C library?",
  ],
  [
    'a script from Windows',
    '/app',
    '#!/probe\r\nsay\r\n',
    'app',
    126,
    "fatal: entrypoint '/app' can't be executed: its interpreter '/probe\\x0d' (from its #! line) is not in the root",
  ],
  [
    'a cut-off ELF file',
    '/app',
    elf(62).subarray(0, 40),
    'app',
    126,
    "fatal: entrypoint '/app' can't be executed: it is not a valid ELF binary for this kernel",
  ],
  [
    'given an environment that is too large',
    '/probe',
    `export BIG='${'x'.repeat(200_000)}'\n`,
    '.zosrc',
    126,
    "fatal: entrypoint '/probe' can't be executed: E2BIG (argument list too long): arguments and environment are too large",
  ],
])('an entrypoint that is %s', (_, init, program, place, code, message) => {
  const boot = booted((folder) => {
    const copy = join(folder, 'program')
    writeFileSync(copy, program)
    return { init, files: { [place]: { copy } } }
  })

  test('is told in one sentence', () => {
    expect(said(boot()).filter((line) => !line.startsWith('starting'))[0]).toBe(message)
    expect(end(boot())).toBe(`code=${code} signal=none reason=failed powerdown`)
    expect(record(boot())).toMatchObject({ code, reason: 'failed' })
  })
})
