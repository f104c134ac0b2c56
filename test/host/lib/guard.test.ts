import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { privateFolder } from '../../../src/host/lib/guard.ts'

const GUARD = new URL('../../../src/host/lib/guard.ts', import.meta.url).href
const PROGRAM = `
  import { privateFolder, spawnGuarded } from ${JSON.stringify(GUARD)}
  const child = spawnGuarded('sleep', ['600'], ['ignore', 'ignore', 'ignore'])
  console.log(child.pid + ' ' + privateFolder().path)
`

/** Whether a process runs; one that nobody has waited for yet does not. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function within(milliseconds: number, holds: () => boolean): Promise<boolean> {
  for (const start = Date.now(); Date.now() - start < milliseconds; await sleep(10)) if (holds()) return true
  return holds()
}

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  '%s to this process leaves no child and no folder',
  async (signal) => {
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(owner.stdout, 'data')
    const [pid = '', folder = ''] = String(line).trim().split(' ')
    expect(await within(2000, () => runs(pid))).toBe(true)
    expect(existsSync(folder)).toBe(true)
    owner.kill(signal)
    expect(await within(2000, () => !runs(pid) && !existsSync(folder))).toBe(true)
  },
)

test('a private folder goes when asked to, and only its owner may enter it', () => {
  const mask = process.umask(0)
  const { path, remove } = privateFolder()
  process.umask(mask)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  remove()
  expect(existsSync(path)).toBe(false)
})
