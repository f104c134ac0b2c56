import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cpio, type Entry } from '../../build/cpio.ts'
import { testWith } from '../programs.ts'

const ENTRIES: readonly Entry[] = [
  { path: 'init', type: 'file', mode: 0o755, data: Buffer.from('#!/bin/sh\n') },
  { path: 'dev', type: 'directory', mode: 0o755 },
  { path: 'dev/console', type: 'character', mode: 0o600, major: 5, minor: 1 },
  { path: 'dev/vda', type: 'block', mode: 0o660, major: 254, minor: 0 },
  { path: 'empty', type: 'file', mode: 0o644, data: new Uint8Array(0) },
  { path: 'odd', type: 'file', mode: 0o640, data: Buffer.from('abcde') },
  { path: 'link', type: 'symlink', target: 'dev/console' },
]

/** What the system's cpio(1) makes of an archive. */
function list(archive: Uint8Array): string[][] {
  const args = ['--list', '--verbose', '--numeric-uid-gid', '--quiet']
  const options = { input: archive, env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } }
  const lines = execFileSync('cpio', args, options).toString().trim().split('\n')
  return lines.map((line) => line.trim().split(/[\s,]+/))
}

describe('cpio', () => {
  testWith('cpio')(
    'writes what the system’s cpio reads: type, mode, links, owner, device, size, time, name',
    () => {
      expect(list(cpio(ENTRIES)).map((fields) => fields.join(' '))).toEqual([
        'drwxr-xr-x 2 0 0 0 Jan 1 1970 dev',
        'crw------- 1 0 0 5 1 Jan 1 1970 dev/console',
        'brw-rw---- 1 0 0 254 0 Jan 1 1970 dev/vda',
        '-rw-r--r-- 1 0 0 0 Jan 1 1970 empty',
        '-rwxr-xr-x 1 0 0 10 Jan 1 1970 init',
        'lrwxrwxrwx 1 0 0 11 Jan 1 1970 link -> dev/console',
        '-rw-r----- 1 0 0 5 Jan 1 1970 odd',
      ])
    },
  )

  testWith('cpio')('keeps the bytes of files and the targets of symlinks', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zmachine-cpio-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const input = cpio(ENTRIES.filter(({ type }) => type !== 'character' && type !== 'block'))
    execFileSync('cpio', ['--extract', '--quiet', '--no-preserve-owner'], { cwd: folder, input })
    expect(readFileSync(join(folder, 'odd'), 'latin1')).toBe('abcde')
    expect(statSync(join(folder, 'init')).mode & 0o7777).toBe(0o755)
    expect(readlinkSync(join(folder, 'link'))).toBe('dev/console')
  })

  test('gives the same bytes for the same entries in any order', () => {
    expect(cpio(ENTRIES.toReversed())).toEqual(cpio(ENTRIES))
  })

  test('is a multiple of four bytes, so that another archive may follow', () => {
    expect(cpio(ENTRIES).length % 4).toBe(0)
  })

  test.each<[string, Entry[], string]>([
    ['a path given twice', [directory('a'), directory('a')], 'cpio: a: given twice'],
    ['a path without its folder', [directory('a/b')], 'cpio: a/b: its folder a is not in the archive'],
    ['an absolute path', [directory('/a')], 'cpio: /a: not a path below the root'],
  ])('refuses %s', (_, entries, message) => {
    expect(() => cpio(entries)).toThrow(message)
  })
})

function directory(path: string): Entry {
  return { path, type: 'directory', mode: 0o755 }
}
