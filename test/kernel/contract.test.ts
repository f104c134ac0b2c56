/** Both hosts against this machine's kernel: what `sys/port.ts` promises. */

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { buildLean } from '../../build/lean/lean.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { inspectable } from '../../src/runtime/node/inspect.ts'
import { CHECK_NAMES, runChecks } from './contract/contract.ts'

const { path: folder, remove } = privateFolder()
afterAll(remove)

/** A lean binary whose program are the checks. */
async function inLeanHost(): Promise<readonly (string | undefined)[]> {
  const program = join(folder, 'contract')
  await buildLean({ entries: { main: 'test/kernel/contract/lean.ts' }, out: program })
  const lines = (await run(program, [])).toString('latin1').trimEnd().split('\n')
  return lines.map((line) => (line === 'kept' ? undefined : line))
}

describe.each([
  { host: 'Node’s', check: async () => runChecks(inspectable(nodeRuntime)) },
  { host: 'the lean', check: inLeanHost },
])('$host host', ({ check }) => {
  let problems: readonly (string | undefined)[] = []
  beforeAll(async () => {
    problems = await check()
    // The engine is compiled for each bundle, with the methods that it names.
  }, 600_000)

  test.each(CHECK_NAMES.map((name, index) => ({ name, index })))('$name', ({ index }) => {
    expect(problems).toHaveLength(CHECK_NAMES.length)
    expect(problems[index]).toBeUndefined()
  })
})
