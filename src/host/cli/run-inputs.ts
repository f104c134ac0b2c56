/** What `zmachine run` reads of this computer for its options, and what it refuses before a machine is started. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { formatProblem } from '../../lib/problem.ts'
import { isDirectoryInRoot, readInRoot, resolveInRoot } from '../image/root-reader.ts'
import { readStartup, STARTUP_PATH, type Startup } from '../image/startup-toml.ts'
import { errorCode } from '../lib/input.ts'
import type { Report } from '../lib/output.ts'
import { UsageError } from '../lib/usage.ts'
import { readVariables } from './option-values.ts'
import type { RunRequest } from './run-options.ts'

/** `/.startup.toml`, by the host's rules; what a host refuses is refused. */
export function readStartupOf(directory: string, report: Report): Startup | undefined {
  const text = readInRoot(directory, STARTUP_PATH)
  if (text === undefined) return undefined
  const startup = readStartup(text, (path) => isDirectoryInRoot(directory, path))
  const problems = startup.problems.map(formatProblem)
  if (startup.refused) throw new UsageError(problems.join('\n  '), 'zmachine inspect shows the rest')
  for (const problem of problems) report(problem)
  return startup
}

/** Files first, so that options override them. A name without a value takes it from `own`, or is left out. */
export function readEnvironment(
  { environment, environmentFiles }: RunRequest,
  own: NodeJS.ProcessEnv = process.env,
): ReadonlyMap<string, string> {
  const variables = [
    ...environmentFiles.flatMap((file) => readVariables(readNamedFile(file, '--env-file'), file)),
    ...environment,
  ]
  const found = new Map<string, string>()
  for (const [name, given] of variables) {
    const value = given ?? own[name]
    if (value !== undefined) found.set(name, value)
  }
  return found
}

/** A public key, or a file of them. */
export function readKeys(keyOrFile: string): readonly string[] {
  const text = existsSync(keyOrFile) ? readNamedFile(keyOrFile, '--ssh-key') : keyOrFile
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length > 0 && keys.every((key) => /\s/.test(key)) && !text.includes('PRIVATE KEY')) return keys
  throw new UsageError(
    `--ssh-key ${JSON.stringify(keyOrFile)} is neither a public key nor a file of public keys`,
    '--ssh-key ~/.ssh/id_ed25519.pub',
  )
}

function readNamedFile(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${option} ${JSON.stringify(file)}: cannot be read (${errorCode(error)})`)
  }
}

/** What can be refused without a machine. */
export function checkRequest(request: RunRequest): void {
  checkMemory(request.memoryMB, totalmem())
  checkDirectories(request)
  checkTap(request)
  checkBootFiles(request)
  if (request.log !== undefined) checkWritable(request.log)
}

/** A machine with more memory than there is would start, and then not come forward for swapping. */
export function checkMemory(memoryMB: number, total: number): void {
  const totalMB = Math.floor(total / 2 ** 20)
  if (memoryMB <= totalMB) return
  throw new UsageError(
    `--memory: ${memoryMB} MB is more than this computer has, which is ${totalMB} MB`,
    '--memory 512M; a number without a unit is MB',
  )
}

/** virtiofsd would serve a file's name too, and only the guest would find out. */
function checkDirectories({ volumes }: RunRequest): void {
  for (const { directory, target } of volumes) {
    if (existsSync(directory) && statSync(directory).isDirectory()) continue
    const named = `--volume ${directory}:${target}`
    if (existsSync(directory)) {
      throw new UsageError(`${named}: ${directory} is not a directory`, 'share the directory that it is in')
    }
    throw new UsageError(`${named}: ${directory} does not exist`, `mkdir ${directory}`)
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

function checkBootFiles({ kernel, initramfs }: RunRequest): void {
  for (const [option, file] of Object.entries({ kernel, initramfs })) {
    if (file !== undefined && !existsSync(file))
      throw new UsageError(`--${option} ${JSON.stringify(file)} does not exist`)
  }
}

function checkWritable(file: string): void {
  try {
    writeFileSync(file, '')
  } catch (error) {
    throw new UsageError(`--log ${JSON.stringify(file)}: cannot be written (${errorCode(error)})`)
  }
}

/** Refused here, before a machine is started for nothing. Where there is something to run, PID 1 judges it. */
export function checkEntrypoint(request: RunRequest, startup: Startup | undefined, directory: string): void {
  const isGiven = request.entrypoint !== undefined || request.args.length > 0
  if (isGiven || startup?.namesEntrypoint === true || request.cmdline.includes('init=')) return
  if (resolveInRoot(directory, '/sbin/init') !== undefined) return
  if (/(^|[\s;])init=/.test(readInRoot(directory, '/.zosrc') ?? '')) return
  throw new UsageError(
    `nothing to run: no ENTRYPOINT after --, and ROOT names none in ${STARTUP_PATH} or /.zosrc and has no /sbin/init`,
    `zmachine run ${request.root} -- /bin/sh`,
  )
}
