import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { renderHosts } from '../../src/plan/hosts.ts'
import { anyBytes, textOf } from '../bytes.ts'

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'

/** Who finds what: each name with the first address that gethostbyname(3) would take. */
function names(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [address = '', ...rest] = (line.split('#')[0] ?? '').split(/\s+/).filter((word) => word !== '')
    for (const name of rest) found[name] ??= address
  }
  return found
}

describe('renderHosts', () => {
  test.each([undefined, ''])('makes a file of %j', (present) => {
    expect(names(renderHosts(present, 'web', '10.0.0.2'))).toMatchObject({
      localhost: '127.0.0.1',
      web: '10.0.0.2',
    })
    expect(renderHosts(present, undefined, '10.0.0.2')).toBe(LOCALHOST)
  })

  it('adds the short name of a long one', () => {
    expect(names(renderHosts(undefined, 'web.example.org', '10.0.0.2'))).toMatchObject({
      'web.example.org': '10.0.0.2',
      web: '10.0.0.2',
    })
  })

  it('keeps every line of the image, and adds what is missing', () => {
    const image = '# mine\n127.0.0.1 localhost\n10.9.9.9 db # the database\n'
    const rendered = renderHosts(image, 'web', '10.0.0.2')
    expect(rendered.startsWith(image)).toBe(true)
    expect(names(rendered)).toMatchObject({ localhost: '127.0.0.1', db: '10.9.9.9', web: '10.0.0.2' })
    expect(rendered.match(/localhost/g)).toHaveLength(1)
  })

  it('leaves the image’s own line for the hostname alone', () => {
    const image = '127.0.0.1 localhost\n10.9.9.9 web\n'
    expect(renderHosts(image, 'web', '10.0.0.2')).toBe(image)
  })

  it('is not fooled by a name in a comment', () => {
    const rendered = renderHosts('127.0.0.1 localhost\n# 10.9.9.9 web\n', 'web', '10.0.0.2')
    expect(names(rendered)).toMatchObject({ web: '10.0.0.2' })
  })

  it('replaces its own line when the name or the address changed', () => {
    const first = renderHosts('127.0.0.1 localhost\n', 'old', '10.0.0.2')
    const second = renderHosts(first, 'new', '10.0.0.3')
    expect(names(second)).toEqual({ localhost: '127.0.0.1', new: '10.0.0.3' })
    expect(renderHosts(second, undefined, '10.0.0.3')).toBe('127.0.0.1 localhost\n')
  })

  it('ends a last line that has no end', () => {
    expect(names(renderHosts('127.0.0.1 localhost', 'web', '10.0.0.2'))).toEqual({
      localhost: '127.0.0.1',
      web: '10.0.0.2',
    })
  })

  it('is the same after any number of boots', () => {
    const present = fc.option(fc.oneof(anyBytes(), textOf('ab .\n#\t1localhost')), { nil: undefined })
    const hostname = fc.constantFrom(undefined, 'web', 'web.example', 'localhost', 'ip6-localhost', 'a.')
    fc.assert(
      fc.property(present, hostname, (text, name) => {
        const once = renderHosts(text, name, '10.0.0.2')
        expect(renderHosts(once, name, '10.0.0.2')).toBe(once)
      }),
      { numRuns: 1000 },
    )
  })
})
