import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { resolveUser } from '../../src/config/users.ts'
import { anyBytes, textOf } from '../bytes.ts'

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/:/sbin/nologin
app:x:1000:1001:The App:/srv/app:/bin/false
nohome:x:1002:1002:::
broken:x
`
const GROUP = `root:x:0:
app:x:1001:app
www:x:33:app,daemon
disk:x:6:daemon,app
empty:x:99:
`

const resolve = (spec: string) => resolveUser(spec, PASSWD, GROUP)

describe('resolveUser', () => {
  test.each([
    ['a name', 'app', { uid: 1000, gid: 1001, groups: [33, 6], home: '/srv/app', name: 'app' }],
    ['an id', '1000', { uid: 1000, gid: 1001, groups: [33, 6], home: '/srv/app', name: 'app' }],
    ['name and group', 'app:www', { uid: 1000, gid: 33, groups: [], home: '/srv/app', name: 'app' }],
    ['name and group id', 'app:6', { uid: 1000, gid: 6, groups: [], home: '/srv/app', name: 'app' }],
    ['ids that nobody has', '5000:6000', { uid: 5000, gid: 6000, groups: [], home: '/', name: undefined }],
    ['an id that nobody has', '5000', { uid: 5000, gid: 0, groups: [], home: '/', name: undefined }],
    ['root', 'root', { uid: 0, gid: 0, groups: [], home: '/root', name: 'root' }],
    ['only a group', ':www', { uid: 0, gid: 33, groups: [], home: '/root', name: 'root' }],
    ['an empty group', 'app:', { uid: 1000, gid: 1001, groups: [33, 6], home: '/srv/app', name: 'app' }],
    ['a user without a home', 'nohome', { uid: 1002, gid: 1002, groups: [], home: '/', name: 'nohome' }],
  ])('knows %s', (_, spec, identity) => {
    expect(resolve(spec)).toEqual(identity)
  })

  it('knows root and numbers without any passwd and group', () => {
    expect(resolveUser('0', '', '')).toEqual({ uid: 0, gid: 0, groups: [], home: '/root', name: 'root' })
    expect(resolveUser('root:root', '', '')).toMatchObject({ uid: 0, gid: 0 })
    expect(resolveUser('7:8', '', '')).toMatchObject({ uid: 7, gid: 8 })
  })

  test.each([
    ['nobody-such', "'nobody-such'", '/etc/passwd'],
    ['broken', "'broken'", '/etc/passwd'],
    ['app:none', "'none'", '/etc/group'],
  ])('says who %s is not', (spec, who, where) => {
    expect(resolve(spec)).toContain(who)
    expect(resolve(spec)).toContain(where)
  })

  it('takes no id that the kernel would cut to another, or to none', () => {
    for (const id of ['4294967295', '4294967296', '99999999999999']) {
      expect(resolve(id)).toBeTypeOf('string')
      expect(resolve(`app:${id}`)).toBeTypeOf('string')
      expect(resolveUser('evil', `evil:x:${id}:5::/:`, '')).toBeTypeOf('string')
      expect(resolveUser('evil', `evil:x:5:${id}::/:`, '')).toBeTypeOf('string')
      expect(resolveUser('app:evil', PASSWD, `evil:x:${id}:`)).toBeTypeOf('string')
    }
  })

  it('never throws, and gives ids that the kernel takes', () => {
    const text = fc.oneof(anyBytes(), textOf('app:x0123,\n'))
    fc.assert(
      fc.property(text, text, text, (spec, passwd, group) => {
        const identity = resolveUser(spec, passwd, group)
        if (typeof identity === 'string') return
        for (const id of [identity.uid, identity.gid, ...identity.groups]) {
          expect(id).toBeGreaterThanOrEqual(0)
          expect(id).toBeLessThan(0xffff_ffff)
        }
      }),
      { numRuns: 500 },
    )
  })
})
