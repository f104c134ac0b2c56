import { describe, expect, it, test } from 'vitest'
import { hostnameProblem, isInterfaceName } from '../../src/lib/names.ts'
import { utf8 } from '../bytes.ts'

describe('hostnameProblem', () => {
  test.each(['a', 'web-1', 'a.b.example', 'A1', 'my_vm', 'x'.repeat(64)])('accepts %s', (name) => {
    expect(hostnameProblem(name)).toBeUndefined()
  })

  test.each(['', '-a', '.a', 'a b', 'a/b', 'a\n', utf8('é'), 'x'.repeat(65)])('refuses %j', (name) => {
    expect(hostnameProblem(name)).toBeTypeOf('string')
  })
})

describe('isInterfaceName', () => {
  test.each(['eth0', 'enp0s3', 'a', 'br-lan.7', 'x'.repeat(15), utf8('é')])('accepts %s', (name) => {
    expect(isInterfaceName(name)).toBe(true)
  })

  test.each(['', '.', '..', 'x'.repeat(16), 'a b', 'a/b', 'a:1', 'eth*', 'eth?', 'eth[0]', 'a\n'])(
    'refuses %j',
    (name) => {
      expect(isInterfaceName(name)).toBe(false)
    },
  )

  it('accepts a name of dots alone, as the kernel does, where it is no path', () => {
    expect(isInterfaceName('...')).toBe(true)
  })
})
