import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { firmware } from '../../../src/host/machine/firmware.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const parent = temporaryFolder()

/** Code and variables, as a package installs them, and a folder of a machine. */
function installed(...names: readonly string[]) {
  const folder = mkdtempSync(join(parent, 'firmware-'))
  const packaged = join(folder, 'packaged')
  const machine = join(folder, 'machine')
  for (const each of [packaged, machine]) mkdirSync(each)
  for (const name of names) writeFileSync(join(packaged, name), `the packaged ${name}`)
  const images = [
    [join(packaged, 'code-4m'), join(packaged, 'variables-4m')],
    [join(packaged, 'code'), join(packaged, 'variables')],
  ] as const
  return { packaged, machine, images }
}

test('what a machine writes to the firmware’s variables stays its own', () => {
  const { packaged, machine, images } = installed('code', 'variables')
  const { code, variables } = firmware(machine, images)
  expect([code, variables]).toEqual([join(packaged, 'code'), join(machine, 'variables.fd')])
  expect(readFileSync(variables, 'utf8')).toBe('the packaged variables')
  writeFileSync(variables, 'written by a machine')
  expect(readFileSync(join(packaged, 'variables'), 'utf8')).toBe('the packaged variables')
})

test('firmware is code and its own variables: the first pair that is complete', () => {
  const whole = installed('code-4m', 'variables-4m', 'code', 'variables')
  expect(firmware(whole.machine, whole.images).code).toBe(join(whole.packaged, 'code-4m'))
  const half = installed('code-4m', 'code', 'variables')
  const { code, variables } = firmware(half.machine, half.images)
  expect(code).toBe(join(half.packaged, 'code'))
  expect(readFileSync(variables, 'utf8')).toBe('the packaged variables')
})

test('without any, the package to install is named', () => {
  const { machine, images } = installed('code-4m', 'variables')
  const attempt = (): unknown => firmware(machine, images)
  expect(attempt).toThrow(UsageError)
  expect(attempt).toThrow(expect.objectContaining({ hint: 'apt-get install ovmf' }))
})
