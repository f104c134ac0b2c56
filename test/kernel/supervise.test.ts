/** What a container may expect of its PID 1, on this kernel, in namespaces: the same rows that the bench puts others to. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ours, runInit, startInit, stop } from './pid1.ts'
import { rows } from './supervision.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-supervise-'))
afterAll(() => rmSync(folder, { recursive: true }))

const CODES = Array.from({ length: 256 }, (_, code) => code)

for (const { name, expected, run } of rows({ codes: CODES, early: 8 })) {
  test(`${name}: ${expected}`, async () => {
    const found = await run(ours(), folder)
    if (typeof expected === 'string') expect(found).toBe(expected)
    else expect(found).toMatch(expected)
  }, 240_000)
}

test('a restart is another start of the same, after a delay that doubles', async () => {
  const place = join(folder, 'restart')
  mkdirSync(place)
  // The third start finds the file of the second one, and stops the machine.
  const script =
    'if [ -e /b ]; then kill -TERM 1; sleep 9; elif [ -e /a ]; then >/b; exit 8; else >/a; exit 7; fi'
  const { output, exit } = await runInit(ours('zmachine.on_exit=restart'), place, ['/bin/sh', '-c', script])
  expect(output).toMatch(/exited code=7 .*; restarting in 0\.1 s\r?\n/)
  expect(output).toMatch(/exited code=8 .*; restarting in 0\.2 s\r?\n/)
  expect(exit).toMatchObject({ reason: 'stop' })
})

test('an ordinary user opens /dev/stdout and /dev/stderr, after a restart too', async () => {
  const script = 'echo one > /dev/stdout && echo two > /dev/stderr && exit 7; exit 8'
  const options = 'zmachine.user=1000:1000 zmachine.on_exit=restart'
  const running = await startInit(ours(options), join(folder, 'user'), ['/bin/sh', '-c', script])
  await running.says(/exited code=7 [\s\S]*exited code=7 |exited code=8 /)
  await stop(running)
  expect(running.output().match(/^one\r?\ntwo\r?\nzmachine: exited code=7 /gm)).toHaveLength(2)
})

test('10,000 orphans are reaped while they come', async () => {
  const { output, code } = await runInit(ours(), join(folder, 'orphans'), ['/orphans', '10000', '1000'])
  expect(output).toMatch(/orphans: 10000 in/)
  expect(code).toBe(0)
})

test('an entrypoint that fails to start leaves one timeline, not two', async () => {
  const options = 'zmachine.timeline zmachine.cwd=/nosuch'
  const { output, exit } = await runInit(ours(options), join(folder, 'cwd'), ['/bin/sh'])
  expect(output).toMatch(/zmachine: fatal: chdir \/nosuch: ENOENT/)
  expect(output.match(/timeline \S+ ms free the initramfs/g)).toHaveLength(1)
  expect(exit).toMatchObject({ code: 125, reason: 'failed' })
})
