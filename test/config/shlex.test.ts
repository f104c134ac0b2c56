import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { splitWords } from '../../src/config/shlex.ts'
import { shellQuote } from '../../src/lib/shell.ts'
import { anyBytes } from '../bytes.ts'

it.each([
  ['/sbin/zinit init', ['/sbin/zinit', 'init']],
  ['  a\tb\r\nc  ', ['a', 'b', 'c']],
  ['', []],
  [' \n', []],
  // The test of google/shlex itself.
  [
    'one two "three four" "five \\"six\\"" seven#eight # nine # ten\n eleven \'twelve\\\'',
    ['one', 'two', 'three four', 'five "six"', 'seven#eight', 'eleven', 'twelve\\'],
  ],
  ["a'b c'd", ['ab cd']],
  ['"" \'\'', ['', '']],
  ['"a\\nb"', ['anb']],
  ['a\\ b', ['a b']],
  ['a\\\nb', ['a\nb']],
  ['a # b', ['a']],
  ['#a\nb', ['b']],
  ['""#a', ['#a']],
  ['$HOME `x` a;b|c', ['$HOME', '`x`', 'a;b|c']],
])('is split as a host does: %j', (text, words) => {
  expect(splitWords(text)).toEqual({ words })
})

it.each([
  ['x "a', 'no closing "'],
  ["x 'a", "no closing '"],
  ['x a\\', 'nothing follows the backslash at its end'],
  ['x "a\\', 'nothing follows the backslash at its end'],
])('can’t be split: %j', (text, problem) => {
  expect(splitWords(text)).toEqual({ words: ['x'], problem })
})

test('any words in single quotes come back', () => {
  fc.assert(
    fc.property(fc.array(anyBytes(20), { minLength: 1 }), (words) => {
      expect(splitWords(words.map(shellQuote).join(' '))).toEqual({ words })
    }),
  )
})
