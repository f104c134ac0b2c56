/**
 * The harness of the boot tests: boots a container with the probe in its root, keeps the results, and shows the serial log
 * if a test fails. A boot whose last event is missing is a failure in itself.
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type ContainerExit, containerExit } from '../../../src/host/console/container-exit.ts'
import { type PrivateFolder, privateFolder } from '../../../src/host/lib/guard.ts'
import { boot, type Machine, type MachineExit } from '../../../src/host/machine/machine.ts'
import type { MachineOptions, Root } from '../../../src/host/machine/options.ts'
import { probeProgram, type Tree, writeTree } from './files.ts'
import { LEAST_MEMORY, testKernel } from './kernel.ts'
import { consoleReport, parseReport, type Report } from './report.ts'

/** No test's boot takes longer, under TCG on a busy computer. In seconds. */
const TIMEOUT = 180

export interface BootOptions extends Partial<Omit<MachineOptions, 'cmdline' | 'root'>> {
  /** How the root directory is attached; with `none` the command line and `disks` say what the root is. */
  readonly root?: Root['kind']
  /** What is in the root besides /probe. */
  readonly files?: Tree
  /** The entrypoint; `null` for none on the command line. Default `/probe`. */
  readonly init?: string | null
  /** After the host's own keys, `init=` and `zmachine.on_exit=poweroff`. */
  readonly cmdline?: string
  /** The probe's commands, after `--`: `report`, `exit 3`, … */
  readonly probe?: readonly string[]
  /** The last event of this boot, if it is not `zmachine: exited`. */
  readonly last?: RegExp
  /** What to do to the machine while it runs. */
  readonly during?: (machine: Machine) => Promise<void>
}

export interface Boot {
  readonly exit: MachineExit
  /** PID 1's last line. */
  readonly container: ContainerExit | undefined
  /** The serial log. */
  readonly console: string
  /** The root directory, as the container left it. */
  readonly root: string
  /** The probe's report, from the root or from the console. */
  report(): Report
  /** A file of the root as text, or undefined. */
  file(path: string): string | undefined
}

/** Options, or a function that makes them and may put files into the boot's own folder. */
export type Making = BootOptions | ((folder: string) => BootOptions | Promise<BootOptions>)

/** Boots once for all tests of the enclosing `describe`; the result is available when they run. */
export function booted(making: Making): () => Boot {
  let folder: PrivateFolder | undefined
  let result: Boot | undefined
  let shown = false
  beforeAll(
    async () => {
      folder = privateFolder()
      const options = typeof making === 'function' ? await making(folder.path) : making
      result = await bootContainer(folder.path, options)
    },
    (TIMEOUT + 30) * 1000,
  )
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      if (!shown && result !== undefined) console.error(serialLog(result.console))
      shown = true
    })
  })
  afterAll(() => folder?.remove())
  return () => {
    if (result === undefined) throw new Error('the boot did not happen')
    return result
  }
}

/** Boots a container to its end. Rejects, with the serial log, if the last event is missing. */
export async function bootContainer(folder: string, options: BootOptions): Promise<Boot> {
  const {
    root: kind = 'virtiofs',
    files = {},
    init = '/probe',
    cmdline = '',
    probe,
    last,
    during,
    ...machineOptions
  } = options
  const root = join(folder, 'root')
  if (!existsSync(root)) {
    writeTree(root, { probe: { copy: await probeProgram() }, ...files })
  }
  const machine = await boot({
    timeout: TIMEOUT,
    ...testKernel(),
    memoryMB: LEAST_MEMORY,
    ...machineOptions,
    root: kind === 'none' ? { kind } : { kind, directory: root },
    cmdline: [
      ...(init === null ? [] : [`init=${init}`]),
      'zmachine.on_exit=poweroff printk.time=1',
      cmdline,
      ...(probe === undefined ? [] : ['--', ...probe]),
    ].join(' '),
  })
  await during?.(machine)
  const exit = await machine.exited
  const event = last ?? /zmachine: exited /
  if (!event.test(exit.console)) {
    throw new Error(
      `no ${event} before the machine ended (${exit.reason}) ${exit.qemuError}${serialLog(exit.console)}`,
    )
  }
  const file = (path: string): string | undefined =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), 'latin1') : undefined
  return {
    exit,
    console: exit.console,
    container: containerExit(exit.console),
    root,
    file,
    report() {
      const written = file('report')
      const report = written === undefined ? consoleReport(exit.console) : parseReport(written)
      if (report === undefined) throw new Error('the probe wrote no report')
      return report
    },
  }
}

const serialLog = (text: string): string =>
  `\n--- serial log\n${text.replaceAll(/\r+\n/g, '\n').trimEnd()}\n--- end of the serial log\n`
