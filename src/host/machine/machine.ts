/**
 * Boots a container microVM in QEMU as a zos host does in cloud-hypervisor: our kernel and initramfs, the root
 * directory over virtiofs, disks and NICs over virtio, the console on a serial line.
 */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { type ChildEnd, collectStderr, endOf, failure } from '../lib/child.ts'
import { chooseAccel, findVirtiofsd, needProgram } from '../lib/programs.ts'
import { type Console, createConsole } from './console.ts'
import { createPipe } from './fifo.ts'
import { privateFolder, spawnGuarded } from './guard.ts'
import type { Disk, MachineOptions, Share } from './options.ts'
import { QMP_FD, qemuArgs, rootTag, type VirtiofsSocket, WINDOW_FD } from './qemu.ts'
import { connectQmp, type Json } from './qmp.ts'
import { type RunningVirtiofsd, startVirtiofsd, virtiofsdCommand } from './virtiofsd.ts'

export type ExitReason =
  /** The guest switched the power off. */
  | 'powerdown'
  /** The guest reset the machine. */
  | 'reset'
  /** The guest's kernel panicked. */
  | 'panic'
  /** The guest's kernel said that it halted; the machine was switched off for it. */
  | 'halt'
  /** `timeout` was over. */
  | 'timeout'
  /** `kill()` was called, or QMP's `quit`. */
  | 'quit'
  /** QEMU ended by itself: see `qemuError`. */
  | 'failed'

export interface MachineExit {
  readonly reason: ExitReason
  /** The whole serial log. */
  readonly console: string
  /** From the processor's first instruction, in seconds. */
  readonly duration: number
  /** What QEMU itself said. */
  readonly qemuError: string
}

export interface Machine {
  readonly console: Console
  /** Never rejects. Everything of the machine is gone by then. */
  readonly exited: Promise<MachineExit>
  /** QEMU's command line, for people. */
  readonly command: readonly string[]
  /** Types on the console. */
  write(text: string | Uint8Array): void
  /** Tells the size of the terminal that shows the console, which needs the option `window`. */
  resize(columns: number, rows: number): void
  /** Asks it to end, by the power button, and ends it where it has not within so many seconds. */
  stop(patience: number): Promise<MachineExit>
  /** Presses the ACPI power button. */
  powerdown(): Promise<void>
  /** Any QMP command. */
  qmp(command: string, args?: Json): Promise<unknown>
  /** Plugs in a virtio-blk disk. */
  addDisk(disk: Disk): Promise<void>
  /** Plugs in a virtiofs share, with a virtiofsd of its own. */
  addShare(share: Share): Promise<void>
  /** Plugs in a NIC on a hub of its own. */
  addNic(nic: { readonly mac: string }): Promise<void>
  /** Ends the virtiofsd of a share, as a crash of it would: for tests of what the guest does then. */
  killShare(tag: string): void
  /** Ends it at once, as a zos host may. */
  kill(): void
}

/** Starts a machine. Rejects where QEMU or virtiofsd does not start, with their words, what was run and what to do. */
export async function boot(options: MachineOptions): Promise<Machine> {
  const qemu = needProgram('qemu-system-x86_64', 'qemu-system-x86')
  const folder = privateFolder()
  const stops: Stop[] = [folder.remove]
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) await one()
  }
  try {
    return await start(qemu, options, folder.path, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

/** The commands that `boot` would run, virtiofsd's first, with a folder's name in the place of the private one. */
export function machineCommands(options: MachineOptions, folder: string): (readonly string[])[] {
  const sockets = shares(options).map(({ tag }, at) => ({ tag, socket: `${folder}/${at}.socket` }))
  const isRoot = process.getuid?.() === 0
  const servers = shares(options).map(({ directory, readOnly }, at) =>
    virtiofsdCommand(
      findVirtiofsd(),
      { directory, socket: `${folder}/${at}.socket`, readOnly: readOnly ?? false },
      isRoot,
    ),
  )
  const qemu = needProgram('qemu-system-x86_64', 'qemu-system-x86')
  return [...servers, [qemu, ...qemuArgs(options, chooseAccel(options.accel ?? 'tcg'), sockets)]]
}

/** Ends one part of a machine; they run in the reverse order of their parts' start. */
type Stop = () => void | Promise<void>

async function start(
  qemu: string,
  options: MachineOptions,
  folder: string,
  stops: Stop[],
  stop: () => Promise<void>,
): Promise<Machine> {
  let served = 0
  const servers = new Map<string, RunningVirtiofsd>()
  const serve = async ({ tag, directory, readOnly }: Share): Promise<VirtiofsSocket> => {
    const socket = `${folder}/${served++}.socket`
    const server = await startVirtiofsd({
      directory,
      socket,
      ...(readOnly === undefined ? {} : { readOnly }),
    })
    stops.push(server.stop)
    servers.set(tag, server)
    return { tag, socket }
  }
  const args = qemuArgs(
    options,
    chooseAccel(options.accel ?? 'tcg'),
    await Promise.all(shares(options).map(serve)),
  )

  const serial = createPipe(folder)
  const child = spawnGuarded(qemu, args, ['pipe', serial.writeEnd, 'pipe', 'pipe', 'pipe'])
  const output = serial.read()
  stops.push(() => void child.kill('SIGKILL'))
  const stderr = collectStderr(child)
  const end = Promise.all([endOf(child), once(output, 'close')]).then(([ending]) => ending)

  const terminal = createConsole(options.consoleLimit)
  const logs = [options.log ?? []].flat().map((file) => createWriteStream(file))
  output.on('data', (chunk: Buffer) => {
    terminal.push(chunk)
    for (const log of logs) log.write(chunk)
  })
  child.stdin?.on('error', () => {})

  let reason: ExitReason | undefined
  const monitor = child.stdio[QMP_FD]
  if (!(monitor instanceof Duplex)) throw new Error('no QMP socket')
  const qmp = await connectQmp(monitor, (event, data) => {
    if (event === 'SHUTDOWN') reason ??= shutdownReason(data)
  }).catch(async () => {
    await end
    throw failure(qemu, args, stderr(), adviceFor(stderr()))
  })

  const window = child.stdio[WINDOW_FD]
  if (window instanceof Duplex) window.on('error', () => {})
  const begin = performance.now()
  const finish = (why: ExitReason): void => {
    reason ??= why
    child.kill('SIGKILL')
  }
  const timer =
    options.timeout === undefined ? undefined : setTimeout(() => finish('timeout'), options.timeout * 1000)
  terminal.waitFor(/reboot: System halted/).then((line) => {
    if (line !== undefined) finish('halt')
  })

  const exited = end.then(async (ending): Promise<MachineExit> => {
    clearTimeout(timer)
    terminal.end()
    await stop()
    await Promise.all(logs.map((log) => new Promise<void>((done) => log.end(done))))
    const duration = (performance.now() - begin) / 1000
    return {
      reason: exitReason(reason, terminal.text()),
      console: terminal.text(),
      duration,
      qemuError: words(ending),
    }
  })
  const words = ({ code, signal }: ChildEnd): string =>
    stderr() || (reason === undefined ? `QEMU ended with code ${code}, signal ${signal}` : '')

  // Nothing runs before this: no event is lost, and the duration has one meaning.
  await qmp.execute('cont')

  const powerdown = async (): Promise<void> => void (await qmp.execute('system_powerdown'))
  let added = 0
  return {
    console: terminal,
    exited,
    command: [qemu, ...args],
    write: (text) => void child.stdin?.write(text),
    resize(columns, rows) {
      const message = Buffer.alloc(4)
      message.writeUInt16LE(Math.min(columns, 0xffff), 0)
      message.writeUInt16LE(Math.min(rows, 0xffff), 2)
      if (options.window === true && window instanceof Duplex) window.write(message)
    },
    powerdown,
    async stop(patience) {
      // It may be gone already, and then there is nobody to ask.
      await powerdown().catch(() => {})
      const last = setTimeout(() => finish('quit'), patience * 1000)
      return exited.finally(() => clearTimeout(last))
    },
    qmp: qmp.execute,
    async addDisk({ file, readOnly, serial }) {
      const id = `added${added++}`
      const image = { driver: 'file', filename: file, 'read-only': readOnly ?? false }
      await qmp.execute('blockdev-add', {
        driver: 'raw',
        'node-name': id,
        file: image,
        'read-only': readOnly ?? false,
      })
      const device = { driver: 'virtio-blk-pci', drive: id, id: `${id}d` }
      await qmp.execute('device_add', serial === undefined ? device : { ...device, serial })
    },
    async addShare(share) {
      const id = `added${added++}`
      const { tag, socket } = await serve(share)
      const addr = { type: 'unix', data: { path: socket } }
      await qmp.execute('chardev-add', { id, backend: { type: 'socket', data: { addr, server: false } } })
      await qmp.execute('device_add', { driver: 'vhost-user-fs-pci', chardev: id, tag, id: `${id}d` })
    },
    async addNic({ mac }) {
      const id = `added${added++}`
      await qmp.execute('netdev_add', { type: 'hubport', id, hubid: 100 + added })
      await qmp.execute('device_add', {
        driver: 'virtio-net-pci',
        netdev: id,
        mac,
        romfile: '',
        id: `${id}d`,
      })
    },
    killShare(tag) {
      servers.get(tag)?.kill()
    },
    kill: () => finish('quit'),
  }
}

/** What to do about QEMU's words, where they are ones that users meet. */
function adviceFor(words: string): string {
  if (words.includes('Could not set up host forwarding rule')) {
    return 'another program has this port, or it is below 1024 and needs root: forward another one'
  }
  if (words.includes('could not configure /dev/net/tun'))
    return 'make the tap interface as this user: ip tuntap add IFACE mode tap user $USER'
  if (words.includes('cannot set up guest memory')) return 'ask for less memory'
  return 'look at its words above: a file it may not open, or a device it does not know'
}

/** Every virtiofs file system of the options, the root first. By full names: virtiofsd would look below its own `/`. */
function shares({ root, shares: others = [] }: MachineOptions): readonly Share[] {
  const all = root?.kind === 'virtiofs' ? [{ ...root, tag: rootTag(root) }, ...others] : others
  return all.map(({ tag, directory, readOnly }) => ({
    tag,
    directory: resolve(directory),
    ...(readOnly === undefined ? {} : { readOnly }),
  }))
}

/** QEMU's `ShutdownCause`, as far as a machine with -no-reboot can have it. */
function shutdownReason({ reason }: Json): ExitReason {
  if (reason === 'guest-shutdown') return 'powerdown'
  if (reason === 'guest-reset') return 'reset'
  if (reason === 'guest-panic') return 'panic'
  return 'quit'
}

/** With `panic=1` the kernel resets the machine after a panic: only its words tell the two apart. */
function exitReason(reason: ExitReason | undefined, text: string): ExitReason {
  if (reason === 'reset' && text.includes('Kernel panic - not syncing')) return 'panic'
  return reason ?? 'failed'
}
