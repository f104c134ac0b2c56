/** A container's root may lower PID 1's own limits (prlimit(2)): it still hears of everything, and ends the machine. Where the tests lack CAP_SYS_RESOURCE, it can't raise the hard ones again, and has to do without. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { ours, type Running, startInit, stop } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-limits-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** An entrypoint that does its worst, and then makes an orphan that ends, so that PID 1 wakes up. */
const start = (name: string, script: string, options = ''): Promise<Running> =>
  startInit(ours(options), join(folder, name), [
    '/bin/sh',
    '-c',
    `${script}; (sleep 0.1 &); sleep 0.5; echo it holds; sleep 50`,
  ])

/** PID 1's processor time in ticks: user's and system's (proc(5)). */
function ticks(pid: number): number {
  const [user, system] =
    readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ').slice(11) ?? []
  return Number(user) + Number(system)
}

async function stopped(running: Running): Promise<unknown> {
  running.signal('SIGTERM')
  const ended = await Promise.race([running.ended, sleep(8000)])
  if (ended === undefined) await stop(running)
  return ended?.exit
}

test.each([
  ['no descriptors', '/fault limit 7 0'],
  ['one descriptor', '/fault limit 7 1'],
  ['one descriptor for now', '/fault limit 7 1 soft'],
  ['files of no size', '/fault limit 1 0'],
  ['no more memory', '/fault limit 9 1000000'],
  ['no more data', '/fault limit 2 4096'],
  ['no more stack', '/fault limit 3 4096'],
])('with %s a stop is heard, and PID 1 sleeps until then', async (name, script) => {
  const running = await start(name, script)
  await running.says(/it holds/)
  const before = ticks(running.pid())
  await sleep(500)
  expect(ticks(running.pid()) - before).toBeLessThan(5)
  expect(await stopped(running)).toMatchObject({ code: 143, signal: 'SIGTERM', reason: 'stop' })
})

test('with one descriptor the grace runs out for an entrypoint that ignores TERM', async () => {
  const running = await start('deaf', "trap '' TERM; /fault limit 7 1", 'zmachine.grace=1')
  await running.says(/it holds/)
  expect(await stopped(running)).toMatchObject({ code: 137, reason: 'stop' })
})

test('an entrypoint that is started again has limits that it can live with', async () => {
  const script =
    '[ -e /again ] && echo has $(ulimit -f) $(ulimit -v) $(ulimit -n); >/again; /fault limit 9 1000000 soft; /fault limit 1 0 soft'
  const running = await startInit(ours('zmachine.on_exit=restart'), join(folder, 'again'), [
    '/bin/sh',
    '-c',
    script,
  ])
  await running.says(/has unlimited unlimited 1024/)
  await stop(running)
})
