/** Runs QEMU as a child of this process, with its console, monitor and end. */

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ChildEnd, collectStderr, endOf, failure } from '../lib/child.ts'
import { spawnGuarded } from '../lib/guard.ts'
import type { Pipe } from './fifo.ts'
import { QMP_FD, WINDOW_FD } from './qemu.ts'
import { connectQmp, type Json, type Qmp } from './qmp.ts'

export interface QemuProcess {
  /** What the guest writes to its serial line. */
  readonly output: Socket
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<ChildEnd>
  /** The last of its own messages. */
  words(): string
  /** Types on the serial line. */
  write(text: string | Uint8Array): void
  /** The port that PID 1 reads the terminal's size from. */
  writeWindow(message: Uint8Array): void
  /** Connects to the monitor; rejects with QEMU's message and advice if it does not start. */
  connect(onEvent: (name: string, data: Json) => void): Promise<Qmp>
  kill(): void
}

/** @param serial what its serial line is written to */
export function startQemu(qemu: string, args: readonly string[], serial: Pipe): QemuProcess {
  const child = spawnGuarded(qemu, args, ['pipe', serial.writeEnd, 'pipe', 'pipe', 'pipe'])
  const output = serial.read()
  const words = collectStderr(child)
  const ended = Promise.all([endOf(child), once(output, 'close')]).then(([end]) => end)
  child.stdin?.on('error', () => {})
  const window = socketAt(child, WINDOW_FD)
  window.on('error', () => {})
  return {
    output,
    ended,
    words,
    write: (text) => void child.stdin?.write(text),
    writeWindow: (message) => void window.write(message),
    connect: (onEvent) =>
      connectQmp(socketAt(child, QMP_FD), onEvent).catch(async () => {
        await ended
        throw startFailure(qemu, args, words())
      }),
    kill: () => void child.kill('SIGKILL'),
  }
}

function socketAt(child: ChildProcess, fd: number): Duplex {
  const socket = child.stdio[fd]
  if (!(socket instanceof Duplex)) throw new Error(`QEMU has no socket at descriptor ${fd}`)
  return socket
}

/** Parts of QEMU's messages that users meet, and what to do about them. */
const ADVICE: readonly (readonly [words: string, what: string])[] = [
  ['Could not set up host forwarding rule', 'publish another port: this one is in use, or needs root'],
  [
    'could not configure /dev/net/tun',
    'make the tap interface as this user: ip tuntap add IFACE mode tap user $USER',
  ],
  ['cannot set up guest memory', 'ask for less --memory'],
  ['Failed to get "write" lock', 'another machine uses this disk: end it first, or attach the disk with :ro'],
]

/** If the cause is known, QEMU's long command line is not shown. */
function startFailure(qemu: string, args: readonly string[], words: string): Error {
  const known = ADVICE.find(([part]) => words.includes(part))
  if (known !== undefined) return new Error(`QEMU did not start\n  ${words}\n  what to do: ${known[1]}`)
  return failure(
    qemu,
    args,
    words,
    'see the message above: a file it may not open, or a device it does not have',
  )
}
