/**
 * The entrypoint's own cgroup: one write kills all of it, and the kernel counts what it uses
 * (Documentation/admin-guide/cgroup-v2.rst). Without cgroups nothing here does anything.
 */

import { readAll, readText, writeValue } from '../boot/io/files.ts'
import type { Identity } from '../config/users.ts'
import { parseDecimal, splitList, trim, words } from '../lib/text.ts'
import { EBUSY } from '../sys/errno.ts'
import { AT_REMOVEDIR, DT_DIR, O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY } from '../sys/flags.ts'
import { chown, close, mkdir, open, readDirectory, umount, unlink, write } from '../sys/linux.ts'
import type { Usage } from './outcome.ts'

const ROOT = '/sys/fs/cgroup'
const OWN = `${ROOT}/container`

/** What the cgroup's user may write, as systemd delegates it (the documentation's "Delegation"). */
const DELEGATED = ['', '/cgroup.procs', '/cgroup.subtree_control', '/cgroup.threads']

export interface Cgroup {
  /** Its directory's descriptor, kept open since no path leads there once the root's server has died; negative: none. */
  directory: number
}

export const noCgroup = (): Cgroup => ({ directory: -1 })

/** Makes the cgroup anew, without what a dead session left in it, and keeps its directory open. */
export function openCgroup(cgroup: Cgroup, { uid, gid }: Identity): void {
  enableControllers()
  if (unlink(OWN, AT_REMOVEDIR) === -EBUSY) removeAll(cgroup)
  mkdir(OWN, 0o755)
  if (uid !== 0) for (const file of DELEGATED) chown(OWN + file, uid, gid)
  const limit = memoryLimit()
  if (limit !== undefined) writeValue(`${OWN}/memory.max`, `${limit}`)
  if (cgroup.directory >= 0) close(cgroup.directory)
  cgroup.directory = open(OWN, O_PATH | O_DIRECTORY | O_CLOEXEC)
}

export const unmountCgroups = (): number => umount(ROOT)

/** Memory for the page faults of PID 1 and for the kernel, which panics without it; in bytes. */
const RESERVE = 8 << 20

const AVAILABLE = 'MemAvailable:'

/** All memory but the reserve: a container that takes the last page is killed, and the machine survives. */
function memoryLimit(): number | undefined {
  const text = readText('/proc/meminfo') ?? ''
  const at = text.indexOf(AVAILABLE)
  const [number = ''] = words(text.slice(at + AVAILABLE.length, at + AVAILABLE.length + 20))
  const kilobytes = at < 0 ? undefined : parseDecimal(number)
  return kilobytes === undefined || kilobytes * 1024 < 4 * RESERVE ? undefined : kilobytes * 1024 - RESERVE
}

/** All at once; where that fails one by one, since one that is refused (cpu, because of a realtime process) fails all. */
function enableControllers(): void {
  const controllers = words(readText(`${ROOT}/cgroup.controllers`) ?? '')
  const control = `${ROOT}/cgroup.subtree_control`
  let all = ''
  for (const name of controllers) all += `+${name} `
  if (all === '' || writeValue(control, all) >= 0) return
  for (const name of controllers) writeValue(control, `+${name}`)
}

/** Kills all its processes, even frozen ones and fork bombs. */
export const killCgroup = ({ directory }: Cgroup): void => writeDigit(directory, 'cgroup.kill', '1')

/** Resumes what the container froze, in cgroups of its own too: a frozen process doesn't handle TERM. */
export function thawCgroup({ directory }: Cgroup): void {
  for (const path of allCgroups(directory)) writeDigit(directory, `${path}/cgroup.freeze`, '0')
}

function removeAll({ directory }: Cgroup): void {
  for (const path of allCgroups(directory).reverse())
    unlink(path === '.' ? OWN : path, AT_REMOVEDIR, directory)
}

/** No container needs more, and a hostile one could make them without end. */
const MOST_CGROUPS = 1000

/** The cgroup and those below it, as paths relative to its directory; parents first. */
function allCgroups(directory: number): string[] {
  if (directory < 0) return []
  const paths = ['.']
  for (const path of paths) {
    const fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, directory)
    if (fd < 0) continue
    const entries = readDirectory(fd)
    close(fd)
    if (typeof entries === 'number') continue
    for (const { name, type } of entries)
      if (type === DT_DIR && paths.length < MOST_CGROUPS) paths.push(`${path}/${name}`)
  }
  return paths
}

function writeDigit(directory: number, file: string, digit: '0' | '1'): void {
  if (directory < 0) return
  const fd = open(file, O_WRONLY | O_CLOEXEC, 0, directory)
  write(fd, Uint8Array.of(digit.charCodeAt(0)))
  close(fd)
}

export function readUsage(cgroup: Cgroup): Usage {
  const microseconds = readField(cgroup, 'cpu.stat', 'usage_usec')
  return {
    memoryPeak: parseDecimal(trim(readFile(cgroup, 'memory.peak'))),
    cpuTime: microseconds === undefined ? undefined : microseconds / 1000,
    oomKills: readOomKills(cgroup),
  }
}

/** How many of its processes the kernel killed for want of memory, whether the cgroup's or the machine's. */
export const readOomKills = (cgroup: Cgroup): number => readField(cgroup, 'memory.events', 'oom_kill') ?? 0

/** A number from a file of `name number` lines. */
function readField(cgroup: Cgroup, file: string, name: string): number | undefined {
  const lines = splitList(readFile(cgroup, file), '\n')
  const line = lines.find((each) => each.startsWith(`${name} `))
  return line === undefined ? undefined : parseDecimal(line.slice(name.length + 1))
}

/** A file of the cgroup; '' where there is none. */
function readFile({ directory }: Cgroup, name: string): string {
  if (directory < 0) return ''
  const fd = open(name, O_RDONLY | O_CLOEXEC, 0, directory)
  if (fd < 0) return ''
  const content = readAll(fd)
  close(fd)
  return typeof content === 'number' ? '' : content
}
