/** Our kernel's devices, over PCI and MMIO, and the end of machines that are not shut down in an orderly way. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { collectStderr, endOf } from '../../../src/host/lib/child.ts'
import { privateFolder, spawnGuarded } from '../../../src/host/lib/guard.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { createPipe } from '../../../src/host/machine/fifo.ts'
import type { Machine } from '../../../src/host/machine/machine.ts'
import { QMP_FD } from '../../../src/host/machine/qemu.ts'
import { connectQmp, type Json } from '../../../src/host/machine/qmp.ts'
import { booted } from '../lib/boot.ts'
import { makeExt4, probeProgram } from '../lib/files.ts'
import { shell, shellChecks, WENT_WELL } from '../lib/host-programs.ts'
import { testKernel } from '../lib/kernel.ts'

const GENERATION = '324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87'

describe('devices over PCI', () => {
  const checks = shellChecks({
    'a random number generator of the host’s': `
grep virtio_rng /sys/class/misc/hw_random/rng_current
head -c 16 /dev/hwrng | od -An -tx1 | grep -v '00 00 00 00 00 00 00 00'`,
    'a console': `
grep hvc0 /proc/consoles /sys/class/tty/hvc0/uevent
echo 'to the console' >/dev/hvc0`,
    'a serial port by its name': `
for port in /sys/class/virtio-ports/*; do
  if grep -qx org.example.port $port/name; then echo 'to the port' >/dev/\${port##*/}; found=yes; fi
done
test "$found" = yes`,
    'vsock, with or without a host’s end': 'test -c /dev/vsock',
    'the generation of a virtual machine': 'ls -d /sys/bus/*/drivers/vmgenid/QEMU*',
    'a panic device': 'ls -d /sys/bus/pci/drivers/pvpanic-pci/0000:*',
    'a real-time clock': 'hwclock -u -r -f /dev/rtc0 | grep " $(date -u +%Y)"',
    'a power button, as input and as ACPI has it': 'grep -i "power button" /proc/bus/input/devices',
    'two processors': 'test "$(nproc)" = 2',
    'a balloon, which takes memory back': `
total() { sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; }
before=$(total)
echo 'ready for the balloon' >/dev/console
until test $(total) -lt $((before - 60000)); do sleep 0.1; done`,
  })
  const boot = booted((folder) => ({
    init: '/checks/run',
    files: checks.files,
    cpus: 2,
    qemuArgs: [
      ...['-device', 'virtio-rng-pci', '-device', 'virtio-balloon-pci', '-device', 'virtio-serial-pci'],
      ...['-chardev', `file,id=hvc,path=${folder}/hvc`, '-device', 'virtconsole,chardev=hvc'],
      ...['-chardev', `file,id=port,path=${folder}/port`],
      ...['-device', 'virtserialport,chardev=port,name=org.example.port'],
      ...['-device', `vmgenid,guid=${GENERATION}`, '-device', 'pvpanic-pci'],
    ],
    during: async (machine) => {
      await machine.console.waitFor('ready for the balloon')
      await machine.qmp('balloon', { value: 160 << 20 })
    },
  }))

  test.each(checks.names)('%s', (name) => expect(checks.outcome(boot(), name)).toMatch(WENT_WELL))

  test('what was written to console and port arrives', () => {
    expect(readFileSync(boot().root.replace(/root$/, 'hvc'), 'utf8')).toContain('to the console')
    expect(readFileSync(boot().root.replace(/root$/, 'port'), 'utf8')).toBe('to the port\n')
  })
})

/** From the panic's line to QEMU's end, where `panic=1` makes the kernel wait for one of them. In seconds. */
const SOON = 10

describe('a panic', () => {
  let seconds = Number.POSITIVE_INFINITY
  const boot = booted({
    ...ending('echo c >/proc/sysrq-trigger', /Kernel panic - not syncing: sysrq triggered crash/),
    during: async (machine) => {
      seconds = await fromLine(machine, 'Kernel panic - not syncing')
    },
  })

  test('resets the machine soon', () => {
    expect(boot().exit.reason).toBe('panic')
    expect(boot().console).toContain('Rebooting in 1 seconds')
    expect(seconds).toBeLessThan(SOON)
  })
})

describe('a panic of a machine with a panic device', () => {
  // The kernel would wait forever: only the device notifies QEMU.
  const boot = booted({
    ...ending('echo c >/proc/sysrq-trigger', /Kernel panic/),
    cmdline: 'panic=0',
    qemuArgs: ['-device', 'pvpanic-pci'],
  })

  test('is the host’s to know at once', () => {
    expect(boot().exit.reason).toBe('panic')
    expect(boot().console).not.toContain('Rebooting in')
  })
})

describe.each([
  ['reboot -f', 'reset', /reboot: Restarting system/],
  ['poweroff -f', 'powerdown', /reboot: Power down/],
  ['halt -f', 'halt', /reboot: System halted/],
  ['echo b >/proc/sysrq-trigger', 'reset', /sysrq: Resetting/],
  ['echo o >/proc/sysrq-trigger; sleep 60', 'powerdown', /reboot: Power down/],
])('%s of a container', (command, reason, last) => {
  const boot = booted(ending(command, last))

  test(`is a ${reason} of the machine`, () => expect(boot().exit.reason).toBe(reason))
})

/** A host may pass other values than `k`: the processor's triple fault, ACPI's register, PCI's port 0xcf9. */
describe.each(['t', 'a', 'p'])('reboot=%s', (way) => {
  const boot = booted({ ...ending('reboot -f', /reboot: Restarting system/), cmdline: `reboot=${way}` })

  test('resets the machine', () => expect(boot().exit.reason).toBe('reset'))
})

/** A container that ends its machine itself, without PID 1. */
function ending(command: string, last: RegExp) {
  const files = { ...shell(), end: { text: `#!/bin/sh\n${command}\n`, mode: 0o755 } }
  return { init: '/end', files, last } as const
}

/** From a line of the console to the machine's end, in seconds. */
async function fromLine(machine: Machine, line: string): Promise<number> {
  await machine.console.waitFor(line)
  const begin = performance.now()
  await machine.exited
  return (performance.now() - begin) / 1000
}

/**
 * The machine type of firecracker's kind: no PCI, every device over MMIO. Without ACPI the kernel learns of them by its
 * command line (`virtio_mmio.device=…`, which QEMU appends), and can switch nothing off: it resets.
 */
describe.each([
  ['on', 'zmachine.on_exit=poweroff', 'guest-shutdown'],
  ['off', 'zmachine.on_exit=reboot reboot=t', 'guest-reset'],
])('a microvm with acpi=%s', (acpi, cmdline, cause) => {
  test('boots from a virtio-mmio disk', { timeout: 120_000 }, async ({ onTestFinished }) => {
    const folder = privateFolder()
    onTestFinished(folder.remove)
    const disk = await makeExt4(join(folder.path, 'root.ext4'), {
      probe: { copy: await probeProgram() },
      'probe.commands': 'say on a microvm , exit 3',
    })
    const { console: said, causes, stderr } = await microvm(folder.path, acpi, disk, cmdline)
    expect(said, stderr).toContain('probe: on a microvm')
    expect(said).toMatch(/zmachine: exited code=3 /)
    expect(causes).toEqual([cause])
  })
})

/** Runs a microvm to its end: what it said, and QEMU's reasons for its end. */
async function microvm(folder: string, acpi: string, disk: string, cmdline: string) {
  const { kernel, initramfs } = testKernel()
  // With ACPI this machine has no other timer than the PIT, by which a busy computer without KVM can't measure the
  // processor's clock; the kernel would then hang. So it is told a likely one. Nothing behind `--`: there QEMU's own
  // words would be the entrypoint's.
  const words = `console=ttyS0 tsc_early_khz=2500000 panic=1 rw root=/dev/vda init=/probe ${cmdline}`
  const serial = await createPipe(folder)
  const child = spawnGuarded(
    needProgram('qemu-system-x86_64', 'qemu-system-x86'),
    [
      ...['-M', `microvm,acpi=${acpi},pcie=off,rtc=on`, '-accel', 'tcg', '-cpu', 'max', '-m', '256M'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-S'],
      ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
      ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
      ...['-kernel', kernel, '-initrd', initramfs, '-append', words],
      ...['-drive', `if=none,id=disk,format=raw,file=${disk}`, '-device', 'virtio-blk-device,drive=disk'],
    ],
    ['ignore', serial.writeEnd, 'pipe', 'pipe'],
  )
  const said = text(serial.read())
  const last = setTimeout(() => child.kill('SIGKILL'), 90_000)
  const stderr = collectStderr(child)
  const monitor = child.stdio[QMP_FD]
  if (!(monitor instanceof Duplex)) throw new Error('no QMP socket')
  const causes: unknown[] = []
  const qmp = await connectQmp(monitor, (event: string, data: Json) => {
    if (event === 'SHUTDOWN') causes.push(data['reason'])
  })
  await qmp.execute('cont')
  await endOf(child)
  clearTimeout(last)
  return { console: await said, causes, stderr: stderr() }
}
