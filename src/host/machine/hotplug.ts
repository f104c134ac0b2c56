/** Devices that a running machine gets by QMP. */

import type { Disk } from './options.ts'
import type { VirtiofsSocket } from './qemu.ts'
import type { Qmp } from './qmp.ts'

export interface Hotplug {
  addDisk(disk: Disk): Promise<void>
  addShare(share: VirtiofsSocket): Promise<void>
  addNic(nic: { readonly mac: string }): Promise<void>
}

export function createHotplug({ execute }: Qmp): Hotplug {
  let added = 0
  return {
    async addDisk({ file, readOnly = false, serial }) {
      const id = `added${added++}`
      const image = { driver: 'file', filename: file, 'read-only': readOnly }
      await execute('blockdev-add', { driver: 'raw', 'node-name': id, file: image, 'read-only': readOnly })
      const device = { driver: 'virtio-blk-pci', drive: id, id: `${id}d` }
      await execute('device_add', serial === undefined ? device : { ...device, serial })
    },
    async addShare({ tag, socket }) {
      const id = `added${added++}`
      const addr = { type: 'unix', data: { path: socket } }
      await execute('chardev-add', { id, backend: { type: 'socket', data: { addr, server: false } } })
      await execute('device_add', { driver: 'vhost-user-fs-pci', chardev: id, tag, id: `${id}d` })
    },
    async addNic({ mac }) {
      const id = `added${added++}`
      // A hub of its own.
      await execute('netdev_add', { type: 'hubport', id, hubid: 100 + added })
      await execute('device_add', { driver: 'virtio-net-pci', netdev: id, mac, romfile: '', id: `${id}d` })
    },
  }
}
