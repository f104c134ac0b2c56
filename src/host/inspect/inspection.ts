/** Examines a root without starting anything: its kind, its files, what it would start, its size. */

import { lstatSync, opendirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Problem } from '../../lib/problem.ts'
import { shellQuote } from '../../lib/shell.ts'
import { type RootKind, rootKind } from '../image/root-kind.ts'
import { isDirectoryInRoot, readInRoot, resolveInRoot } from '../image/root-reader.ts'
import { readStartup, STARTUP_PATH, type Startup } from '../image/startup-toml.ts'
import { toByteText } from '../lib/byte-text.ts'
import { readBounded } from '../lib/input.ts'
import { UsageError } from '../lib/usage.ts'
import { type From, type PlanResult, planOf } from '../plan/plan-result.ts'
import { type EntrypointFile, inspectEntrypoint } from './inspect-entrypoint.ts'

export interface Inspection {
  readonly directory: string
  readonly unpacked: boolean
  /** undefined: a zos host refuses the root; the refusals say why. */
  readonly kind: RootKind | undefined
  readonly files: readonly ConfigFile[]
  readonly size: Size
  /** What starts in it; undefined for a disk image, which decides that itself. */
  readonly start: Start | undefined
  readonly problems: readonly Problem[]
  /** Why it would not boot. */
  readonly refusals: readonly Problem[]
}

/** A file that decides something. */
export interface ConfigFile {
  readonly path: string
  readonly present: boolean
  /** In words; a byte string. */
  readonly state: string
}

export interface Start {
  readonly plan: PlanResult
  /** The source of a value, by its key in `MachineConfig.origins`. */
  readonly originOf: (key: string) => string
  readonly environment: PlanResult['environment']
  readonly file: EntrypointFile
}

/** @param directory a root that there is */
export function inspect(directory: string, unpacked: boolean): Inspection {
  const problems: Problem[] = []
  const refusals: Problem[] = []
  const kind = kindOrRefusal(directory, refusals)
  const files = [
    ...(kind?.files.map(decidingFile) ?? []),
    ...CONFIG_PATHS.map((path) => configFile(directory, path)),
  ]
  const common = { directory, unpacked, kind, files, size: measure(directory), problems, refusals }
  // A disk image's own system reads the seed and its variables.
  if (kind?.kind === 'vm') return { ...common, start: undefined }
  const startup = startupOf(directory)
  // PID 1 reads the file as well, and reports other problems.
  if (startup?.refused === true) refusals.push(...startup.problems)
  const start = startOf(directory, startup)
  problems.push(...start.plan.problems.map(renamed))
  refusals.push(...start.plan.refusals)
  const { refusal } = start.file
  if (refusal !== undefined) {
    // The initrd of a root with its own kernel may well start something else, unless it is ours.
    const all = kind?.kind === 'kernel' && kind.adoption === undefined ? problems : refusals
    all.push({ source: start.originOf('init'), message: refusal })
  }
  return { ...common, start }
}

function kindOrRefusal(directory: string, refusals: Problem[]): RootKind | undefined {
  try {
    return rootKind(directory)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    refusals.push({ source: 'root', message: toByteText(error.message) })
    return undefined
  }
}

const CONFIG_PATHS = [STARTUP_PATH, '/.zosrc', '/etc/environment', '/etc/hostname'] as const

const decidingFile = ({ path, place, state }: RootKind['files'][number]): ConfigFile => ({
  path,
  present: place !== undefined,
  state,
})

function configFile(root: string, path: string): ConfigFile {
  const place = resolveInRoot(root, path)
  if (place === undefined) return { path, present: false, state: 'absent' }
  const read = readBounded(place)
  if ('text' in read) return { path, present: true, state: `a file of ${read.text.length} bytes` }
  return { path, present: false, state: `there and not used: ${read.why}` }
}

/** undefined if there is none. */
function startupOf(root: string): Startup | undefined {
  const place = resolveInRoot(root, STARTUP_PATH)
  if (place === undefined) return undefined
  const read = readBounded(place)
  if ('text' in read) return readStartup(read.text, (path) => isDirectoryInRoot(root, path))
  // A host runs as root, and reads what this user may not.
  const refused = read.why !== 'EACCES'
  const message = refused
    ? `${read.why}; a zos host refuses the root`
    : 'not readable by this user: it is not known'
  return {
    namesEntrypoint: false,
    environment: new Map(),
    problems: [{ source: STARTUP_PATH, message }],
    refused,
  }
}

/** What PID 1 makes of the root, and of what the host would put into the seed's zosrc. */
function startOf(root: string, startup: Startup | undefined): Start {
  const zosrc = startup === undefined ? '' : zosrcOf(startup)
  const seed = zosrc === '' ? undefined : { files: { zosrc }, problems: [] }
  const plan = planOf({
    cmdline: '',
    seed,
    readRoot: (path) => readInRoot(root, path),
    isDirectory: (path) => isDirectoryInRoot(root, path),
  })
  const { init, args, environment, settings } = plan.config
  const path = environment.get('PATH') ?? ''
  return {
    plan,
    originOf: (key) => sourceOf(plan.originOf(key)),
    environment: plan.environment.map(
      ({ value, from }): From<typeof value> => ({ value, from: sourceOf(from) }),
    ),
    file: inspectEntrypoint(root, { init, args, cwd: settings.cwd, path }),
  }
}

/** As the host writes them: `Extension.write` of threefoldtech/zos, pkg/vm/cloudinit/image.go. */
const zosrcOf = ({ environment }: Startup): string =>
  Array.from(environment, ([name, value]) => `export ${name}=${shellQuote(value)}\n`).join('')

const SEED_ZOSRC = 'seed/zosrc'

/** The seed contains only what this file says. */
const sourceOf = (source: string): string => (source === SEED_ZOSRC ? STARTUP_PATH : source)

const renamed = (problem: Problem): Problem =>
  problem.source === SEED_ZOSRC ? { source: STARTUP_PATH, message: problem.message } : problem

export interface Size {
  /** On the disk, in the root's own file system; a lower bound if not complete. */
  readonly bytes: number
  readonly files: number
  readonly complete: boolean
}

/** Limits for counting: 20,000 files are common, and take a tenth of a second. */
const MOST_FILES = 50_000
const MOST_MILLISECONDS = 500

function measure(directory: string): Size {
  const { dev } = lstatSync(directory)
  const until = Date.now() + MOST_MILLISECONDS
  const folders = [directory]
  let bytes = 0
  let files = 0
  let complete = true
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const path of entries(folder)) {
      if (path === undefined) {
        complete = false
        break
      }
      if (++files > MOST_FILES || Date.now() > until) return { bytes, files: files - 1, complete: false }
      const stat = statOf(path)
      if (stat?.dev !== dev) continue
      bytes += stat.blocks * 512
      if (stat.isDirectory()) folders.push(path)
    }
  }
  return { bytes, files, complete }
}

/** A folder's paths one by one, since it may be huge; undefined if it can't be read. */
function* entries(folder: string): Generator<string | undefined> {
  try {
    const directory = opendirSync(folder)
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        yield join(folder, entry.name)
      }
    } finally {
      directory.closeSync()
    }
  } catch {
    yield undefined
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}
