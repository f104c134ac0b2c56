import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { checkEntrypoint } from '../../../src/host/cli/run-inputs.ts'
import { type RunRequest, readRunOptions } from '../../../src/host/cli/run-options.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-check-entrypoint-'))
afterAll(() => rmSync(folder, { recursive: true }))

function request(...args: readonly string[]): RunRequest {
  const read = readRunOptions(args)
  if (read === 'help') throw new Error('help')
  return read
}

/** A root whose `/.zosrc` is this. */
function rootWith(name: string, zosrc: string): string {
  const root = join(folder, name)
  mkdirSync(root)
  writeFileSync(join(root, '.zosrc'), zosrc)
  return root
}

test('a /.zosrc that sets only variables names nothing to run', () => {
  const root = rootWith('variables', "export A='1'\nexport XINIT='init'\n")
  expect(() => checkEntrypoint(request('web'), undefined, root)).toThrow(
    'nothing to run: no ENTRYPOINT after --, and ROOT names none in /.startup.toml or /.zosrc and has no /sbin/init',
  )
  checkEntrypoint(request('web', '--', '/app'), undefined, root)
})

test('a /.zosrc that sets init does', () => {
  checkEntrypoint(request('web'), undefined, rootWith('init', "export A='1'; init='/app'\n"))
})
