/** Valgrind's tools: callgrind, and those that are compiled here. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../build/cache.ts'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'

/** Debian has its programs in one or the other, its libraries in the last. */
const FOLDERS = ['/usr/libexec/valgrind', '/usr/lib/x86_64-linux-gnu/valgrind']
const PLATFORM = 'amd64-linux'

export const callgrind = (): string => find(`callgrind-${PLATFORM}`)

function find(name: string): string {
  const file = FOLDERS.map((folder) => join(folder, name)).find(existsSync)
  return file ?? needProgram(name, 'valgrind')
}

/** As Valgrind's own tools are compiled: static, at an address of its own, without a C library. */
const COMPILE = [
  ...['-O2', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', '-std=gnu17'],
  ...['-fno-stack-protector', '-fno-builtin', '-fno-pie', '-no-pie'],
  ...['-DVGA_amd64=1', '-DVGO_linux=1', '-DVGP_amd64_linux=1', '-DVGPV_amd64_linux_vanilla=1'],
  ...['-isystem', '/usr/include/valgrind'],
  ...['-static', '-nodefaultlibs', '-nostartfiles', '-u', '_start'],
  ...['-Wl,--build-id=none', '-Wl,-Ttext-segment=0x58000000'],
]

/** Compiles a tool, once for each version of its source and of Valgrind. */
export async function compileTool(source: URL): Promise<string> {
  const file = fileURLToPath(source)
  const libraries = ['coregrind', 'vex', 'gcc-sup'].map((name) => find(`lib${name}-${PLATFORM}.a`))
  const version = await run('dpkg-query', ['--show', 'valgrind'])
  const name = basename(file, '.c')
  const inputs = [await readFile(file), version, COMPILE.join(' ')]
  const made = await cached(`valgrind-${name}`, inputs, async (fresh) => {
    await run('gcc', [...COMPILE, '-o', join(fresh, name), file, ...libraries, '-lgcc'])
  })
  return join(made, name)
}
