/** `zmachine.shell`: a shell on the console after a fatal error, in namespaces. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ours, type Running, startInit } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-shell-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Its entrypoint is missing. */
async function startShell(name: string, options: string): Promise<Running> {
  const running = await startInit(ours(options), join(folder, name), ['/missing'])
  await running.says(/zmachine: zmachine\.shell: starting a shell/)
  return running
}

test('a shell on the console runs what is typed, outlives an orphan’s end, and its own end is the machine’s', async () => {
  const running = await startShell('exit', 'zmachine.shell')
  running.type('(sleep 0.1 &); sleep 0.3; echo still $((40 + 2)) as $HOME\n')
  await running.says(/still 42 as \/root/)
  running.type('exit\n')
  const { exit, output } = await running.ended
  expect(output).toMatch(/fatal: .*\/missing/)
  expect(exit).toMatchObject({ code: 127, reason: 'failed' })
})

test('a stop ends the shell and the machine', async () => {
  const running = await startShell('stop', 'zmachine.shell')
  running.type('echo typing $((40 + 2))\n')
  await running.says(/typing 42/)
  running.signal('SIGTERM')
  expect((await running.ended).exit).toMatchObject({ code: 127, reason: 'failed' })
})

test('without the key there is no shell', async () => {
  const running = await startInit(ours(), join(folder, 'none'), ['/missing'])
  const { output, exit } = await running.ended
  expect(output).not.toContain('a shell')
  expect(exit).toMatchObject({ code: 127, reason: 'failed' })
})

test('with a log file it has a terminal as the entrypoint has', async () => {
  const more = join(folder, 'more')
  mkdirSync(more)
  writeFileSync(join(more, 'broken'), 'neither ELF nor #!\n', { mode: 0o755 })
  const options = ours('zmachine.shell zmachine.log_file')
  const running = await startInit(options, join(folder, 'log-file'), ['/broken'], { MORE: more })
  await running.says(/zmachine: zmachine\.shell: starting a shell/)
  running.type('echo reading $((40 + 2)); read word; echo "read <$word>"; exit\r')
  await running.says(/reading 42/)
  running.type('this\r')
  await running.says(/read <this>\r*\n/)
  expect((await running.ended).exit).toMatchObject({ code: 126, reason: 'failed' })
})
