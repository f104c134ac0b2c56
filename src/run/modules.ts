/**
 * Kernel modules out of the initramfs, for kernels that have drivers as modules. `build/` writes `/modules/RELEASE/index`:
 * a line for each module that may be asked for, `name file file …`, with what it depends on first. A kernel with
 * built-in drivers has no such folder and nothing happens.
 */

import { words } from '../lib/text.ts'
import { EEXIST, SysError } from '../sys/errno.ts'
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../sys/flags.ts'
import { close, loadModule, open } from '../sys/linux.ts'
import { debug, warn } from './console.ts'
import { readAll } from './files.ts'

let directory = -1
let index = ''
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
  if (typeof text === 'string') index = `\n${text}`
}

export function closeModules(): void {
  if (directory >= 0) close(directory)
  directory = -1
  index = ''
  loaded.clear()
}

/** Loads modules with what they depend on; those that the index does not know are built in, or not to be had. */
export function loadModules(...names: readonly string[]): void {
  if (index === '') return
  for (const name of names) {
    const start = index.indexOf(`\n${name} `)
    if (start < 0) continue
    const end = index.indexOf('\n', start + 1)
    for (const file of words(index.slice(start + name.length + 2, end < 0 ? index.length : end))) load(file)
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
