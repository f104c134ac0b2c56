import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkMemory, checkRequest, readEnvironment } from '../../../src/host/cli/run-inputs.ts'
import { type RunRequest, readRunOptions } from '../../../src/host/cli/run-options.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

function request(...argv: readonly string[]): RunRequest {
  const read = readRunOptions(['root', ...argv])
  if (read === 'help') throw new Error('help')
  return read
}

test('a name without a value takes it from here; options override files, the last one each', () => {
  const first = file('first', 'A=file\nB=file\nHERE\nNOWHERE')
  const second = file('second', 'B=second')
  const options = ['--env-file', first, '--env-file', second, '-e', 'A=option', '-e', 'ALSO']
  expect(readEnvironment(request(...options), { HERE: 'of here', ALSO: '' })).toEqual(
    new Map([
      ['A', 'option'],
      ['B', 'second'],
      ['HERE', 'of here'],
      ['ALSO', ''],
    ]),
  )
})

test('memory that this computer does not have is refused', () => {
  expect(() => checkMemory(512 * 1024, 16 * 2 ** 30)).toThrow(
    '--memory: 524288 MB is more than this computer has, which is 16384 MB',
  )
  expect(() => checkRequest(request('-m', '512T'))).toThrow('is more than this computer has')
  checkMemory(16 * 1024, 16 * 2 ** 30)
})

describe('what is not there is refused before a machine is started', () => {
  test.each<readonly [string[], string]>([
    [['-v', 'none:/d'], '--volume none:/d: none does not exist'],
    [['-v', `${file('text', '')}:/d`], 'text is not a directory'],
    [['--kernel', 'none'], '--kernel "none" does not exist'],
    [['--initramfs', 'none'], '--initramfs "none" does not exist'],
    [['--network', 'tap=none'], '--network tap=none: there is no such interface'],
    [['--log', join(folder, 'none/log')], 'cannot be written (ENOENT)'],
    [['--env-file', 'none'], '--env-file "none": cannot be read (ENOENT)'],
  ])('%j', (argv, said) => {
    expect(() => {
      checkRequest(request(...argv))
      readEnvironment(request(...argv))
    }).toThrow(said)
  })
})
