/** Stops that meet an unusual entrypoint, and signals that a container sends to PID 1. By the power button: faults/signals.test.ts. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ours, runInit, startInit } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-stops-'))
afterAll(() => rmSync(folder, { recursive: true }))

const sh = (script: string): string[] => ['/bin/sh', '-c', script]

/** What PID 1 said. */
const said = (output: string): string[] =>
  output.split(/\r*\n/).filter((line) => line.startsWith('zmachine: '))

test('an entrypoint that has stopped itself resumes, to end as TERM has it end', async () => {
  const running = await startInit(ours(), join(folder, 'stopped'), ['/fault', 'stopped'])
  await running.says(/fault: stops itself/)
  running.signal('SIGTERM')
  expect((await running.ended).exit).toMatchObject({ code: 7, signal: 'none', reason: 'stop' })
})

test('a stop between two starts reports the last end, as stopped', async () => {
  const running = await startInit(ours('zmachine.on_exit=restart'), join(folder, 'between'), sh('exit 6'))
  // By then the next start is more than a second away.
  await running.says(/restarting in 1\.6 s/)
  running.signal('SIGTERM')
  expect((await running.ended).exit).toMatchObject({ code: 6, signal: 'none', reason: 'stop' })
})

test('signals that end any other process do nothing to PID 1', async () => {
  const script = 'for s in KILL STOP SEGV BUS ILL FPE TRAP SYS; do kill -$s 1; done; exit 3'
  const { exit, output } = await runInit(ours(), join(folder, 'deadly'), sh(script))
  expect(exit).toMatchObject({ code: 3, signal: 'none', reason: 'exit' })
  expect(said(output).filter((line) => line.includes('error'))).toEqual([])
})

test('the ends of the entrypoint and of the machine at once are one end', async () => {
  const script = "trap 'exit 0' TERM; kill -TERM 1; kill -INT 1; kill -PWR 1; sleep 1000"
  const { exit, output } = await runInit(ours(), join(folder, 'once'), sh(script))
  expect(exit).toMatchObject({ reason: 'stop' })
  expect(said(output).filter((line) => line.startsWith('zmachine: exited '))).toHaveLength(1)
})
