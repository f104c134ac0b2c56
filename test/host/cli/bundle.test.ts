import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { buildZmachine } from '../../../build/zmachine.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { run, SEEDS, temporaryFolder } from '../plan/plan-helpers.ts'

/** Not below the project, so that nothing of it can be imported. */
const folder = temporaryFolder()
// .mjs: no package.json beside it says that it is a module.
const bundle = join(folder, 'zmachine.mjs')
const args = ['plan', '--seed', join(SEEDS, 'quoting'), '--json']

beforeAll(async () => {
  await buildZmachine(bundle)
})

test('the bundle is a program of its own that does what the source does', () => {
  expect(execFileSync(bundle, args, { encoding: 'utf8' })).toBe(run(...args).out)
  expect(execFileSync(bundle, ['--version'], { encoding: 'utf8' })).toBe(run('--version').out)
})

const older = findProgram('/usr/bin/node')

test.runIf(older !== undefined)('it runs by the machine’s own Node', () => {
  expect(execFileSync(older ?? '', [bundle, ...args], { encoding: 'utf8' })).toBe(run(...args).out)
})

test('it needs no package, no system call, and knows no path of this computer', () => {
  const code = readFileSync(bundle, 'utf8')
  expect(code.startsWith('#!/usr/bin/env -S node --\n')).toBe(true)
  expect(code).not.toContain('node:ffi')
  expect(code).not.toContain(join(import.meta.dirname, '../../..'))
})
