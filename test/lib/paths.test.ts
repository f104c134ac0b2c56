import {
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it, test } from 'vitest'
import { followSymlinks, MAX_SYMLINKS, normalizeTarget } from '../../src/lib/paths.ts'
import { textOf } from '../bytes.ts'

const isPlain = (path: string): boolean =>
  path.length > 1 &&
  path.startsWith('/') &&
  path
    .slice(1)
    .split('/')
    .every((part) => !['', '.', '..'].includes(part))

describe('normalizeTarget', () => {
  test.each([
    ['/data', '/data'],
    ['/data/', '/data'],
    ['//a//b/./c', '/a/b/c'],
    ['data', '/data'],
    ['/a/../b', '/b'],
    ['../../x', '/x'],
    ['/a b', '/a b'],
    ['/...', '/...'],
    ['/', undefined],
    ['', undefined],
    ['.', undefined],
    ['/..', undefined],
    ['/a/..', undefined],
  ])('%s is %s', (target, path) => {
    expect(normalizeTarget(target)).toBe(path)
  })

  it('stays inside the root, and changes nothing the second time', () => {
    fc.assert(
      fc.property(textOf('./ab'), (target) => {
        const path = normalizeTarget(target)
        if (path === undefined) return
        expect(isPlain(path)).toBe(true)
        expect(normalizeTarget(path)).toBe(path)
      }),
    )
  })
})

/** A file system that is nothing but symlinks. */
const links =
  (targets: Readonly<Record<string, string>>) =>
  (path: string): string | undefined =>
    Object.hasOwn(targets, path) ? targets[path] : undefined

describe('followSymlinks', () => {
  const readlink = links({
    '/bin': 'usr/bin',
    '/usr/bin/sh': 'dash',
    '/data': '/mnt/disk',
    '/mnt/disk': '../srv/./disk/',
    '/up': '../../..',
    '/loop': 'loop',
  })

  test.each([
    ['/bin/sh', '/usr/bin/dash'],
    ['/data/x', '/srv/disk/x'],
    ['/data/../y', '/srv/y'],
    ['/up/etc', '/etc'],
    ['//none/./of//it/..', '/none/of'],
    ['bin', '/usr/bin'],
    ['/..', '/'],
    ['', '/'],
    ['/loop', undefined],
    ['/loop/x', undefined],
  ])('%s leads to %s', (path, target) => {
    expect(followSymlinks(path, readlink)).toBe(target)
  })

  it('takes an errno for "not a symlink"', () => {
    expect(followSymlinks('/a/b', () => -22)).toBe('/a/b')
  })

  it('follows as many symlinks as the kernel, and no more', () => {
    const chain = (length: number) =>
      links(Object.fromEntries(Array.from({ length }, (_, at) => [`/${at}`, `/${at + 1}`])))
    expect(followSymlinks('/0', chain(MAX_SYMLINKS))).toBe(`/${MAX_SYMLINKS}`)
    expect(followSymlinks('/0', chain(MAX_SYMLINKS + 1))).toBeUndefined()
  })

  describe('on real files', () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'paths-')))
    mkdirSync(join(root, 'a/b'), { recursive: true })
    writeFileSync(join(root, 'a/b/file'), '')
    symlinkSync('b/../b', join(root, 'a/c'))
    symlinkSync(join(root, 'a'), join(root, 'd'))
    symlinkSync('../d/c/file', join(root, 'a/e'))
    afterAll(() => rmSync(root, { recursive: true }))

    test.each(['a/c/file', 'd/b', 'd/e', 'a/e', 'd/../d/c'])('agrees with realpath(3) on %s', (path) => {
      const whole = `${root}/${path}`
      const readlink = (each: string): string | undefined => {
        try {
          return readlinkSync(each)
        } catch {
          return undefined
        }
      }
      expect(followSymlinks(whole, readlink)).toBe(realpathSync(whole))
    })
  })
})
