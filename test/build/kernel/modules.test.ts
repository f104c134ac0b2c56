import { describe, expect, test } from 'vitest'
import {
  formatIndex,
  imageFile,
  moduleName,
  parseModuleList,
  planModules,
} from '../../../build/kernel/modules.ts'

/** Lines of a real kernel's lists (Debian 12, cloud), shortened. */
const LISTS = {
  dep: `
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/net/core/failover.ko:
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko
kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/zstd/zstd_compress.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/lib/zstd/zstd_compress.ko.xz:
kernel/lib/libcrc32c.ko.xz:
kernel/crypto/xxhash_generic.ko.xz:
kernel/arch/x86/crypto/xxhash-fast.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko:
kernel/drivers/a.ko:
kernel/drivers/b.ko:
kernel/fs/nls/nls_iso8859-1.ko:
`,
  softdep: `# Soft dependencies extracted from modules themselves.
softdep btrfs pre: xxhash64
softdep btrfs pre: crypto-crc32c
softdep libcrc32c pre: crc32c
softdep a post: b pre: nothing
softdep b pre: a
softdep cifs gcm
`,
  alias: `
alias crypto-crc32c crc32c_intel
alias crc32c crc32c_intel
alias xxhash64 xxhash_fast
alias xxhash64 xxhash_generic
alias virtio:d00000001v* virtio_net
`,
  builtin: 'kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c_generic.ko\n',
  builtinModinfo: 'crc32c_generic.alias=crypto-crc32c\0crc32c_generic.alias=crc32c\0ext4.license=GPL\0',
}

describe('planModules', () => {
  const load = (...names: string[]): string[][] =>
    [...planModules(names, LISTS).load.values()].map((paths) => paths.map(moduleName))

  test('puts what a module depends on before it', () => {
    expect(load('virtio_net')).toEqual([['failover', 'net_failover', 'virtio_net']])
  })

  test('loads a soft dependency first, by alias, the generic provider of several', () => {
    expect(load('btrfs')).toEqual([['xxhash_generic', 'libcrc32c', 'zstd_compress', 'btrfs']])
  })

  test('leaves out a soft dependency that the kernel itself provides', () => {
    expect(load('libcrc32c')).toEqual([['libcrc32c']])
  })

  test('loads what is wanted afterwards, and ends where modules want each other', () => {
    expect(load('a', 'b')).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
  })

  test('takes - and _ for the same', () => {
    expect(load('nls_iso8859_1', 'nls-iso8859-1')).toEqual([['nls_iso8859_1']])
  })

  test('leaves out what is built in, and tells what the kernel does not have', () => {
    const plan = planModules(['ext4', '9p', 'virtio_pci'], LISTS)
    expect([...plan.load.keys()]).toEqual(['virtio_pci'])
    expect(plan.missing).toEqual(['9p'])
  })
})

describe('the index', () => {
  test('has a line for each name: the name and the files in the order of loading', () => {
    expect(formatIndex(planModules(['virtio_net', 'btrfs', 'ext4'], LISTS))).toBe(
      'virtio_net failover.ko net_failover.ko virtio_net.ko\n' +
        'btrfs xxhash_generic.ko libcrc32c.ko zstd_compress.ko btrfs.ko\n',
    )
  })

  test.each([
    ['kernel/fs/btrfs/btrfs.ko', 'btrfs.ko'],
    ['kernel/fs/nls/nls_iso8859-1.ko.xz', 'nls_iso8859-1.ko'],
  ])('names the file of %s %s', (path, file) => {
    expect(imageFile(path)).toBe(file)
  })
})

test('parseModuleList takes a name a line and drops comments', () => {
  expect(parseModuleList('# buses\nvirtio_pci  # QEMU\n\nvirtio_mmio\n')).toEqual([
    'virtio_pci',
    'virtio_mmio',
  ])
})
