import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { archiveState } from '../../../src/host/cache/archive-state.ts'
import { cachedRoots, directoryOf, openCache, removeRoot, useRoot } from '../../../src/host/cache/cache.ts'
import { cacheLimit, limitCache } from '../../../src/host/cache/limit.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'
import { addRoot } from './cache-helpers.ts'

const parent = temporaryFolder()
let folder = ''
let zmachine = ''

beforeEach(() => {
  folder = mkdtempSync(join(parent, 'cache-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
  zmachine = join(folder, 'zmachine')
})
afterAll(() => void vi.unstubAllEnvs())

const add = (name: string, ago: number, bytes = 4096) => addRoot(folder, { name, ago, bytes })
const names = (): string[] => cachedRoots().map(({ name }) => name.replace(/-[0-9a-f]{16}$/, ''))
const use = (name: string) => useRoot(name, { archive: '/archive.tar', stamp: '' })

describe('the cache', () => {
  it('lists its roots, the longest unused first, with size, archive and users', async () => {
    const young = await add('young', 10, 1 << 20)
    const old = await add('old', 1000)
    const { release } = use(old.name)
    utimesSync(join(zmachine, 'records', `${old.name}.json`), 5, 5)
    const [first, second, ...others] = cachedRoots()
    expect(first).toMatchObject({ name: old.name, users: [process.pid], archive: '/archive.tar' })
    expect(first?.lastUsed).toEqual(new Date(5000))
    expect(second).toMatchObject({ name: young.name, users: [], archive: young.archive })
    expect(second?.bytes).toBeGreaterThanOrEqual(1 << 20)
    expect(second?.bytes).toBeLessThan(1.1 * 2 ** 20)
    expect(others).toEqual([])
    release()
  })

  it('measures a root when it is released, and one that never was when it is asked for', async () => {
    const { name, directory } = await add('root', 10)
    const before = cachedRoots()[0]?.bytes ?? 0
    appendFileSync(join(directory, 'file'), Buffer.alloc(1 << 20, 1))
    expect(cachedRoots()[0]?.bytes).toBe(before)
    const { release } = use(name)
    expect(cachedRoots()[0]?.bytes).toBe(before + (1 << 20))
    release()
    expect(cachedRoots()[0]?.bytes).toBe(before + (1 << 20))
  })

  it('knows roots of which it has no record, or a damaged one', async () => {
    openCache()
    mkdirSync(directoryOf('earlier-0123456789abcdef'))
    const { name } = await add('damaged', 0)
    writeFileSync(join(zmachine, 'records', `${name}.json`), '{"archive":1}')
    const roots = cachedRoots()
    expect(roots.map(({ archive }) => archive)).toEqual([undefined, undefined])
    expect(Math.max(...roots.map(({ lastUsed }) => Date.now() - lastUsed.getTime()))).toBeLessThan(60_000)
  })

  it('is empty where there is none', () => {
    expect(cachedRoots()).toEqual([])
  })

  it('that cannot be made is refused, with what to do', () => {
    writeFileSync(join(folder, 'zmachine'), '')
    expect(openCache).toThrow(UsageError)
    expect(openCache).toThrow(/roots", where archives are unpacked: cannot be written to \(ENOTDIR\)/)
  })
})

describe('a root', () => {
  it('is removed with its record', async () => {
    const { name } = await add('root', 0)
    expect(removeRoot(name)).toBe(true)
    expect(['roots', 'records', 'uses'].flatMap((each) => readdirSync(join(zmachine, each)))).toEqual([])
    expect(removeRoot(name)).toBe(false)
  })

  it('in use is not removed', async () => {
    const { name, directory } = await add('root', 0)
    const { release } = use(name)
    expect(removeRoot(name)).toBe(false)
    expect(readdirSync(join(zmachine, 'roots'))).toEqual([name])
    release()
    expect(removeRoot(name)).toBe(true)
    expect(existsSync(directory)).toBe(false)
  })

  it('is never removed from who found it while using it', async () => {
    const { name } = await add('root', 0)
    const module = JSON.stringify(new URL('../../../src/host/cache/cache.ts', import.meta.url).href)
    // Uses the root again and again, until a file says stop: what is there at the beginning of a use is there at its end.
    const script = `import { existsSync, mkdirSync } from 'node:fs'
      import { directoryOf, useRoot } from ${module}
      const [, name, stop] = process.argv
      let found = 0
      while (!existsSync(stop)) {
        const use = useRoot(name, { archive: '', stamp: '' })
        if (existsSync(directoryOf(name))) {
          if (found++ === 0) console.log('found')
          for (const end = performance.now() + 1; performance.now() < end;);
          if (!existsSync(directoryOf(name))) console.log('removed')
        } else mkdirSync(directoryOf(name))
        use.release()
      }
      console.log('done')`
    const stop = join(folder, 'stop')
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, name, stop])
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk
      })
    }
    const ended = once(child, 'close')
    // Also until it was found once: all of the first ten may be removed between two uses.
    for (let removed = 0; removed < 10 || said === ''; await new Promise(setImmediate))
      if (removeRoot(name)) removed++
    writeFileSync(stop, '')
    await ended
    expect(said).toBe('found\ndone\n')
  }, 30_000)
})

describe('the archive of a root', () => {
  const stateOf = () => {
    const [root] = cachedRoots()
    if (root === undefined) throw new Error('no root')
    return archiveState(root)
  }

  it('is there, also as a copy or touched', async () => {
    const { archive } = await add('root', 0)
    expect(await stateOf()).toBe('there')
    copyFileSync(archive, `${archive}.copy`)
    utimesSync(archive, 1, 1)
    expect(await stateOf()).toBe('there')
  })

  it('has changed, or is gone', async () => {
    const { archive } = await add('root', 0)
    writeFileSync(archive, 'another')
    expect(await stateOf()).toBe('changed')
    rmSync(archive)
    expect(await stateOf()).toBe('gone')
  })

  it('is unknown without a record', async () => {
    const { name } = await add('root', 0)
    rmSync(join(zmachine, 'records', `${name}.json`))
    expect(await stateOf()).toBe('unknown')
  })
})

describe('the limit', () => {
  const limited = (bytes: number): string[] => {
    const told: string[] = []
    limitCache((text) => told.push(text), { bytes, text: '1M' })
    return told
  }

  it('removes the longest unused, and says so', async () => {
    const oldest = await add('oldest', 3000, 1 << 20)
    await add('older', 2000, 1 << 20)
    await add('old', 1000, 1 << 20)
    expect(limited(2.5 * 2 ** 20)).toEqual([
      `removed ${oldest.name} (1.1 MB), the longest unused, from the cache: its limit is 1M`,
    ])
    expect(names()).toEqual(['older', 'old'])
    expect(limited(2.5 * 2 ** 20)).toEqual([])
  })

  it('leaves what is in use, and the one used last', async () => {
    const used = await add('used', 3000, 1 << 20)
    await add('old', 2000, 1 << 20)
    await add('last', 0, 1 << 20)
    const { release } = use(used.name)
    utimesSync(join(zmachine, 'records', `${used.name}.json`), 1, 1)
    expect(limited(0)).toHaveLength(1)
    expect(names()).toEqual(['used', 'last'])
    release()
  })

  test.each([
    [undefined, 10 * 2 ** 30],
    ['', 10 * 2 ** 30],
    ['20G', 20 * 2 ** 30],
    ['0', undefined],
  ])('ZMACHINE_CACHE_LIMIT=%s is %s bytes', (text, bytes) => {
    expect(cacheLimit({ ZMACHINE_CACHE_LIMIT: text })?.bytes).toBe(bytes)
  })

  it('that is no size is refused', () => {
    expect(() => cacheLimit({ ZMACHINE_CACHE_LIMIT: 'much' })).toThrow(
      'ZMACHINE_CACHE_LIMIT="much" is not a size',
    )
  })

  it('of 0 removes nothing', async () => {
    await add('old', 1000)
    await add('new', 0)
    const told: string[] = []
    limitCache((text) => told.push(text), cacheLimit({ ZMACHINE_CACHE_LIMIT: '0' }))
    expect([told, names()]).toEqual([[], ['old', 'new']])
  })
})
