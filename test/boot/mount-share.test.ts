/** Which answers of mount(2) for a share are worth waiting for: the kernel's are made up. */

import { afterAll, beforeEach, expect, it } from 'vitest'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { watchSignals } from '../../src/boot/io/requests.ts'
import { mountWhenThere } from '../../src/boot/steps/mount.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { EACCES, EINVAL, EIO, ENODEV, ENOENT } from '../../src/sys/errno.ts'
import { SYS_mount, uptime, useRuntime } from '../../src/sys/linux.ts'

const PATIENCE = 300

let answers: Record<string, number> = {}

beforeEach(() => {
  useRuntime({
    ...nodeRuntime,
    syscall: (number, ...args) =>
      number === SYS_mount ? -(answers[String(args[2])] ?? ENODEV) : nodeRuntime.syscall(number, ...args),
  })
  watchSignals(-1)
})

afterAll(() => useRuntime(nodeRuntime))

/** What is thrown, and whether it was waited for. */
function refused(type: string, given: Record<string, number>): readonly [message: string, waited: boolean] {
  answers = given
  const start = uptime()
  try {
    mountWhenThere({ source: 'tag', target: '/t', type, flags: 0, data: '' }, start + PATIENCE, NO_MODULES)
  } catch (error) {
    return [error instanceof Error ? error.message : '', uptime() - start >= PATIENCE]
  }
  throw new Error('it is mounted')
}

it.each([
  ['9p refuses, whatever virtiofs says', 'auto', { virtiofs: EINVAL, '9p': EIO }, 'as 9p: EIO'],
  ['9p refuses read-only as well', 'auto', { virtiofs: EINVAL, '9p': EACCES }, 'as 9p: EACCES'],
  ['9p refuses, asked for by its name', '9p', { '9p': EINVAL }, 'as 9p: EINVAL'],
  ['virtiofs refuses, and 9p has no such tag', 'auto', { virtiofs: EIO, '9p': ENOENT }, 'as virtiofs: EIO'],
  ['the kernel has neither', 'auto', {}, 'as virtiofs: ENODEV'],
])('is told at once where %s', (_, type, given, expected) => {
  expect(refused(type, given)).toEqual([expect.stringContaining(`mount 'tag' on /t ${expected}`), false])
})

it.each([
  ['neither has the tag', 'auto', { virtiofs: EINVAL, '9p': ENOENT }],
  ['virtiofs has not, and the kernel no 9p', 'auto', { virtiofs: EINVAL }],
  ['9p has not, and the kernel no virtiofs', 'auto', { '9p': ENOENT }],
  ['virtiofs has not, asked for by its name', 'virtiofs', { virtiofs: EINVAL }],
])('is waited for where %s', (_, type, given) => {
  expect(refused(type, given)).toEqual([expect.stringContaining('no share has this tag'), true])
})
