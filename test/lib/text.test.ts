import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { hex, isSpace, nearest, parseDecimal, quote, seconds, splitList, words } from '../../src/lib/text.ts'
import { anyBytes, textOf, utf8 } from '../bytes.ts'

describe('isSpace', () => {
  it('is isspace(3) of the C locale for each of the 256 bytes', () => {
    const spaces = Array.from({ length: 256 }, (_, code) => code).filter((code) =>
      isSpace(String.fromCharCode(code)),
    )
    expect(spaces).toEqual([9, 10, 11, 12, 13, 32])
  })
})

describe('words', () => {
  it('leaves out what is empty', () => {
    expect(words('  a\tbc \n d\r\n')).toEqual(['a', 'bc', 'd'])
    expect(words('')).toEqual([])
    expect(words(' \n')).toEqual([])
  })

  it('takes the no-break space as data, since it is a byte of UTF-8', () => {
    expect(words(utf8('voilà là'))).toEqual([utf8('voilà'), utf8('là')])
  })

  it('loses nothing but white space', () => {
    fc.assert(
      fc.property(textOf('ab \t\n\xa0\x85'), (text) => {
        const kept = [...text].filter((char) => !' \t\n'.includes(char)).join('')
        expect(words(text).join('')).toBe(kept)
      }),
    )
  })
})

describe('splitList', () => {
  it('trims and leaves out what is empty', () => {
    expect(splitList(' a; b ;;c;', ';')).toEqual(['a', 'b', 'c'])
    expect(splitList('', ';')).toEqual([])
    expect(splitList(' ; ', ';')).toEqual([])
  })

  it('keeps every byte of UTF-8 at the ends', () => {
    expect(splitList(utf8('voilà; à la'), ';')).toEqual([utf8('voilà'), utf8('à la')])
  })
})

describe('parseDecimal', () => {
  test.each([
    ['0', 0],
    ['007', 7],
    ['4294967295', 4294967295],
    ['999999999999999', 999999999999999],
  ])('%s is %d', (text, number) => {
    expect(parseDecimal(text)).toBe(number)
  })

  test.each(['', ' 1', '1 ', '-1', '+1', '1.5', '1e3', '0x10', '9999999999999999', 'a', '\u0661'])(
    '%j is no number',
    (text) => {
      expect(parseDecimal(text)).toBeUndefined()
    },
  )
})

describe('quote', () => {
  it('passes text and UTF-8', () => {
    expect(quote('a b')).toBe("'a b'")
    expect(quote('')).toBe("''")
    expect(quote(utf8('héllo → 世界 🚀'))).toBe(`'${utf8('héllo → 世界 🚀')}'`)
  })

  it('shows what a terminal would take for a command', () => {
    expect(quote('a\x1b[2Jb\n\0\x7f')).toBe("'a\\x1b[2Jb\\x0a\\x00\\x7f'")
  })

  it('shows the eight-bit commands, as a byte and as UTF-8', () => {
    expect(quote('\x9b2J')).toBe("'\\x9b2J'")
    expect(quote('\xc2\x9b2J')).toBe("'\\xc2\\x9b2J'")
  })

  it('shortens what is long', () => {
    expect(quote('x'.repeat(120))).toBe(`'${'x'.repeat(120)}'`)
    expect(quote('x'.repeat(121))).toBe(`'${'x'.repeat(117)}...'`)
  })

  it('gives one short line of no control characters for any bytes', () => {
    fc.assert(
      fc.property(anyBytes(300), (text) => {
        const quoted = quote(text)
        expect([...quoted].every((char) => char >= ' ' && char !== '\x7f')).toBe(true)
        expect(quoted.length).toBeLessThanOrEqual(2 + 120 * 4)
      }),
    )
  })
})

describe('nearest', () => {
  const KEYS = ['mode', 'on_exit', 'grace', 'user', 'cwd', 'strict', 'timeline']

  test.each([
    ['mdoe', 'mode'],
    ['onexit', 'on_exit'],
    ['on-exit', 'on_exit'],
    ['users', 'user'],
    ['time_line', 'timeline'],
    ['pwd', 'cwd'],
    ['mode', 'mode'],
  ])('%s most likely meant %s', (word, meant) => {
    expect(nearest(word, KEYS)).toBe(meant)
  })

  it('says nothing where none is near', () => {
    expect(nearest('filesystem', KEYS)).toBeUndefined()
    expect(nearest('x', [])).toBeUndefined()
  })
})

test.each([
  [0, undefined, '0'],
  [0, 2, '00'],
  [10, 2, '0a'],
  [255, undefined, 'ff'],
  [0x1234, 2, '1234'],
  [0xffff_ffff, 8, 'ffffffff'],
  [0x8000_0000, undefined, '80000000'],
])('hex of %d in %s digits is %s', (value, length, text) => {
  expect(hex(value, length)).toBe(text)
})

test.each([
  [0, '0.000'],
  [5, '0.005'],
  [5.4, '0.005'],
  [12_050, '12.050'],
  [999, '0.999'],
  [999.6, '1.000'],
  [1000, '1.000'],
  [86_400_123_456, '86400123.456'],
])('%d milliseconds are %s seconds', (milliseconds, text) => {
  expect(seconds(milliseconds)).toBe(text)
  expect(seconds(milliseconds)).toBe((milliseconds / 1000).toFixed(3))
})
