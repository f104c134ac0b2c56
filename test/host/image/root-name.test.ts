import { expect, test } from 'vitest'
import { folderName, hostnameOf } from '../../../src/host/image/root-name.ts'

test.each([
  ['./nginx-1.25', 'nginx-1-25'],
  ['nginx-1.25.tar', 'nginx-1-25'],
  ['/images/nginx-1.25.tar.gz', 'nginx-1-25'],
  ['web.TAR.ZST', 'web'],
  ['web.tgz', 'web'],
  ['web.example.org/', 'web-example-org'],
  ['a_b', 'a_b'],
  ['my root (2).tar.xz', 'my-root-2'],
  ['.hidden', 'hidden'],
  ['/', 'zmachine'],
  ['größe', 'gr-e'],
  [`${'a'.repeat(62)}.b`, 'a'.repeat(62)],
])('a root %s has the hostname %s', (path, hostname) => {
  expect(hostnameOf(path)).toBe(hostname)
})

test('the hostname of a relative path is that of the folder', () => {
  expect(hostnameOf('.')).toBe(hostnameOf(process.cwd()))
})

test.each([
  ['nginx-1.25.tar.gz', 'nginx-1.25'],
  ['my root.tgz', 'my_root'],
  ['.hidden.tar', '_hidden'],
  ['x'.repeat(100), 'x'.repeat(64)],
])('an archive %s is unpacked to a folder %s', (path, name) => {
  expect(folderName(path)).toBe(name)
})
