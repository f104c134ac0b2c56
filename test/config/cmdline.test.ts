import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseCmdline } from '../../src/config/cmdline.ts'
import { anyBytes, textOf } from '../bytes.ts'

const tokens = (text: string) => parseCmdline(text).tokens.map(({ key, value }) => [key, value])

describe('parseCmdline', () => {
  it('keeps order and repeated keys', () => {
    expect(tokens('b=1 a=2 b=3 rw')).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
      ['rw', undefined],
    ])
  })

  it('distinguishes a key without a value from one with an empty value', () => {
    expect(tokens('net_eth0= rw')).toEqual([
      ['net_eth0', ''],
      ['rw', undefined],
    ])
  })

  it('splits at the first equals sign only', () => {
    expect(tokens('a=b=c==')).toEqual([['a', 'b=c==']])
  })

  it('takes a leading equals sign as part of the key', () => {
    expect(tokens('=a =b=c =')).toEqual([
      ['=a', undefined],
      ['=b', 'c'],
      ['=', undefined],
    ])
  })

  test.each([
    ['a value', 'a="b c" d', 'b c'],
    ['the whole token', '"a=b c" d', 'b c'],
    ['the middle of a value, where they stay', 'a=x"b c"y d', 'x"b c"y'],
    ['an empty value', 'a="" d', ''],
    ['nothing to the end, unclosed', 'a="b c d', 'b c d'],
  ])('white space is protected by quotes around %s', (_, text, value) => {
    expect(tokens(text)[0]).toEqual(['a', value])
  })

  it('has no escapes', () => {
    expect(tokens('a=\\"b c\\" d')).toEqual([
      ['a', '\\"b c\\"'],
      ['d', undefined],
    ])
  })

  it('keeps single quotes, which mean nothing to the kernel', () => {
    expect(tokens("a='b c'")).toEqual([
      ['a', "'b"],
      ["c'", undefined],
    ])
  })

  test.each([...' \t\n\r\v\f'])('%j separates, at the ends as well', (space) => {
    expect(tokens(`${space}a=1${space}${space}b${space}`)).toEqual([
      ['a', '1'],
      ['b', undefined],
    ])
  })

  it('ends at a NUL', () => {
    expect(tokens('a=1 b\0c d')).toEqual([
      ['a', '1'],
      ['b', undefined],
    ])
  })

  it('reports where each token begins', () => {
    expect(parseCmdline(' rw  "a=b c" d').tokens.map(({ column }) => column)).toEqual([2, 6, 14])
  })

  it('takes what follows -- as arguments, without quotes', () => {
    expect(parseCmdline('rw -- a b=c "d e" f="g h" "" -- -x')).toEqual({
      tokens: [{ key: 'rw', value: undefined, column: 1 }],
      args: ['a', 'b=c', 'd e', 'f=g h', '', '--', '-x'],
      hasArguments: true,
    })
  })

  it('distinguishes -- without arguments from no --', () => {
    expect(parseCmdline('rw --')).toMatchObject({ args: [], hasArguments: true })
    expect(parseCmdline('rw')).toMatchObject({ args: [], hasArguments: false })
    expect(parseCmdline('rw --x --=1')).toMatchObject({ args: [], hasArguments: false })
  })

  it('agrees with the kernel’s own parser', () => {
    const dense = textOf('ab="" \t-\n\0=\xc3')
    fc.assert(
      fc.property(
        fc.oneof(dense, dense, anyBytes(), fc.constantFrom('a="', '"', '""', '"="', '-- ""')),
        (text) => {
          const { tokens, args, hasArguments } = parseCmdline(text)
          expect({ tokens: tokens.map(({ key, value }) => [key, value]), args, hasArguments }).toEqual(
            kernelParse(text),
          )
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('reports columns where the tokens really are', () => {
    fc.assert(
      fc.property(textOf('ab=" '), (text) => {
        for (const { key, column } of parseCmdline(text).tokens) {
          const there = text.slice(column - 1)
          expect(there.startsWith(key) || there.startsWith(`"${key}`)).toBe(true)
        }
      }),
    )
  })

  it('reads 4 KB of command line, and a megabyte of garbage, in no time', () => {
    expect(tokens('a=b '.repeat(1024))).toHaveLength(1024)
    for (const text of ['"'.repeat(1e6), '='.repeat(1e6), 'a '.repeat(5e5), ' '.repeat(1e6)]) {
      const start = performance.now()
      parseCmdline(text)
      expect(performance.now() - start).toBeLessThan(1000)
    }
  })
})

/**
 * The kernel's rules, followed to the letter: `next_arg` of lib/cmdline.c, `parse_args` of kernel/params.c, and
 * `repair_env_string` of init/main.c. They work in memory, and cut it into strings by writing NULs into it.
 */
function kernelParse(text: string) {
  const memory = [...text].map((char) => char.charCodeAt(0))
  const byte = (at: number): number => memory[at] ?? 0
  const string = (at: number): string => {
    let found = ''
    for (let i = at; byte(i) !== 0; i++) found += String.fromCharCode(byte(i))
    return found
  }
  // _ctype has 0xA0 as white space, too. We deliberately differ: it is a byte of UTF-8.
  const isspace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)
  const skipSpaces = (from: number): number => {
    let at = from
    while (isspace(byte(at))) at++
    return at
  }
  const QUOTE = 34

  const nextArg = (from: number): { param: number; val: number | undefined; rest: number } => {
    const quoted = byte(from) === QUOTE
    const args = quoted ? from + 1 : from
    let inQuote = quoted
    let equals = 0
    let i = 0
    for (; byte(args + i) !== 0; i++) {
      const char = byte(args + i)
      if (isspace(char) && !inQuote) break
      if (equals === 0 && char === 61) equals = i
      if (char === QUOTE) inQuote = !inQuote
    }
    let val: number | undefined
    if (equals !== 0) {
      memory[args + equals] = 0
      val = args + equals + 1
      if (byte(val) === QUOTE) {
        val++
        if (byte(args + i - 1) === QUOTE) memory[args + i - 1] = 0
      }
    }
    if (quoted && i > 0 && byte(args + i - 1) === QUOTE) memory[args + i - 1] = 0
    const more = byte(args + i) !== 0
    if (more) memory[args + i] = 0
    return { param: args, val, rest: skipSpaces(args + i + (more ? 1 : 0)) }
  }

  const tokens: [string, string | undefined][] = []
  const args: string[] = []
  let hasArguments = false
  for (let at = skipSpaces(0); byte(at) !== 0; ) {
    const { param, val, rest } = nextArg(at)
    const key = string(param)
    const value = val === undefined ? undefined : string(val)
    // For the kernel a second `--` ends the arguments. Here it is one of the entrypoint's.
    if (hasArguments) args.push(value === undefined ? key : `${key}=${value}`)
    else if (value === undefined && key === '--') hasArguments = true
    // An empty token means nothing.
    else if (key !== '' || value !== undefined) tokens.push([key, value])
    at = rest
  }
  return { tokens, args, hasArguments }
}
