/** What directories take of their disk, by du(1): a root may have a hundred thousand files. */

import { spawnSync } from 'node:child_process'
import { needProgram } from '../lib/programs.ts'

/** In bytes; what this user may not read is left out. */
export function diskUsage(directory: string): number {
  const du = needProgram('du', 'coreutils')
  const { stdout } = spawnSync(du, ['--summarize', '--one-file-system', '--block-size=1', '--', directory])
  return Number.parseInt(stdout.toString(), 10) || 0
}
