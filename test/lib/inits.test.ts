import { expect, test } from 'vitest'
import { mountsCgroups } from '../../src/lib/inits.ts'

test.each([
  ['/sbin/init', '/lib/systemd/systemd', true],
  ['/sbin/init', '/sbin/init', true],
  ['/usr/sbin/init', '/bin/busybox', true],
  ['/sbin/openrc-init', '/sbin/openrc-init', true],
  ['/usr/sbin/finit', '/usr/sbin/finit', true],
  ['/sbin/init', '/sbin/zinit', false],
  ['/sbin/zinit', '/sbin/zinit', false],
  ['/usr/bin/s6-svscan', '/usr/bin/s6-svscan', false],
  ['/init', '/init', false],
  ['/app', '/app', false],
])('mountsCgroups: %s, which leads to %s: %s', (path, target, expected) => {
  expect(mountsCgroups(path, target)).toBe(expected)
})
