/**
 * Loads kernel modules from the initramfs, for kernels whose drivers are modules. The build writes `/modules/RELEASE/index`:
 * a line `name file file …` for each module, its dependencies first. For a kernel with built-in drivers there is no such
 * directory, and nothing happens.
 */

import { EEXIST, SysError } from '../../sys/errno.ts'
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../../sys/flags.ts'
import { close, loadModule, open } from '../../sys/linux.ts'
import { debug, warn } from './console.ts'
import { readAll } from './files.ts'

export interface Modules {
  /** A descriptor; negative if there are none. */
  readonly directory: number
  /** The files of each module, in loading order. */
  readonly index: ReadonlyMap<string, string>
  /** Files that are loaded already. */
  readonly loaded: Set<string>
}

export const NO_MODULES: Modules = { directory: -1, index: new Map(), loaded: new Set() }

/**
 * Opens the running kernel's directory. It stays open, so that modules can be loaded from the new root too, until the
 * initramfs is emptied.
 * @param release as in uname(2)
 */
export function openModules(release: string): Modules {
  const directory = open(`/modules/${release}`, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if (directory < 0) return NO_MODULES
  return { directory, index: readIndex(directory), loaded: new Set() }
}

function readIndex(directory: number): ReadonlyMap<string, string> {
  const index = new Map<string, string>()
  const fd = open('index', O_RDONLY | O_CLOEXEC, 0, directory)
  if (fd < 0) return index
  const text = readAll(fd)
  close(fd)
  if (typeof text !== 'string') return index
  for (const line of text.split('\n')) {
    const blank = line.indexOf(' ')
    if (blank > 0) index.set(line.slice(0, blank), line.slice(blank + 1))
  }
  return index
}

export function closeModules({ directory }: Modules): void {
  if (directory >= 0) close(directory)
}

/** Loads modules with their dependencies. One that isn't in the index is built in, or not available. */
export function loadModules(modules: Modules, ...names: readonly string[]): void {
  for (const name of names) {
    const files = modules.index.get(name)
    if (files === undefined) continue
    for (const file of files.split(' ')) load(modules, file)
  }
}

function load({ directory, loaded }: Modules, file: string): void {
  if (loaded.has(file)) return
  loaded.add(file)
  const fd = open(file, O_RDONLY | O_CLOEXEC, 0, directory)
  const result = fd < 0 ? fd : loadModule(fd)
  if (fd >= 0) close(fd)
  if (result < 0 && result !== -EEXIST) warn(new SysError(`load module ${file}`, result).message)
  else debug(() => `module ${file}`)
}
