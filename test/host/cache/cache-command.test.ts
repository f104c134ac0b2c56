import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { cachedRoots, useRoot } from '../../../src/host/cache/cache.ts'
import { CACHE_HELP, cacheCommand } from '../../../src/host/cache/cache-command.ts'
import { formatAge } from '../../../src/host/cache/cache-text.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { type Ran, temporaryFolder } from '../plan/plan-helpers.ts'
import { addRoot } from './cache-helpers.ts'

const parent = temporaryFolder()
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(parent, 'cache-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
})
afterAll(() => void vi.unstubAllEnvs())

/** Runs it with what is typed on a terminal; without anything, stdin is none. */
async function cacheWith(typed: string | undefined, ...args: readonly string[]): Promise<Ran> {
  const chunks: Uint8Array[] = []
  let errors = ''
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined })
  stdin.end(typed)
  const code = await cacheCommand(args, {
    stdin,
    colours: false,
    write: (bytes) => chunks.push(bytes),
    errors: (text) => {
      errors += text
    },
  })
  return { code, out: Buffer.concat(chunks).toString(), errors }
}

const cache = (...args: readonly string[]): Promise<Ran> => cacheWith(undefined, ...args)
const add = (name: string, ago: number, bytes = 1 << 20) => addRoot(folder, { name, ago, bytes })
const names = (): string[] => cachedRoots().map(({ name }) => name.replace(/-[0-9a-f]{16}$/, ''))

describe('ls', () => {
  it('shows each root with size, age, state and archive, and the sum', async () => {
    await add('nginx-1.25', 3 * 86_400 + 60, 5 << 20)
    const changed = await add('changed', 7300)
    writeFileSync(changed.archive, 'another')
    const gone = await add('gone', 90)
    rmSync(gone.archive)
    const used = await add('used', 1)
    const { release } = useRoot(used.name, { archive: used.archive, stamp: '' })
    const { code, out } = await cache('ls')
    release()
    expect(code).toBe(0)
    expect(out.replaceAll(folder, '/images').replaceAll(/-[0-9a-f]{16}/g, '-xxxxxxxxxxxxxxxx')).toBe(
      `NAME                         SIZE    LAST USED     STATE            ARCHIVE
nginx-1.25-xxxxxxxxxxxxxxxx  5.2 MB  3 days ago    unused           /images/nginx-1.25.tar
changed-xxxxxxxxxxxxxxxx     1.1 MB  2 hours ago   archive changed  /images/changed.tar
gone-xxxxxxxxxxxxxxxx        1.1 MB  1 minute ago  archive gone     /images/gone.tar
used-xxxxxxxxxxxxxxxx        1.1 MB  now           in use           /images/used.tar
4 roots, 8.4 MB; the limit is 10G
`,
    )
  })

  it('of an empty cache is its sum', async () => {
    vi.stubEnv('ZMACHINE_CACHE_LIMIT', '0')
    expect((await cache('ls')).out).toBe('0 roots, 0.0 kB; without a limit\n')
    vi.stubEnv('ZMACHINE_CACHE_LIMIT', '')
  })

  it('--format json is a document for each root', async () => {
    const { name, archive, directory } = await add('root', 60)
    await add('other', 0)
    const [first = '', ...others] = (await cache('ls', '--format', 'json')).out.trim().split('\n')
    expect(others).toHaveLength(1)
    const { bytes, lastUsed, ...rest } = JSON.parse(first)
    expect(rest).toEqual({ name, directory, archive, archiveState: 'there', users: [] })
    expect(bytes).toBeGreaterThan(1 << 20)
    expect(Date.now() - Date.parse(lastUsed)).toBeGreaterThan(59_000)
  })

  it('keeps names of archives from commanding the terminal', async () => {
    await add('a\x1b[31mb', 0)
    expect((await cache('ls')).out).not.toContain('\x1b')
  })
})

describe('prune', () => {
  it('removes what no run will find again, once that is agreed to', async () => {
    await add('kept', 3000)
    const gone = await add('gone', 2000)
    rmSync(gone.archive)
    const changed = await add('changed', 1000)
    writeFileSync(changed.archive, 'another')
    const no = await cacheWith('n\n', 'prune')
    expect([no.code, no.out, names()]).toEqual([1, '', ['kept', 'gone', 'changed']])
    expect(no.errors).toBe(
      `This removes 2 roots (2.1 MB), and what containers wrote there:\n  ${gone.name}\n  ${changed.name}\nRemove them? [y/N] `,
    )
    const yes = await cacheWith('y\n', 'prune')
    expect(yes.code).toBe(0)
    expect(yes.out).toBe(
      `removed ${gone.name} (1.1 MB)\nremoved ${changed.name} (1.1 MB)\nTotal reclaimed space: 2.1 MB\n`,
    )
    expect(names()).toEqual(['kept'])
  })

  test.each(['', '\n', 'no\n', 'yesterday\n'])('the answer %j is no', async (typed) => {
    await add('root', 0)
    expect((await cacheWith(typed, 'prune', '-a')).code).toBe(1)
    expect(names()).toEqual(['root'])
  })

  it('asks nobody where nobody is, unless told to go on', async () => {
    await add('root', 0)
    await expect(cache('prune', '--all')).rejects.toThrow(UsageError)
    expect(names()).toEqual(['root'])
    expect((await cache('prune', '--all', '--force')).code).toBe(0)
    expect(names()).toEqual([])
  })

  it('asks nothing where there is nothing to remove', async () => {
    await add('root', 0)
    expect(await cache('prune')).toEqual({ code: 0, out: 'Total reclaimed space: 0.0 kB\n', errors: '' })
  })

  it('--all leaves only what is in use', async () => {
    await add('a', 100)
    const used = await add('used', 50)
    const { release } = useRoot(used.name, { archive: used.archive, stamp: '' })
    await cache('prune', '-af')
    expect(names()).toEqual(['used'])
    release()
  })

  it('--keep-storage removes the longest unused until little enough is left', async () => {
    await add('oldest', 300, 2 << 20)
    await add('old', 200)
    await add('new', 100)
    const { out } = await cache('prune', '-af', '--keep-storage', '3M', '--format', 'json')
    expect(names()).toEqual(['old', 'new'])
    expect(JSON.parse(out)).toMatchObject({ name: expect.stringMatching(/^oldest-/) })
  })
})

test.each([
  [['ls', 'x'], 'zmachine cache ls takes no argument "x"'],
  [['ls', '--format', 'jsn'], '--format "jsn" is not supported; did you mean json?'],
  [['prune', '--al'], 'unknown option --al; did you mean --all?'],
  [['prune', '--keep-storage', 'much'], '--keep-storage "much" is not a size'],
  [['lst'], 'unknown command "lst"; did you mean ls?'],
  [[], 'ls or prune is missing'],
])('%j is wrong usage', async (args, message) => {
  await expect(cache(...args)).rejects.toThrow(UsageError)
  await expect(cache(...args)).rejects.toThrow(message)
})

test.each([[['--help']], [['-h']], [['ls', '--help']], [['prune', '-h']]])('%j is the help', async (args) => {
  expect((await cache(...args)).out).toBe(CACHE_HELP)
  expect(Math.max(...CACHE_HELP.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
})

test.each([
  [0, '0 seconds'],
  [1999, '1 second'],
  [59_999, '59 seconds'],
  [60_000, '1 minute'],
  [3_600_000 * 23, '23 hours'],
  [86_400_000 * 400, '400 days'],
  [-5, '0 seconds'],
])('%d ms are %s', (milliseconds, text) => expect(formatAge(milliseconds)).toBe(text))
