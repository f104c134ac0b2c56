import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseZosrc } from '../../src/config/zosrc.ts'
import { shellQuote, shellWord } from '../../src/lib/shell.ts'

const NASTY = ['', ' ', "it's", "''", '$HOME `id` \\', 'a\nb', '*', '~', '#x', '-n', '"', ';&|<>()']

/** What a shell makes of words. */
const shell = (words: readonly string[]): string[] =>
  execFileSync('/bin/sh', ['-c', `for word in ${words.join(' ')}; do printf '%s\\0' "$word"; done`], {
    encoding: 'utf8',
  })
    .split('\0')
    .slice(0, -1)

describe('shellQuote', () => {
  it('gives a shell back what went in', () => {
    expect(shell(NASTY.map(shellQuote))).toEqual(NASTY)
  })

  it('gives PID 1 back what went in', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseZosrc(`set -- ${shellQuote(text)}`, 'zosrc')).toMatchObject({
          layer: { args: [text] },
          problems: [],
        })
      }),
    )
  })
})

describe('shellWord', () => {
  test.each(['a', '/bin/sh', '-accel', 'id=root,file=/x%y', 'a@b:1'])('leaves %s as it is', (text) => {
    expect(shellWord(text)).toBe(text)
  })

  it('gives a shell back what went in', () => {
    expect(shell(NASTY.map(shellWord))).toEqual(NASTY)
  })
})
