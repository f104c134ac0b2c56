/** Removes a directory and all that is in it, whoever it belongs to. */

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { needProgram } from '../lib/programs.ts'

/**
 * As rm -rf, also if the user's own directories are closed to the user, or belong to the user's further ids
 * (subuid(5)), which a container's users may have.
 */
export function removeTree(path: string): void {
  const attempts: readonly (() => void)[] = [
    () => {},
    () => void spawnSync(needProgram('chmod', 'coreutils'), ['-R', 'u+rwx', '--', path]),
    () =>
      void spawnSync(needProgram('unshare', 'util-linux'), [
        ...['--user', '--map-root-user', '--map-auto', '--'],
        ...['rm', '-rf', '--', path],
      ]),
  ]
  let failure: unknown
  for (const attempt of attempts) {
    attempt()
    try {
      rmSync(path, { recursive: true, force: true })
      return
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
