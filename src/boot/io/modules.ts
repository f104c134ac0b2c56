/**
 * Kernel modules out of the initramfs, for kernels that have drivers as modules. `build/` writes `/modules/RELEASE/index`:
 * a line for each module that may be asked for, `name file file …`, with what it depends on first. A kernel with
 * built-in drivers has no such folder and nothing happens.
 */

import { EEXIST, SysError } from '../../sys/errno.ts'
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../../sys/flags.ts'
import { close, loadModule, open } from '../../sys/linux.ts'
import { debug, warn } from './console.ts'
import { readAll } from './files.ts'

let directory = -1
/** The files of each module that may be asked for, in the order of loading, as the index has them. */
const index = new Map<string, string>()
const loaded = new Set<string>()

/**
 * Opens the folder of the running kernel; it stays open, so that modules can be had after the root was changed,
 * until the initramfs is emptied.
 * @param release as in uname(2)
 */
export function openModules(release: string): void {
  directory = open(`/modules/${release}`, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  if (directory < 0) return
  const fd = open('index', O_RDONLY | O_CLOEXEC, 0, directory)
  if (fd < 0) return
  const text = readAll(fd)
  close(fd)
  if (typeof text !== 'string') return
  for (const line of text.split('\n')) {
    const blank = line.indexOf(' ')
    if (blank > 0) index.set(line.slice(0, blank), line.slice(blank + 1))
  }
}

export function closeModules(): void {
  if (directory >= 0) close(directory)
  directory = -1
  index.clear()
  loaded.clear()
}

/** Loads modules with what they depend on; those that the index does not know are built in, or not to be had. */
export function loadModules(...names: readonly string[]): void {
  for (const name of names) {
    const files = index.get(name)
    if (files === undefined) continue
    for (const file of files.split(' ')) load(file)
  }
}

function load(file: string): void {
  if (loaded.has(file)) return
  loaded.add(file)
  const fd = open(file, O_RDONLY | O_CLOEXEC, 0, directory)
  const result = fd < 0 ? fd : loadModule(fd)
  if (fd >= 0) close(fd)
  if (result < 0 && result !== -EEXIST) warn(new SysError(`load module ${file}`, result).message)
  else debug(() => `module ${file}`)
}
