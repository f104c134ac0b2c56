import { expect, test } from 'vitest'
import { formatSize, readSize } from '../../../src/host/lib/size.ts'

test.each([
  ['1', 1 << 20],
  ['1B', 1],
  ['1k', 1024],
  ['1KB', 1024],
  ['1KiB', 1024],
  ['0.5M', 1 << 19],
  ['2T', 2 * 2 ** 40],
  ['0', undefined],
  ['', undefined],
  ['M', undefined],
  ['1 M', undefined],
  ['1MM', undefined],
  ['+1', undefined],
  ['9007199254740993', undefined],
])('the size %j is %s bytes', (text, bytes) => expect(readSize(text)).toBe(bytes))

test.each([
  [0, '0.0 kB'],
  [999, '1.0 kB'],
  [4096, '4.1 kB'],
  [142_000_000, '142 MB'],
  [10 * 2 ** 30, '11 GB'],
  [2e15, '2000 TB'],
])('%d bytes are shown as %s', (bytes, text) => expect(formatSize(bytes)).toBe(text))
