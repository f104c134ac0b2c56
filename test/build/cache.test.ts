import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cached, cacheRoot } from '../../build/cache.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'zmachine-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', home)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(home, { recursive: true })
})

const fill = (text: string) => (folder: string) => writeFile(join(folder, 'file'), text)

test('cached makes an entry once for the same inputs', async () => {
  const first = await cached('thing', ['a', 'b'], fill('first'))
  const second = await cached('thing', ['a', 'b'], fill('second'))
  expect(second).toBe(first)
  expect(await readFile(join(second, 'file'), 'utf8')).toBe('first')
})

test('cached tells inputs apart, also where they are the same when put together', async () => {
  expect(await cached('thing', ['a', 'b'], fill(''))).not.toBe(await cached('thing', ['ab'], fill('')))
})

test('cached gives two builds at once the same whole entry', async () => {
  const both = await Promise.all(['one', 'two'].map((text) => cached('thing', ['x'], fill(text))))
  expect(both[0]).toBe(both[1])
  expect(await readdir(cacheRoot())).toHaveLength(1)
})

test('cached leaves nothing behind where making fails', async () => {
  await expect(cached('thing', ['x'], () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await readdir(cacheRoot())).toEqual([])
})
