/** Waiting for what appears late, woken by this kernel's own events: in namespaces of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { findDevice } from '../../src/boot/io/device.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { waitFor } from '../../src/boot/io/wait.ts'
import { mountStep } from '../../src/boot/steps/mount.ts'
import { closeMonitor, openMonitor, readMonitor } from '../../src/netlink/monitor.ts'
import { UEVENT_GROUP } from '../../src/netlink/uevent.ts'
import { NETLINK_KOBJECT_UEVENT } from '../../src/sys/flags.ts'
import { uptime } from '../../src/sys/linux.ts'
import {
  attachLoop,
  enterDiskNamespace,
  fileSystem,
  makeImage,
  said,
  unmountBelow,
  WORK,
  whyNoDisks,
} from './disks.ts'
import { enterNetworkNamespace } from './namespace.ts'

const missing = whyNoDisks()
if (missing === undefined) {
  enterDiskNamespace()
  // Where no links but the tests' own come and go.
  enterNetworkNamespace()
}

/** Polling even every 100 ms would need more attempts for what appears after 300 ms and may wait for 5 s. */
const FEW = 20

const children: ChildProcess[] = []
const cleanUp: (() => void)[] = []

/** Runs a shell's command while this thread waits. */
function meanwhile(command: string): void {
  children.push(spawn('sh', ['-ec', command], { stdio: ['ignore', 'ignore', 'inherit'] }))
}

/** A disk that appears after 300 ms under this name: the node first and then the event, as with the kernel's own. */
function lateDisk(name: string, image: string): void {
  const { name: loop, major, minor, detach } = attachLoop(image)
  cleanUp.push(detach)
  const node = `mknod /dev/${name} b ${major} ${minor}; : > /sys/class/block/${name}`
  meanwhile(`sleep 0.3; ${node}; echo add > /sys/block/${loop}/uevent`)
}

/** An attempt that counts how often it is made. */
function counting<T>(attempt: () => T | undefined): { attempt: () => T | undefined; made: () => number } {
  let made = 0
  return {
    attempt: () => {
      made++
      return attempt()
    },
    made: () => made,
  }
}

const link = (name: string): string | undefined =>
  statSync(`/proc/sys/net/ipv4/conf/${name}`, { throwIfNoEntry: false }) && name

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
  if (missing === undefined) unmountBelow(WORK)
  for (const undo of cleanUp.splice(0)) undo()
})

describe.skipIf(missing !== undefined)(`waitFor ${missing === undefined ? '' : `(${missing})`}`, () => {
  it('asks once for what is there, also where the deadline is over', () => {
    for (const wait of [5000, 0, -1]) {
      const { attempt, made } = counting(() => 'there')
      const start = uptime()
      expect([waitFor(attempt, start + wait, String), made()]).toEqual(['there', 1])
      expect(uptime() - start).toBeLessThan(100)
    }
  })

  it('asks once where the deadline is over', () => {
    const { attempt, made } = counting(() => undefined)
    expect([waitFor(attempt, uptime(), String), made()]).toEqual([undefined, 1])
  })

  it('sleeps until the deadline where nothing happens, and no longer', () => {
    const { attempt, made } = counting(() => undefined)
    const monitor = openMonitor(NETLINK_KOBJECT_UEVENT, UEVENT_GROUP)
    const start = uptime()
    expect(waitFor(attempt, start + 400, String)).toBeUndefined()
    const took = uptime() - start
    expect(took).toBeGreaterThanOrEqual(400)
    expect(took).toBeLessThan(600)
    let heard = 0
    while (readMonitor(monitor) !== 0) heard++
    closeMonitor(monitor)
    // Before the monitor is open, after that, and at the end; and where a device of this machine came meanwhile.
    expect(made()).toBeGreaterThanOrEqual(3)
    expect(made()).toBeLessThanOrEqual(3 + heard)
  })

  it('says after a second what it waits for, once', () => {
    said()
    expect(
      waitFor(
        () => undefined,
        uptime() + 1300,
        () => 'a bus',
      ),
    ).toBeUndefined()
    expect(said()).toBe('zmachine: waiting for a bus, up to 1 s\n')
  })

  it('is woken by a link that appears late', () => {
    const { attempt, made } = counting(() => link('late0'))
    meanwhile('sleep 0.3; ip link add late0 type veth peer name late1')
    const start = uptime()
    expect(waitFor(attempt, start + 5000, String)).toBe('late0')
    const took = uptime() - start
    expect(took).toBeGreaterThanOrEqual(250)
    expect(took).toBeLessThan(3000)
    expect(made()).toBeLessThan(FEW)
  })

  it('is woken by a disk that appears late, at once', () => {
    const { attempt, made } = counting(() => findDevice('/dev/vdb'))
    lateDisk('vdb', makeImage(fileSystem('ext4'), treeOf('late')))
    const start = uptime()
    expect(waitFor(attempt, start + 5000, String)).toBe('/dev/vdb')
    const since = Date.now() - statSync('/dev/vdb').birthtimeMs
    expect(since).toBeLessThan(250)
    expect(uptime() - start).toBeGreaterThanOrEqual(250)
    expect(made()).toBeLessThan(FEW)
  })

  it.each(['/dev/vdc', 'LABEL=late-label'])('lets a late disk be mounted by %s', (source) => {
    const tree = treeOf(source.replace('/dev/', ''))
    lateDisk(source.startsWith('/') ? 'vdc' : 'vdd', makeImage(fileSystem('ext4'), tree, 'late-label'))
    const target = `${tree}-mounted`
    const step = {
      kind: 'mount',
      source,
      target,
      type: 'auto',
      flags: 0,
      data: '',
      nofail: false,
      grow: true,
      from: '',
    } as const
    expect(mountStep(step, uptime() + 5000, NO_MODULES)).toMatchObject({ type: 'ext4', readOnly: false })
    expect(readFileSync(`${target}/hello`, 'latin1')).toBe('hello\n')
  })
})

function treeOf(name: string): string {
  mkdirSync(`${WORK}/${name}`)
  writeFileSync(`${WORK}/${name}/hello`, 'hello\n')
  return `${WORK}/${name}`
}
