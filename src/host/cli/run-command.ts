/** `zmachine run`: boots a root directory, with the terminal for its console. */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheLimit, limitCache } from '../cache/limit.ts'
import { newBootLog } from '../console/boot-logs.ts'
import { containerExit } from '../console/container-exit.ts'
import type { LogFile } from '../console/log-file.ts'
import { rootDirectory } from '../image/root-directory.ts'
import { hasOurInit, rootKind } from '../image/root-kind.ts'
import { hostnameOf } from '../image/root-name.ts'
import { type PrivateFolder, privateFolder } from '../lib/guard.ts'
import { unique } from '../lib/unique.ts'
import type { ExitReason } from '../machine/ending.ts'
import { boot, type MachineExit, machineCommands } from '../machine/machine.ts'
import { createFiles, scriptFiles } from '../machine/machine-files.ts'
import { choosePorts, LOOPBACK } from '../machine/ports.ts'
import { RUN_HELP } from './run-help.ts'
import { checkEntrypoint, checkRequest, readEnvironment, readKeys, readStartupOf } from './run-inputs.ts'
import { type Found, machineFor } from './run-machine.ts'
import { type RunRequest, readRunOptions } from './run-options.ts'
import { configurationOf } from './run-plan.ts'
import { type Screen, type Shown, showMachine, stopPatience } from './run-screen.ts'
import { formatScript } from './run-script.ts'

/** As timeout(1). */
const TIMED_OUT = 124

/** The machine failed, and not the container: docker's code for the same. */
const FAILED = 125

/** @returns the exit code; throws a UsageError for 2 */
export async function runCommand(args: readonly string[], screen: Screen): Promise<number> {
  const asked = readRunOptions(args)
  if (asked === 'help') {
    screen.write(Buffer.from(RUN_HELP))
    return 0
  }
  checkRequest(asked)
  // A mistake in it is reported before anything is unpacked.
  const limit = cacheLimit()
  const { fresh, readOnly } = asked
  const root = await rootDirectory(asked.root, screen.report, { fresh, writable: !readOnly })
  try {
    return await runRoot(asked, root.directory, screen)
  } finally {
    root.release()
    if (root.unpacked) limitCache(screen.report, limit)
  }
}

async function runRoot(asked: RunRequest, directory: string, screen: Screen): Promise<number> {
  const kind = rootKind(directory)
  const startup = readStartupOf(directory, screen.report)
  if (hasOurInit(kind)) checkEntrypoint(asked, startup, directory)
  const request = { ...asked, forwards: await choosePorts(asked.forwards) }
  const configuration = configurationOf(request, {
    kind: kind.kind,
    startup,
    environment: readEnvironment(request),
    sshKeys: request.sshKeys.flatMap(readKeys),
    hostname: hostnameOf(request.root),
  })
  const found = { kind, directory, configuration }
  if (request.print) {
    print(request, found, screen)
    return 0
  }
  reportChosen(asked, request, screen)
  const folder = privateFolder()
  try {
    return await run(request, found, folder, screen)
  } finally {
    folder.remove()
  }
}

/** Shows the ports that were chosen here. */
function reportChosen(asked: RunRequest, { forwards }: RunRequest, { report }: Screen): void {
  forwards.forEach(({ protocol, hostAddress = LOOPBACK, hostPort, guestPort }, at) => {
    if (asked.forwards[at]?.hostPort === 0)
      report(`port ${guestPort}/${protocol} is published on ${hostAddress}:${hostPort}`)
  })
}

function print(request: RunRequest, found: Found, { write }: Screen): void {
  const folder = join(tmpdir(), `zmachine-${unique()}`)
  const files = scriptFiles(folder)
  const commands = machineCommands(machineFor(request, found, files), folder)
  const { seed } = found.configuration
  write(Buffer.from(formatScript({ folder, preparation: files.commands, commands, seed })))
}

async function run(
  request: RunRequest,
  found: Found,
  folder: PrivateFolder,
  screen: Screen,
): Promise<number> {
  const isContainer = found.kind.kind === 'container'
  const options = {
    ...machineFor(request, found, createFiles(folder.path, screen.report)),
    window: isContainer && screen.stdin.isTTY === true,
    log: logFiles(request, isContainer, screen),
    warn: screen.report,
  }
  const machine = await boot(options, folder)
  const { verbose, interactive, timeout } = request
  const patience = stopPatience(request.cmdline)
  return exitCode(
    await showMachine(machine, { screen, isContainer, verbose, interactive, timeout, patience }),
    hasOurInit(found.kind),
    screen,
  )
}

/** The log of a container is kept for `zmachine timeline`; `--log` writes that of any machine. */
function logFiles({ log }: RunRequest, isContainer: boolean, screen: Screen): LogFile[] {
  const kept = isContainer ? newBootLog(screen.report) : undefined
  return [...(kept === undefined ? [] : [kept]), ...(log === undefined ? [] : [{ file: log }])]
}

/** The machine ended itself: only then is the console's last line PID 1's. */
const BY_ITSELF: readonly ExitReason[] = ['powerdown', 'reset', 'halt']

/** The container's, if PID 1 wrote one; else one for how the machine ended, with a message. */
function exitCode({ exit, timedOut }: Shown, ours: boolean, screen: Screen): number {
  const { reason } = exit
  if (timedOut) return TIMED_OUT
  const container = ours && BY_ITSELF.includes(reason) ? containerExit(exit.console) : undefined
  if (container !== undefined) return container.code
  if (reason === 'powerdown' || reason === 'reset') return 0
  screen.report(failureOf(reason, exit))
  return FAILED
}

const failureOf = (reason: ExitReason, { qemuError }: MachineExit): string =>
  ({
    powerdown: '',
    reset: '',
    timeout: 'the machine was ended',
    quit: 'the machine was ended',
    panic: 'the kernel panicked; --verbose shows its messages',
    halt: 'the system halted without an exit code',
    failed: `QEMU ended by itself\n  ${qemuError}`,
  })[reason]
