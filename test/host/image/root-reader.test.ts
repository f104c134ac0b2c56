import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readInRoot, resolveInRoot } from '../../../src/host/image/root-reader.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const root = join(folder, 'root')
mkdirSync(join(root, 'etc/real'), { recursive: true })
writeFileSync(join(folder, 'secret'), 'outside')
writeFileSync(join(root, 'secret'), 'inside')
writeFileSync(join(root, 'etc/plain'), 'plain')
writeFileSync(join(root, 'etc/large'), Buffer.alloc(1024 * 1024 + 1))
execFileSync('mkfifo', [join(root, 'etc/fifo')])
for (const [name, target] of [
  ['absolute', '/secret'],
  ['upwards', '../../../../secret'],
  ['real/relative', '../plain'],
  ['folder', '/etc/real'],
  ['chain', 'absolute'],
  ['loop', 'loop'],
  ['dangling', '/nowhere'],
] as const)
  symlinkSync(target, join(root, 'etc', name))

test.each([
  ['/etc/plain', 'plain'],
  ['/etc/absolute', 'inside'],
  ['/etc/upwards', 'inside'],
  ['/../../secret', 'inside'],
  ['/etc/real/relative', 'plain'],
  ['/etc/folder/relative', 'plain'],
  ['/etc/chain', 'inside'],
  ['/etc/loop', undefined],
  ['/etc/dangling', undefined],
  ['/etc/none', undefined],
  ['/etc/plain/below', undefined],
  ['/etc', undefined],
  ['/etc/large', undefined],
  ['/etc/fifo', undefined],
])('readInRoot reads %s as after a chroot: %j', (path, text) => {
  expect(readInRoot(root, path)).toBe(text)
})

test('resolveInRoot never leads out of the root', () => {
  for (const name of ['absolute', 'upwards', 'chain', 'folder/../../../..']) {
    expect(resolveInRoot(root, `/etc/${name}`)?.startsWith(root)).toBe(true)
  }
})
