import { describe, expect, it, test } from 'vitest'
import { isBelow, parseMounts, parseSwaps } from '../../../src/supervise/shutdown/mounts.ts'

describe('parseMounts', () => {
  const MOUNTS = `vroot / virtiofs rw,relatime 0 0
proc /proc proc rw,nosuid 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw 0 0
/dev/vda /data ext4 rw 0 0
share /with\\040space\\134 virtiofs rw 0 0
tmpfs /run tmpfs rw 0 0
`
  it('has what holds data, the last one first', () => {
    expect(parseMounts(MOUNTS)).toEqual([
      { target: '/with space\\', type: 'virtiofs' },
      { target: '/data', type: 'ext4' },
      { target: '/', type: 'virtiofs' },
    ])
  })

  it('leaves out the layer in memory that a read-only root has, but no overlay of the container’s', () => {
    expect(parseMounts('layers / overlay rw 0 0\noverlay /var/lib/x overlay rw 0 0\n')).toEqual([
      { target: '/var/lib/x', type: 'overlay' },
    ])
  })
})

test('parseSwaps has the files, without the heading', () => {
  expect(parseSwaps('Filename\t\tType\n/dev/vdb\tpartition\t1 0 -2\n/swap\\040file file 1 0 -3\n')).toEqual([
    '/dev/vdb',
    '/swap file',
  ])
})

test.each([
  ['/share/disk', ['/share'], true],
  ['/share', ['/share'], false],
  ['/shared', ['/share'], false],
  ['/data', ['/'], true],
  ['/', ['/'], false],
  ['/b/c', ['/a', '/b'], true],
  ['/share', [], false],
])('isBelow: %s is below %j: %s', (path, points, expected) => {
  expect(isBelow(path, points)).toBe(expected)
})
