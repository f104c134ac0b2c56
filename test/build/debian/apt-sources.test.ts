import { describe, expect, test } from 'vitest'
import { retarget } from '../../../build/debian/apt-sources.ts'

const STANZAS = `Types: deb deb-src
# a comment inside
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example.org/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://third.example.org
Suites: bookworm
Components: stable
`

const LINES = `# the archive
deb http://debian.example.org/debian bookworm main contrib
deb-src http://debian.example.org/debian bookworm main
deb [signed-by=/k.gpg arch=amd64] http://security.example.org/debian-security bookworm-security main # s
deb http://third.example.org stable main
`

const SOURCE = { name: 'x', type: 'deb-src', suite: 'trixie' } as const
const OWN = { name: 'x', type: 'deb' } as const

describe('retarget', () => {
  test('takes the main archive for another suite, deb822', () => {
    expect(retarget(STANZAS, 'deb822', 'bookworm', SOURCE)).toBe(`Types: deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

`)
  })

  test('takes all of the machine’s own suites, deb822', () => {
    const text = retarget(STANZAS, 'deb822', 'bookworm', OWN) ?? ''
    expect(text.match(/^Suites: .*$/gm)).toEqual([
      'Suites: bookworm bookworm-updates bookworm-backports',
      'Suites: bookworm-security',
    ])
    expect(text).not.toContain('third')
  })

  test('takes the same suites of another release', () => {
    const other = { name: 'x', type: 'deb', release: 'trixie' } as const
    expect(retarget(STANZAS, 'deb822', 'bookworm', other)?.match(/^Suites: .*$/gm)).toEqual([
      'Suites: trixie trixie-updates trixie-backports',
      'Suites: trixie-security',
    ])
    expect(retarget(LINES, 'one-line', 'bookworm', other)?.match(/\S+(?= main)/g)).toEqual([
      'trixie',
      'trixie-security',
    ])
  })

  test('takes the main archive for another suite, one line each', () => {
    expect(retarget(LINES, 'one-line', 'bookworm', SOURCE)).toBe(
      'deb-src http://debian.example.org/debian trixie main\n',
    )
  })

  test('takes all of the machine’s own suites with their options, one line each', () => {
    expect(retarget(LINES, 'one-line', 'bookworm', OWN)).toBe(
      'deb http://debian.example.org/debian bookworm main\n' +
        'deb [signed-by=/k.gpg arch=amd64] http://security.example.org/debian-security bookworm-security main\n',
    )
  })

  test.each([
    ['a third party’s archive', 'deb http://third.example.org stable main'],
    ['an empty file', ''],
    ['a commented line', '# deb http://debian.example.org/debian bookworm main'],
  ])('finds nothing in %s', (_, text) => {
    expect(retarget(text, 'one-line', 'bookworm', SOURCE)).toBeUndefined()
  })

  test('leaves out a stanza that is switched off', () => {
    const text = STANZAS.replace('Types: deb deb-src', 'Enabled: no\nTypes: deb')
    expect(retarget(text, 'deb822', 'bookworm', SOURCE)).toBeUndefined()
  })
})
