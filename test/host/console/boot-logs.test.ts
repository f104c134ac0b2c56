import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { bootLogFolder, newBootLog, newestBootLog } from '../../../src/host/console/boot-logs.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const warn = (text: string): void => {
  throw new Error(text)
}

test.each([
  ['/var/state', '/var/state/zmachine/boots'],
  ['', join(homedir(), '.local/state/zmachine/boots')],
  ['relative', join(homedir(), '.local/state/zmachine/boots')],
  [undefined, join(homedir(), '.local/state/zmachine/boots')],
])('with XDG_STATE_HOME=%s the logs are in %s', (XDG_STATE_HOME, path) => {
  expect(bootLogFolder({ XDG_STATE_HOME })).toBe(path)
})

test('each machine has a log of its own, and the newest is found', async () => {
  const environment = { XDG_STATE_HOME: join(folder, 'own') }
  expect(newestBootLog(environment)).toBeUndefined()
  const files: string[] = []
  for (let at = 0; at < 3; at++) {
    const { file, keep } = newBootLog(warn, environment) ?? { file: '' }
    writeFileSync(file, '')
    files.push(file)
    expect(keep).toBe(1 << 20)
    expect(newestBootLog(environment)).toBe(file)
    // A process has one machine, and names have milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(new Set(files).size).toBe(3)
})

test('only their owner may read them: a container may print secrets', () => {
  const environment = { XDG_STATE_HOME: join(folder, 'private') }
  const mask = process.umask(0)
  newBootLog(warn, environment)
  process.umask(mask)
  expect(statSync(bootLogFolder(environment)).mode & 0o777).toBe(0o700)
})

test('the oldest go, but for those that are being written', () => {
  const environment = { XDG_STATE_HOME: join(folder, 'many') }
  const logs = bootLogFolder(environment)
  mkdirSync(logs, { recursive: true })
  const ours = `2026-01-01T00-00-00.000Z-${process.pid}.log`
  const names = Array.from({ length: 30 }, (_, at) => `2026-02-${10 + at}T00-00-00.000Z-99999999.log`)
  for (const name of [ours, 'other', ...names]) writeFileSync(join(logs, name), '')
  const added = basename(newBootLog(warn, environment)?.file ?? '')
  writeFileSync(join(logs, added), '')
  expect(readdirSync(logs).sort()).toEqual([ours, ...names.slice(-19), added, 'other'].sort())
})

test('a folder that can’t be made is a warning', () => {
  const warnings: string[] = []
  writeFileSync(join(folder, 'file'), '')
  const environment = { XDG_STATE_HOME: join(folder, 'file') }
  expect(newBootLog((text) => void warnings.push(text), environment)).toBeUndefined()
  expect(warnings).toEqual([expect.stringMatching(/^no log is kept for zmachine timeline: .*: ENOTDIR$/)])
  expect(newestBootLog(environment)).toBeUndefined()
})
