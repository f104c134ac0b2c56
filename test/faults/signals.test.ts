/** Signals and stops at every stage and in any number. What needs no machine: kernel/stops.test.ts, kernel/supervise.test.ts. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type BootOptions, booted } from '../qemu/lib/boot.ts'
import { makeSeed } from '../qemu/lib/images.ts'
import { modularKernel } from '../qemu/lib/kernel.ts'
import { end, HOLD, press, pressAfter, record, said, scripted, told } from './faults.ts'

describe.each<[stage: string, text: string | RegExp, options: BootOptions]>([
  // Not before: what comes while ACPI is switched on, the kernel itself drops (acpi_hw_clear_acpi_status); and after the
  // line `input: Power Button` it has yet to install the button's handler (acpi_button_add).
  ['while the kernel starts', /ACPI: button: Power Button/, {}],
  ['while it waits for the root', 'waiting for', { root: 'none', cmdline: 'root=LABEL=none' }],
  ['while it waits for a share', "waiting for the share 'late'", { cmdline: 'qsfs_late=/late' }],
  ['while it waits for a disk', 'waiting for /dev/vda', { cmdline: 'vda=/data' }],
  ['while it waits for a NIC', 'waiting for eth0', { cmdline: 'net_eth0=10.0.0.2/24' }],
  [
    'while it waits for SSH host keys',
    'waiting for the SSH host key ed25519',
    {
      files: {
        'etc/ssh/ssh_config': '',
        'usr/bin/ssh-keygen': { text: '#!/busybox sh\n/bin/sleep 1000\n', mode: 0o755 },
      },
    },
  ],
])('a stop %s', (_, text, options) => {
  const made = scripted('echo script: ran; sleep 5')
  const boot = booted({
    ...made,
    ...options,
    files: { ...made.files, ...options.files },
    timeout: 60,
    during: pressAfter(text),
  })

  test('is heard: nothing is started, and the machine goes down', () => {
    expect(said(boot())).toContain('stopped on request, before the entrypoint was started')
    expect(told(boot())).toEqual([])
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    if (options.root !== 'none') expect(record(boot())).toMatchObject({ code: 143, reason: 'stop' })
  })
})

describe('a stop while it waits for a DHCP lease', () => {
  const network = `version: 2
ethernets:
  eth0: {match: {macaddress: "52:54:00:00:00:01"}, dhcp4: true}
`
  const boot = booted(async (folder) => ({
    ...scripted('echo script: ran'),
    disks: [await makeSeed(join(folder, 'seed'), { 'network-config': network })],
    nics: [{ backend: { kind: 'hub', hub: 0 } }],
    during: pressAfter('waiting for a DHCP lease on eth0'),
  }))

  test('is heard: nothing is started, and the machine goes down', () => {
    expect(said(boot())).toContain('stopped on request, before the entrypoint was started')
    expect(told(boot())).toEqual([])
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

describe.each([
  ['as PID 1 begins', 'Run /init as init process'],
  ['as the entrypoint is started', 'zmachine: starting /script'],
])('a stop %s', (_, text) => {
  const boot = booted({ ...scripted('sleep 1000'), during: pressAfter(text) })

  test('has one outcome, whether the entrypoint was first or it', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143, signal: 'SIGTERM', reason: 'stop' })
  })
})

describe('a stop by the power button on a kernel whose button is a module, after a wait', () => {
  const user = '#cloud-config\nmounts:\n- [/dev/vdx, /x, auto, nofail]\n'
  const boot = booted(async (folder) => ({
    ...scripted(HOLD),
    ...modularKernel(),
    disks: [await makeSeed(join(folder, 'seed'), { 'user-data': user })],
    cmdline: 'rootdelay=2 zmachine.grace=1',
    timeout: 20,
    during: press,
    last: /^/,
  }))

  test('is heard', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

describe('a second press of the power button', () => {
  const boot = booted({
    ...scripted('exec /fault deaf'),
    cmdline: 'zmachine.grace=600',
    during: async (machine) => {
      await pressAfter('fault: deaf')(machine)
      await new Promise((done) => setTimeout(done, 500))
      await machine.powerdown()
    },
  })

  test('ends the grace', () => {
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=stop powerdown')
    expect(boot().container?.uptime).toBeLessThan(60)
  })
})

// Not on a keyboard: our kernel has no driver for one.
describe('SIGINT to PID 1, as of Ctrl-Alt-Del', () => {
  const boot = booted({ ...scripted('kill -INT 1; sleep 1000') })

  test('is a stop that ends in a reset', () =>
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop reset'))
})

describe('ten signals a millisecond to PID 1, while orphans end', () => {
  const boot = booted(scripted('exec /fault storm 2000'))

  test('lose no child', () => {
    expect(boot().console).toMatch(/fault: at least 20000 signals: .*; of the orphans 0 are left/)
    expect(end(boot())).toBe('code=0 signal=none reason=exit powerdown')
  })
})
