/** `zmachine run`: boots a root directory, with the terminal for its console. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheLimit, limitCache } from '../cache/limit.ts'
import { rootDirectory } from '../image/root-directory.ts'
import { type RootKind, rootKind } from '../image/root-kind.ts'
import { hostnameOf } from '../image/root-name.ts'
import { readInRoot, resolveInRoot } from '../image/root-reader.ts'
import { readStartup, STARTUP_PATH, type Startup } from '../image/startup-toml.ts'
import { commandLine } from '../lib/child.ts'
import { errorCode } from '../lib/input.ts'
import { UsageError } from '../lib/usage.ts'
import { newBootLog } from '../machine/boot-logs.ts'
import { containerExit } from '../machine/container-exit.ts'
import { fillFirstDisk, prepareDisks } from '../machine/disk-files.ts'
import type { ExitReason } from '../machine/ending.ts'
import { firmware } from '../machine/firmware.ts'
import { type PrivateFolder, privateFolder } from '../machine/guard.ts'
import { type Kernel, ownKernel, packagedKernel } from '../machine/kernels.ts'
import type { LogFile } from '../machine/log-file.ts'
import { boot, type MachineExit, machineCommands } from '../machine/machine.ts'
import type { Disk, MachineOptions } from '../machine/options.ts'
import { seedImage } from '../seed/seed-image.ts'
import { RUN_HELP, type RunRequest, readRunOptions, readVariable } from './run-options.ts'
import { type Configuration, configurationOf } from './run-plan.ts'
import { type Screen, showMachine } from './run-screen.ts'

/** timeout(1) has the same. */
const TIMED_OUT = 124

/** The machine failed, and not the container: docker's code for the same. */
const FAILED = 125

/** @returns the exit code; throws a UsageError for 2 */
export async function runCommand(args: readonly string[], screen: Screen): Promise<number> {
  const request = readRunOptions(args)
  if (request === 'help') {
    screen.write(Buffer.from(RUN_HELP))
    return 0
  }
  // Before anything is unpacked, as a mistake in it is told at once.
  const limit = cacheLimit()
  const { fresh, readOnly } = request
  const root = await rootDirectory(request.root, screen.report, { fresh, writable: !readOnly })
  try {
    return await runRoot(request, root.directory, screen)
  } finally {
    root.release()
    if (root.unpacked) limitCache(screen.report, limit)
  }
}

async function runRoot(request: RunRequest, directory: string, screen: Screen): Promise<number> {
  const kind = rootKind(directory)
  const startup = startupOf(directory, screen)
  const configuration = configurationOf(request, {
    kind: kind.kind,
    startup,
    environment: readEnvironment(request),
    sshKeys: request.sshKeys.flatMap(readKeys),
    hostname: hostnameOf(request.root),
  })
  if (kind.kind === 'container') checkEntrypoint(request, startup, directory)
  const folder = privateFolder()
  try {
    const options = await machineFor(request, { kind, directory, configuration }, folder, screen)
    if (!request.print) return await run(request, kind, options, screen)
    print(options, configuration, screen)
    return 0
  } finally {
    folder.remove()
  }
}

/** `/.startup.toml`, by the host's rules; what a host refuses is refused. */
function startupOf(directory: string, screen: Screen): Startup | undefined {
  const text = readInRoot(directory, STARTUP_PATH)
  if (text === undefined) return undefined
  const startup = readStartup(text)
  const problems = startup.problems.map(
    ({ message, line }) => `${STARTUP_PATH}${line === undefined ? '' : `:${line}`}: ${message}`,
  )
  if (startup.refused) throw new UsageError(problems.join('\n  '), 'zmachine inspect tells the rest')
  for (const problem of problems) screen.report(problem)
  return startup
}

/** The files first, so that an option goes before them; of here where only a name is given. */
function readEnvironment(request: RunRequest): ReadonlyMap<string, string> {
  const ofFiles = request.environmentFiles.flatMap((file) =>
    readNamedFile(file, '--env-file')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
      .map((line) => readVariable(line.trimStart())),
  )
  const found = new Map<string, string>()
  for (const [name, value] of [...ofFiles, ...request.environment]) {
    if (value !== undefined) found.set(name, value)
  }
  return found
}

/** A key, or a file of keys. */
function readKeys(keyOrFile: string): readonly string[] {
  const text = existsSync(keyOrFile) ? readNamedFile(keyOrFile, '--ssh-key') : keyOrFile
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length > 0 && keys.every((key) => /\s/.test(key)) && !text.includes('PRIVATE KEY')) return keys
  throw new UsageError(
    `--ssh-key ${JSON.stringify(keyOrFile)} is neither a public key nor a file of them`,
    '--ssh-key ~/.ssh/id_ed25519.pub',
  )
}

function readNamedFile(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${option} ${JSON.stringify(file)}: ${errorCode(error)}`)
  }
}

/** Told here, before a machine is started for nothing. Where there is something, PID 1 judges it. */
function checkEntrypoint(request: RunRequest, startup: Startup | undefined, directory: string): void {
  const isGiven = request.entrypoint !== undefined || request.args.length > 0
  if (isGiven || startup?.entrypoint !== undefined || request.cmdline.includes('init=')) return
  const ofRoot = ['/sbin/init', '/.zosrc'].some((path) => resolveInRoot(directory, path) !== undefined)
  if (ofRoot) return
  throw new UsageError(
    `nothing says what to run: no ENTRYPOINT after --, and the root has no ${STARTUP_PATH}, /.zosrc or /sbin/init`,
    `zmachine run ${request.root} -- /bin/sh`,
  )
}

interface Found {
  readonly kind: RootKind
  readonly directory: string
  readonly configuration: Configuration
}

async function machineFor(
  request: RunRequest,
  { kind, directory, configuration }: Found,
  folder: PrivateFolder,
  screen: Screen,
): Promise<MachineOptions> {
  checkDirectories(request)
  checkTap(request)
  let disks: readonly Disk[] = prepareDisks(request.disks, folder.path, { blankFirst: kind.kind === 'vm' })
  if (kind.kind === 'vm') {
    disks = request.print ? disks : fillFirstDisk(kind.image, disks, folder.path, screen.report)
  }
  const { seed, cmdline, shares, nics } = configuration
  if (seed !== undefined) {
    const file = join(folder.path, 'seed.img')
    writeFileSync(file, seedImage(seed))
    disks = [...disks, { file, readOnly: true }]
  }
  const common: MachineOptions = {
    shares,
    disks,
    nics,
    memoryMB: request.memoryMB,
    cpus: request.cpus,
    accel: request.accel,
    ...(request.timeout === undefined ? {} : { timeout: request.timeout }),
  }
  if (kind.kind === 'vm') return { ...common, firmware: firmware(folder.path), resets: true }
  const found = kernelFor(request, kind, folder.path, screen)
  const root = { kind: 'virtiofs', directory, readOnly: request.readOnly } as const
  return { ...common, ...found, root, cmdline: request.readOnly ? `ro ${cmdline}` : cmdline }
}

/** virtiofsd would serve a file's name too, and only the guest would find out. */
function checkDirectories({ volumes }: RunRequest): void {
  for (const { directory, target } of volumes) {
    if (existsSync(directory) && statSync(directory).isDirectory()) continue
    throw new UsageError(
      `--volume ${directory}:${target}: no directory at ${directory}`,
      `mkdir ${directory}; single files can't be shared`,
    )
  }
}

/** QEMU as root would make an interface of any name, which leads nowhere. */
function checkTap({ network }: RunRequest): void {
  if (network.kind !== 'tap' || existsSync(`/sys/class/net/${network.interface}`)) return
  throw new UsageError(
    `--network tap=${network.interface}: there is no such interface`,
    `ip tuntap add ${network.interface} mode tap user $USER && ip link set ${network.interface} up`,
  )
}

function kernelFor(request: RunRequest, kind: RootKind, folder: string, screen: Screen): Kernel {
  if (kind.kind === 'kernel' && request.kernel === undefined) {
    const own = ownKernel(kind, folder, screen.report)
    return request.initramfs === undefined ? own : { ...own, initramfs: request.initramfs }
  }
  const given = {
    ...(request.kernel === undefined ? {} : { kernel: request.kernel }),
    ...(request.initramfs === undefined ? {} : { initramfs: request.initramfs }),
  }
  for (const [option, file] of Object.entries(given)) {
    if (!existsSync(file)) throw new UsageError(`--${option} ${JSON.stringify(file)}: no such file`)
  }
  const { kernel, initramfs } = given
  if (kernel !== undefined && initramfs !== undefined) return { kernel, initramfs }
  return { ...packagedKernel(request.runtime), ...given }
}

/** Everything that would run, and the seed, for people and for copying. */
function print(options: MachineOptions, { seed }: Configuration, screen: Screen): void {
  const lines = machineCommands(options, '/tmp/zmachine').map(([program = '', ...args]) =>
    commandLine(program, args),
  )
  const files = Object.entries(seed ?? {}).map(([name, text]) => `\n# seed/${name}\n${text}`)
  screen.write(Buffer.from(`${lines.join('\n\n')}\n${files.join('')}`))
}

async function run(
  request: RunRequest,
  kind: RootKind,
  options: MachineOptions,
  screen: Screen,
): Promise<number> {
  const isContainer = kind.kind === 'container'
  const machine = await boot({
    ...options,
    window: isContainer && screen.stdin.isTTY === true,
    log: logFiles(request, isContainer, screen),
    warn: screen.report,
  })
  const exit = await showMachine(machine, {
    screen,
    isContainer,
    verbose: request.verbose,
    interactive: request.interactive,
  })
  return exitCode(exit, isContainer, screen)
}

/** Each boot of a container is kept for a while, for `zmachine timeline`; any boot where it is asked for. */
function logFiles({ log }: RunRequest, isContainer: boolean, screen: Screen): LogFile[] {
  if (log !== undefined) checkWritable(log)
  const kept = isContainer ? newBootLog(screen.report) : undefined
  return [...(kept === undefined ? [] : [kept]), ...(log === undefined ? [] : [{ file: log }])]
}

function checkWritable(file: string): void {
  try {
    writeFileSync(file, '')
  } catch (error) {
    throw new UsageError(`--log ${JSON.stringify(file)}: ${errorCode(error)}`)
  }
}

/** The reasons by which a machine ends itself; its last line is PID 1's only then. */
const BY_ITSELF: readonly ExitReason[] = ['powerdown', 'reset', 'halt']

/** The container's own where PID 1 wrote one; else by how the machine ended, said in words. */
function exitCode(exit: MachineExit, isContainer: boolean, screen: Screen): number {
  const { reason } = exit
  if (reason === 'timeout') {
    screen.report('--timeout is over: the machine was ended')
    return TIMED_OUT
  }
  const container = isContainer && BY_ITSELF.includes(reason) ? containerExit(exit.console) : undefined
  if (container !== undefined) return container.code
  if (reason === 'powerdown' || reason === 'reset') return 0
  const why = {
    quit: 'the machine was ended',
    panic: 'the kernel panicked; --verbose shows its messages',
    halt: 'the system halted without an exit code',
    failed: `QEMU ended by itself\n  ${exit.qemuError}`,
  }[reason]
  screen.report(why)
  return FAILED
}
