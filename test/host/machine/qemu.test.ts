import { describe, expect, test } from 'vitest'
import { defaultMac, kernelCmdline, qemuArgs } from '../../../src/host/machine/qemu.ts'

const kernel = '/k'

/** The value of each occurrence of an option. */
const values = (args: readonly string[], option: string): (string | undefined)[] =>
  args.flatMap((arg, at) => (arg === option ? [args[at + 1]] : []))

describe('kernelCmdline', () => {
  test('has what a zos host always passes', () => {
    const root = { kind: 'virtiofs', directory: '/d' } as const
    const words = kernelCmdline({ kernel, root }).split(' ')
    const host =
      'rw console=ttyS0 reboot=k panic=1 root=vroot rootfstype=virtiofs rootdelay=30 boot.shell_on_fail'
    expect(words.sort()).toEqual(host.split(' ').sort())
  })
  test('puts the caller’s keys last, where they win', () => {
    expect(kernelCmdline({ kernel, cmdline: 'rootdelay=1 -- a b' })).toMatch(
      / rootdelay=30 .* rootdelay=1 -- a b$/,
    )
  })
  test('names a 9p root by its tag', () => {
    const root = { kind: '9p', directory: '/d', tag: 'tree' } as const
    expect(kernelCmdline({ kernel, root })).toContain('root=tree rootfstype=9p rootflags=trans=virtio')
  })
})

describe('qemuArgs', () => {
  test('attaches disks in order, as raw images', () => {
    const disks = [{ file: '/a,b' }, { file: '/c', readOnly: true, serial: 'S1' }]
    const args = qemuArgs({ kernel, disks }, 'tcg', [])
    expect(values(args, '-drive')).toEqual([
      'if=none,id=disk0,format=raw,read-only=off,file=/a,,b',
      'if=none,id=disk1,format=raw,read-only=on,file=/c',
    ])
    expect(values(args, '-device')).toEqual([
      'virtio-blk-pci,drive=disk0',
      'virtio-blk-pci,drive=disk1,serial=S1',
    ])
  })
  test('cuts the user network off, but for forwards from 127.0.0.1', () => {
    const forwards = [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }] as const
    const args = qemuArgs({ kernel, nics: [{ backend: { kind: 'user', forwards } }] }, 'tcg', [])
    expect(values(args, '-netdev')).toEqual(['user,id=nic0,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80'])
  })
  test('captures a NIC’s frames', () => {
    const nics = [{ mac: '02:00:00:00:00:07', backend: { kind: 'hub', hub: 3 }, capture: '/p' }] as const
    const args = qemuArgs({ kernel, nics }, 'tcg', [])
    expect(values(args, '-netdev')).toEqual(['hubport,id=nic0,hubid=3'])
    expect(values(args, '-device')).toEqual(['virtio-net-pci,netdev=nic0,mac=02:00:00:00:00:07,romfile='])
    expect(values(args, '-object')).toContain('filter-dump,id=dump0,netdev=nic0,file=/p')
  })
  test('shares the guest’s memory, which virtiofs needs', () => {
    const args = qemuArgs({ kernel, memoryMB: 300 }, 'tcg', [{ tag: 'vroot', socket: '/s' }])
    expect(values(args, '-object')).toContain('memory-backend-memfd,id=memory,size=300M,share=on')
    expect(values(args, '-device')).toContain('vhost-user-fs-pci,chardev=fs0,tag=vroot')
  })
  test('never boots again by itself', () => expect(qemuArgs({ kernel }, 'tcg', [])).toContain('-no-reboot'))
  test('takes KVM only where told', () => {
    expect(values(qemuArgs({ kernel }, 'tcg', []), '-accel')).toEqual(['tcg'])
    expect(values(qemuArgs({ kernel }, 'kvm', []), '-accel')).toEqual(['kvm'])
  })
})

test('defaultMac counts in hexadecimal', () => expect(defaultMac(15)).toBe('52:54:00:00:00:10'))
