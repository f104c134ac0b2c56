/**
 * Namespaces of its own for a test file, which it never leaves: the machine's network and mounts are out of its reach.
 *
 * unshare(2) moves one thread, and all our system calls are made, synchronously, by the thread that runs JavaScript:
 * so a test needs no process of its own for this. What Node does on other threads (everything asynchronous) stays in
 * the machine's namespace: use none of it here. Child processes are started by this thread and so belong inside.
 */

import { readlinkSync } from 'node:fs'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { must } from '../../src/sys/errno.ts'
import { mount, syscall, useRuntime } from '../../src/sys/linux.ts'
import type { Runtime } from '../../src/sys/port.ts'

const MS_REC = 16384
const MS_PRIVATE = 1 << 18

const SYS_unshare = 272
const CLONE_NEWNS = 0x00020000
const CLONE_NEWNET = 0x40000000

/** How often each system call was made, by number. */
export const calls = new Map<number, number>()

const countingRuntime: Runtime = {
  ...nodeRuntime,
  syscall(number, ...args) {
    calls.set(number, (calls.get(number) ?? 0) + 1)
    return nodeRuntime.syscall(number, ...args)
  },
}

/** Throws where it can't be left: without root, run the tests under `unshare --user --map-root-user`. */
export function enterNetworkNamespace(): void {
  enter('net', CLONE_NEWNET)
}

/** In it, nothing that is mounted gets out, and /run is a tmpfs: what a test leaves there ends with its process. */
export function enterMountNamespace(): void {
  enter('mnt', CLONE_NEWNS)
  must(mount('none', '/', '', MS_REC | MS_PRIVATE), () => 'make all mounts private')
  must(mount('tmpfs', '/run', 'tmpfs', 0, 'mode=0755'), () => 'mount tmpfs on /run')
}

function enter(kind: 'net' | 'mnt', flag: number): void {
  useRuntime(countingRuntime)
  const before = readlinkSync(`/proc/thread-self/ns/${kind}`)
  must(syscall(SYS_unshare, flag), () => `unshare the ${kind} namespace`)
  if (readlinkSync(`/proc/thread-self/ns/${kind}`) === before)
    throw new Error(`still in the machine’s ${kind}`)
}
