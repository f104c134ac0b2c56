/** How a machine with an init of its own tells what became of it: a file in its root, written by one of its services. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Shell commands that write /marker. One readlink(1) for all processes, as each start of a program costs much under TCG. */
export const WRITE_MARKER = `{
  read -r name < /proc/sys/kernel/hostname
  echo "machine: $name"
  echo "kernel: $(uname -r)"
  while read -r interface destination gateway rest; do echo "route $interface $destination: $gateway"; done < /proc/net/route
  readlink /proc/[0-9]*/exe
} > /marker
`

export interface Marker {
  readonly machine: string
  readonly kernel: string
  /** The gateway of the default route, in the order of the processor's bytes; empty: there is none. */
  readonly gateway: string
  /** What the running processes are, by the paths of their programs; process 1 is the first. */
  readonly programs: readonly string[]
}

/** The marker in a root; undefined where nothing wrote it. */
export function readMarker(root: string): Marker | undefined {
  const file = join(root, 'marker')
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8')
  const value = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? ''
  const programs = text.split('\n').filter((line) => line.startsWith('/'))
  return {
    machine: value('machine'),
    kernel: value('kernel'),
    gateway: value('route \\S+ 00000000'),
    programs,
  }
}

/** Those of the running programs that the root does not have: ours, if there were any. */
export const foreign = (root: string, { programs }: Marker): readonly string[] =>
  programs.filter((path) => !existsSync(join(root, path)))
