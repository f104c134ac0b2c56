/**
 * Processes that outlive the entrypoint: they are asked to end before they are killed. The end of their session's leader
 * hangs up the terminal, so they ignore HUP and open the console anew.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ours, runInit } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-leftovers-'))
afterAll(() => rmSync(folder, { recursive: true }))

const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script]

test('they get TERM, and may finish their work', async () => {
  const script =
    "(trap '' HUP; trap 'echo heard TERM > /dev/console; exit' TERM; echo ready > /ready; while :; do sleep 0.1; done) &"
  const { output, exit } = await runInit(
    ours(),
    join(folder, 'told'),
    shell(`${script} while ! [ -e /ready ]; do sleep 0.05; done; exit 5`),
  )
  expect(output).toContain('heard TERM')
  expect(output).not.toContain('warning')
  expect(exit).toMatchObject({ code: 5, reason: 'exit' })
})

test('one that is stopped gets TERM too', async () => {
  const script =
    "(trap '' HUP; trap 'echo heard TERM > /dev/console; exit' TERM; echo ready > /ready; kill -STOP $(exec sh -c 'echo $PPID')) &"
  const { output, exit } = await runInit(
    ours(),
    join(folder, 'stopped'),
    shell(`${script} while ! [ -e /ready ]; do sleep 0.05; done; sleep 0.3; exit 6`),
  )
  expect(output).toContain('heard TERM')
  expect(exit).toMatchObject({ code: 6, reason: 'exit' })
})

test('one that ignores TERM is killed when the grace is over', async () => {
  const script = "(trap '' HUP TERM; echo ready > /ready; while :; do sleep 0.1; done) &"
  const { exit, milliseconds } = await runInit(
    ours('zmachine.grace=1'),
    join(folder, 'deaf'),
    shell(`${script} while ! [ -e /ready ]; do sleep 0.05; done; exit 7`),
  )
  expect(exit).toMatchObject({ code: 7, reason: 'exit' })
  expect(milliseconds).toBeGreaterThan(1000)
})
