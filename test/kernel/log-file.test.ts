/** `zmachine.log_file`: what the relay passes on to the container, in namespaces. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ours, startInit } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-log-file-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('an end of input typed before the container has its terminal is still one', async () => {
  const script = 'if read -r line; then echo got "$line"; read -r line || exit 7; fi; exit 8'
  const running = await startInit(ours('zmachine.log_file=4k'), join(folder, 'end'), [
    '/bin/sh',
    '-c',
    script,
  ])
  running.type('early\n\x04')
  const { output, exit } = await running.ended
  expect(output).toContain('got early')
  expect(exit).toMatchObject({ code: 7 })
})
