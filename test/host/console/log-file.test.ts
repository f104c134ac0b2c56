import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type LogFile, openLog } from '../../../src/host/console/log-file.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const none = (text: string): void => {
  throw new Error(text)
}

async function written(log: LogFile, chunks: readonly string[]): Promise<string> {
  const writer = openLog(log, none)
  for (const chunk of chunks) writer.write(Buffer.from(chunk))
  await writer.end()
  return readFileSync(log.file, 'latin1')
}

test('a log without a limit has everything', async () => {
  const chunks = Array.from({ length: 1000 }, (_, at) => `line ${at}\n`)
  expect(await written({ file: join(folder, 'whole') }, chunks)).toBe(chunks.join(''))
})

test.each([
  ['nothing', [], ''],
  ['less than is kept', ['12345'], '12345'],
  ['a beginning and an end that meet', ['1234567', '890abcdefghij'], '1234567890abcdefghij'],
  [
    'more',
    ['1234567890', 'x'.repeat(95), 'abcdefghij'],
    `1234567890\n[... 95 bytes are left out here ...]\nabcdefghij`,
  ],
])('a log that keeps 10 bytes of either end has of %s', async (_, chunks, text) => {
  expect(await written({ file: join(folder, 'short'), keep: 10 }, chunks)).toBe(text)
  expect(await written({ file: join(folder, 'bytes'), keep: 10 }, [...chunks.join('')])).toBe(text)
})

test('what has come is nearly all in the file while the machine runs, and never more than is kept', () => {
  const file = join(folder, 'running')
  const writer = openLog({ file, keep: 1000 }, none)
  for (let line = 0; line < 10_000; line++) {
    writer.write(Buffer.from(`line ${line}\n`))
    expect(statSync(file).size).toBeLessThan(2100)
  }
  const text = readFileSync(file, 'latin1')
  expect(text.startsWith('line 0\nline 1\n')).toBe(true)
  expect(text).toMatch(/line 99\d\d\n$/)
})

test.each([undefined, 10])('a full disk is one warning (keep: %s)', async (keep) => {
  const warnings: string[] = []
  const log = { file: '/dev/full', ...(keep === undefined ? {} : { keep }) }
  const writer = openLog(log, (text) => void warnings.push(text))
  for (let chunk = 0; chunk < 10; chunk++) {
    writer.write(Buffer.alloc(100))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await writer.end()
  expect(warnings).toEqual(['the log /dev/full is incomplete: ENOSPC; the machine goes on without it'])
})
