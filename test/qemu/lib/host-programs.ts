/**
 * Puts this host's programs (nft, iptables, dmsetup) into a container's root, to test what only they ask of a kernel, and a
 * shell that runs checks with them. A check is a few commands; the first that fails ends it, and the test shows its
 * trace.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { librariesOf } from '../../../build/libraries.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import type { Boot } from './boot.ts'
import type { Tree } from './files.ts'

/** Where they are in the root. busybox's shell prefers its own `ip` to one in PATH, so checks call `/host/ip`. */
const FOLDER = 'host'

/** What xtables programs load at run time: one shared object for each match and target. */
const XTABLES_PLUGINS = '/usr/lib/x86_64-linux-gnu/xtables'

/** Programs by their names with the Debian package of each: themselves as /host/NAME, and every library they link to. */
export async function hostPrograms(packages: Readonly<Record<string, string>>): Promise<Tree> {
  const programs = Object.entries(packages).map(([name, from]) => ({ name, file: needProgram(name, from) }))
  const libraries = await librariesOf(programs.map(({ file }) => file))
  return {
    ...Object.fromEntries(programs.map(({ name, file }) => [`${FOLDER}/${name}`, { copy: file }])),
    ...Object.fromEntries(libraries.map((file) => [file, { copy: file }])),
  }
}

/** All of iptables' matches and targets. */
export async function xtablesPlugins(): Promise<Tree> {
  const plugins = readdirSync(XTABLES_PLUGINS).map((name) => join(XTABLES_PLUGINS, name))
  return Object.fromEntries(
    [...plugins, ...(await librariesOf(plugins))].map((file) => [file, { copy: file }]),
  )
}

/** Commands of a shell by the name of what they show. */
export type Checks = Readonly<Record<string, string>>

export interface ShellChecks {
  readonly names: readonly string[]
  /** With busybox, and the entrypoint that runs all of them: `/checks/run`. */
  readonly files: Tree
  /** What a check said, each command before it; the last line is its exit code. */
  outcome(boot: Boot, name: string): string
}

/** The last line of a successful check. */
export const WENT_WELL = /^exit 0\n$/m

/** In seconds, so that a check that waits forever fails under its own name, not the boot's. */
const PATIENCE = 30

/**
 * The files that make a container run these checks in their order, each in a shell of its own.
 * @param prelude shell functions that all of them have
 */
export function shellChecks(checks: Checks, prelude = ''): ShellChecks {
  const names = Object.keys(checks)
  const scripts = Object.values(checks).map((commands, at) => [`checks/${at}.sh`, script(prelude, commands)])
  return {
    names,
    files: { ...shell(), ...Object.fromEntries(scripts), 'checks/run': { text: RUN, mode: 0o755 } },
    outcome: (boot, name) => boot.file(`checks/${names.indexOf(name)}.out`) ?? 'it did not run',
  }
}

/** busybox as a shell. */
export const shell = (): Tree => ({
  'bin/busybox': { copy: needProgram('busybox', 'busybox-static') },
  'bin/sh': { link: 'busybox' },
})

const script = (prelude: string, commands: string): string => `${prelude}\nset -ex\n${commands}\n`

/**
 * By number, so that they run in the order of the table. Programs are copied to memory: of a virtiofs, each open reads
 * every library anew, which takes most of the time.
 */
const RUN = `#!/bin/sh
mkdir /memory
mount -t tmpfs tmpfs /memory
for each in bin host lib lib64 usr; do
  test -d /$each || continue
  cp -a /$each /memory
  mount --bind /memory/$each /$each
done
cd /checks
at=0
while test -e $at.sh; do
  timeout ${PATIENCE} sh $at.sh >$at.out 2>&1
  echo "exit $?" >>$at.out
  at=$((at + 1))
done
`
