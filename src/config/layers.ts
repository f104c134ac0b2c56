/**
 * Turns each source into a layer, weakest first: the root's files < kernel command line < seed. Pure: the caller reads
 * the files.
 */

import { hostnameProblem } from '../lib/names.ts'
import { quote, trim } from '../lib/text.ts'
import { type Parsed, parseKeys } from './keys.ts'
import type { Layer, MachineConfig } from './machine.ts'
import { merge } from './merge.ts'
import { takeSettings } from './variables.ts'

/** Parsers that PID 1 loads only where there is something for them to read. */
export interface RootParsers {
  readonly environment: typeof import('./environment.ts')
  readonly startup: typeof import('./startup-toml.ts')
  readonly zosrc: typeof import('./zosrc.ts')
}

/** The contents of /proc/cmdline; the new line at its end is not part of the command line. */
export const parseCommandLine = (text: string): Parsed =>
  parseKeys(text.endsWith('\n') ? text.slice(0, -1) : text)

/** The files in which a root says something of itself, the weakest first. */
export const ROOT_FILES: readonly string[] = [
  '/etc/hostname',
  '/etc/environment',
  '/.startup.toml',
  '/.zosrc',
]

/**
 * The layers that the root's own files make.
 * @param read reads a file in the root; undefined if there is none
 * @param isDirectory whether the root has this directory
 */
export function parseRootFiles(
  read: (path: string) => string | undefined,
  load: <K extends keyof RootParsers>(part: K) => RootParsers[K],
  isDirectory: (path: string) => boolean,
): Parsed[] {
  const parsed: Parsed[] = []
  const hostname = trim(read('/etc/hostname') ?? '')
  if (hostname !== '') parsed.push(hostnameOf(hostname))
  const environment = read('/etc/environment')
  if (environment !== undefined) parsed.push(takeSettings(load('environment').parseEnvironment(environment)))
  const startup = read('/.startup.toml')
  if (startup !== undefined) parsed.push(takeSettings(load('startup').parseStartup(startup, isDirectory)))
  const zosrc = read('/.zosrc')
  if (zosrc !== undefined) parsed.push(takeSettings(load('zosrc').parseZosrc(zosrc, '/.zosrc')))
  return parsed
}

function hostnameOf(name: string): Parsed {
  const source = '/etc/hostname'
  const wrong = hostnameProblem(name)
  if (wrong === undefined) return { layer: { source, hostname: name }, problems: [] }
  return {
    layer: { source },
    problems: [{ source, message: `${quote(name)} ${wrong}; the hostname is not changed` }],
  }
}

/**
 * @param host the command line's layer and, above it, the seed's
 * @param explain whether to record the origin of every value
 */
export const configure = (root: readonly Layer[], host: readonly Layer[], explain: boolean): MachineConfig =>
  merge([...root, ...host], explain)
