/**
 * Boots a container microVM in QEMU as a zos host does in cloud-hypervisor: our kernel and initramfs, the root
 * directory over virtiofs, disks and NICs over virtio, the console on a serial line.
 */

import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Console, type ConsoleWriter, createConsole } from '../console/console.ts'
import { type LogWriter, openLog } from '../console/log-file.ts'
import { privateFolder } from '../lib/guard.ts'
import { chooseAccel, findVirtiofsd, needProgram } from '../lib/programs.ts'
import { type ExitReason, exitReason, halted, shutdownReason } from './ending.ts'
import { createPipe } from './fifo.ts'
import { createHotplug } from './hotplug.ts'
import type { Disk, MachineOptions, Share } from './options.ts'
import { qemuArgs, rootTag, type VirtiofsSocket } from './qemu.ts'
import { type QemuProcess, startQemu } from './qemu-process.ts'
import type { Json, Qmp } from './qmp.ts'
import { type RunningVirtiofsd, startVirtiofsd, virtiofsdCommand } from './virtiofsd.ts'

export interface MachineExit {
  readonly reason: ExitReason
  /** The whole serial log. */
  readonly console: string
  /** From the processor's first instruction, in seconds. */
  readonly duration: number
  /** QEMU's own messages. */
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
  /** Sets the size of the terminal that shows the console; needs the option `window`. */
  resize(columns: number, rows: number): void
  /** Presses the power button, and ends the machine if it has not ended after so many seconds. */
  stop(patience: number): Promise<MachineExit>
  /** Presses the ACPI power button. */
  powerdown(): Promise<void>
  /** Any QMP command. */
  qmp(command: string, args?: Json): Promise<unknown>
  /** Plugs in a virtio-blk disk. */
  addDisk(disk: Disk): Promise<void>
  /** Plugs in a virtiofs share with its own virtiofsd. */
  addShare(share: Share): Promise<void>
  /** Plugs in a NIC on a hub of its own. */
  addNic(nic: { readonly mac: string }): Promise<void>
  /** Kills the virtiofsd of a share, for tests of what the guest does after a crash. */
  killShare(tag: string): void
  /** Ends it at once, as a zos host may. */
  kill(): void
}

/**
 * Starts a machine. If QEMU or virtiofsd does not start, rejects with its message and what to do.
 * @param folder for its sockets; removed with the machine
 */
export async function boot(options: MachineOptions, folder = privateFolder()): Promise<Machine> {
  const qemu = needProgram('qemu-system-x86_64', 'qemu-system-x86')
  const cleanup = createCleanup()
  cleanup.add(folder.remove)
  try {
    const servers = createFileServers(folder.path, cleanup)
    // They start together: QEMU connects to a socket whose virtiofsd may not run yet.
    const [serial, ...sockets] = await Promise.all([
      createPipe(folder.path),
      ...shares(options).map(servers.serve),
    ])
    const args = qemuArgs(options, chooseAccel(options.accel ?? 'tcg'), sockets)
    const vmm = startQemu(qemu, args, serial)
    cleanup.add(vmm.kill)
    const run = watch(vmm, options, cleanup)
    const qmp = await Promise.race([servers.failure, vmm.connect(run.onEvent)]).catch((error: unknown) =>
      servers.explain(error),
    )
    const exited = run.begin(qmp)
    // Nothing runs before this: no event is lost, and the duration has one meaning.
    await qmp.execute('cont')
    return machine({ options, command: [qemu, ...args], vmm, qmp, servers, run, exited })
  } catch (error) {
    await cleanup.run()
    throw error
  }
}

export interface MachineCommands {
  /** One virtiofsd for each shared directory, and the socket that it listens at. */
  readonly servers: readonly { readonly command: readonly string[]; readonly socket: string }[]
  readonly qemu: readonly string[]
}

/** The commands for the same machine without this process, with sockets in a folder of the caller's. */
export function machineCommands(options: MachineOptions, folder: string): MachineCommands {
  const isRoot = process.getuid?.() === 0
  const program = shares(options).length === 0 ? undefined : findVirtiofsd()
  const shared = shares(options).map((share, at) => ({ ...share, socket: `${folder}/${at}.socket` }))
  const servers = shared.flatMap(({ directory, socket, readOnly = false }) =>
    program === undefined
      ? []
      : [{ command: virtiofsdCommand(program, { directory, socket, readOnly }, isRoot), socket }],
  )
  const qemu = needProgram('qemu-system-x86_64', 'qemu-system-x86')
  const args = qemuArgs(options, chooseAccel(options.accel ?? 'tcg'), shared, 'keys')
  return { servers, qemu: [qemu, ...args] }
}

/** What ends the parts of a machine, in the reverse order of their start. */
interface Cleanup {
  add(stop: () => void | Promise<void>): void
  run(): Promise<void>
}

function createCleanup(): Cleanup {
  const stops: (() => void | Promise<void>)[] = []
  return {
    add: (stop) => void stops.push(stop),
    async run() {
      for (const stop of stops.splice(0).reverse()) await stop()
    },
  }
}

interface FileServers {
  /** Starts a virtiofsd. Its socket can be connected to at once. */
  serve(share: Share): Promise<VirtiofsSocket>
  kill(tag: string): void
  /** Rejects when the first of them has ended. */
  readonly failure: Promise<never>
  /** Throws the error of one that has ended, which QEMU's error then comes from, or else this one. */
  explain(error: unknown): Promise<never>
}

/** Between the end of a virtiofsd and of the QEMU that is connected to it, on a busy computer. Milliseconds. */
const EXPLANATION_PATIENCE = 500

function createFileServers(folder: string, cleanup: Cleanup): FileServers {
  const running = new Map<string, RunningVirtiofsd>()
  let started = 0
  let fail: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    fail = reject
  })
  // Each virtiofsd ends with its machine; nobody waits for that.
  failure.catch(() => {})
  return {
    failure,
    async serve({ tag, directory, readOnly = false }) {
      const socket = `${folder}/${started++}.socket`
      const server = await startVirtiofsd(directory, socket, readOnly)
      server.ended.then(fail)
      cleanup.add(server.stop)
      running.set(tag, server)
      return { tag, socket }
    },
    kill: (tag) => running.get(tag)?.kill(),
    async explain(error) {
      await Promise.race([failure, sleep(EXPLANATION_PATIENCE, undefined, { ref: false })])
      throw error
    },
  }
}

/** A machine's console and end. */
interface Run {
  readonly console: ConsoleWriter
  readonly onEvent: (name: string, data: Json) => void
  /** The processors are about to run. */
  begin(qmp: Qmp): Promise<MachineExit>
  /** Ends it at once, and that is the reason unless there is one already. */
  finish(reason: ExitReason): void
}

function watch(vmm: QemuProcess, options: MachineOptions, cleanup: Cleanup): Run {
  const console = createConsole(options.consoleLimit)
  const logs = openLogs(options)
  vmm.output.on('data', (chunk: Buffer) => {
    console.push(chunk)
    for (const log of logs) log.write(chunk)
  })
  let reason: ExitReason | undefined
  const finish = (why: ExitReason): void => {
    reason ??= why
    vmm.kill()
  }
  return {
    console,
    finish,
    onEvent(name, data) {
      if (name === 'SHUTDOWN') reason ??= shutdownReason(data)
    },
    async begin({ execute }) {
      const start = performance.now()
      const { timeout } = options
      const timer = timeout === undefined ? undefined : setTimeout(() => finish('timeout'), timeout * 1000)
      halted(console, execute).then((isHalted) => isHalted && finish('halt'))
      const { code, signal } = await vmm.ended
      clearTimeout(timer)
      console.end()
      await cleanup.run()
      await Promise.all(logs.map((log) => log.end()))
      const text = console.text()
      const unexplained = reason === undefined ? `QEMU ended with code ${code}, signal ${signal}` : ''
      return {
        reason: exitReason(reason, text),
        console: text,
        duration: (performance.now() - start) / 1000,
        qemuError: vmm.words() || unexplained,
      }
    },
  }
}

function openLogs({ log = [], warn = () => {} }: MachineOptions): LogWriter[] {
  return [log].flat().map((each) => openLog(typeof each === 'string' ? { file: each } : each, warn))
}

interface Parts {
  readonly options: MachineOptions
  readonly command: readonly string[]
  readonly vmm: QemuProcess
  readonly qmp: Qmp
  readonly servers: FileServers
  readonly run: Run
  readonly exited: Promise<MachineExit>
}

function machine({ options, command, vmm, qmp, servers, run, exited }: Parts): Machine {
  const hotplug = createHotplug(qmp)
  const powerdown = async (): Promise<void> => void (await qmp.execute('system_powerdown'))
  return {
    console: run.console,
    exited,
    command,
    write: vmm.write,
    resize(columns, rows) {
      if (options.window === true) vmm.writeWindow(windowSize(columns, rows))
    },
    powerdown,
    async stop(patience) {
      // It may be gone already, and then there is nobody to ask.
      await powerdown().catch(() => {})
      const last = setTimeout(() => run.finish('quit'), patience * 1000)
      return exited.finally(() => clearTimeout(last))
    },
    qmp: qmp.execute,
    addDisk: hotplug.addDisk,
    addShare: async (share) => hotplug.addShare(await servers.serve(share)),
    addNic: hotplug.addNic,
    killShare: servers.kill,
    kill: () => run.finish('quit'),
  }
}

/** As PID 1 reads it (supervise/window.ts). */
function windowSize(columns: number, rows: number): Buffer {
  const message = Buffer.alloc(4)
  message.writeUInt16LE(Math.min(columns, 0xffff), 0)
  message.writeUInt16LE(Math.min(rows, 0xffff), 2)
  return message
}

/** Every virtiofs file system of the options, the root first. Absolute, since virtiofsd has its own `/`. */
function shares({ root, shares: others = [] }: MachineOptions): readonly Share[] {
  const all = root?.kind === 'virtiofs' ? [{ ...root, tag: rootTag(root) }, ...others] : others
  return all.map(({ tag, directory, readOnly }) => ({
    tag,
    directory: resolve(directory),
    ...(readOnly === undefined ? {} : { readOnly }),
  }))
}
