/** System calls that may never return, made by a helper process: it is left behind when its time is up. */

import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { callWithin } from '../../src/supervise/shutdown/helper.ts'
import { ENOENT } from '../../src/sys/errno.ts'
import { SYS_chdir, SYS_read, uptime, useRuntime } from '../../src/sys/linux.ts'

const PATIENCE = 300

let folder: string
/** Both ends of a FIFO in which nothing is. */
let empty: number

beforeAll(() => {
  useRuntime(nodeRuntime)
  folder = mkdtempSync(join(tmpdir(), 'zmachine-helper-'))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  empty = openSync(join(folder, 'fifo'), 'r+')
})

afterAll(() => {
  // Whoever still reads comes to an end.
  writeSync(empty, 'end')
  closeSync(empty)
  rmSync(folder, { recursive: true })
})

test('a call that does not return is given up when its time is over, and not before', () => {
  const start = uptime()
  expect(callWithin(PATIENCE, SYS_read, empty, new Uint8Array(1), 1)).toBeUndefined()
  const took = uptime() - start
  expect(took).toBeGreaterThanOrEqual(PATIENCE)
  expect(took).toBeLessThan(PATIENCE * 5)
})

test('a call that returns gives the kernel’s answer, errors as well', () => {
  expect(callWithin(PATIENCE, SYS_chdir, join(folder, 'nowhere'))).toBe(-ENOENT)
  const bytes = new Uint8Array(3)
  const full = join(folder, 'full')
  execFileSync('sh', ['-c', 'printf abc > "$1"', 'sh', full])
  const fd = openSync(full, 'r')
  expect(callWithin(PATIENCE, SYS_read, fd, bytes, 3)).toBe(3)
  expect(Buffer.from(bytes).toString()).toBe('abc')
  closeSync(fd)
})
