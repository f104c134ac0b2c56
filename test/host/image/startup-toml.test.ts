import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { readStartup, splitEntrypoint } from '../../../src/host/image/startup-toml.ts'
import { anyBytes, textOf, utf8 } from '../../bytes.ts'

/** As the hub writes it for an image of Docker. */
const HUB = `[startup]

[startup.entry]
name = "core.system"

[startup.entry.args]
name = "/docker-entrypoint.sh"
args = ["nginx", "-g", "daemon off;"]
dir = "/srv"

[startup.entry.args.env]
NGINX_VERSION = "1.29"
PATH = "/usr/bin:/bin"
`

const messages = (text: string): string[] => readStartup(utf8(text)).problems.map(({ message }) => message)

describe('a .startup.toml', () => {
  it('gives entrypoint, arguments, directory and variables', () => {
    expect(readStartup(HUB)).toEqual({
      entrypoint: { command: '/docker-entrypoint.sh', args: ['nginx', '-g', 'daemon off;'] },
      dir: '/srv',
      environment: new Map([
        ['NGINX_VERSION', '1.29'],
        ['PATH', '/usr/bin:/bin'],
      ]),
      problems: [],
      refused: false,
    })
  })

  it('may have blanks in the name, which a host takes for arguments', () => {
    const { entrypoint } = readStartup(`[startup.entry]
      name = "core.base"
      args = { name = "/sbin/zinit init", args = ["-d"] }`)
    expect(entrypoint).toEqual({ command: '/sbin/zinit', args: ['init', '-d'] })
  })

  it('keeps quotes, empty arguments and text of any language', () => {
    const text = `[startup.entry]\nname = "core.system"\nargs = { name = "/a", args = ['say "hi"', '', 'é $x'] }`
    const { entrypoint, problems } = readStartup(utf8(text))
    expect(entrypoint?.args).toEqual(['say "hi"', '', utf8('é $x')])
    expect(problems).toEqual([])
  })

  it('loses backslashes in arguments, as on a host, and says so', () => {
    const text = `[startup.entry]\nname = "core.system"\nargs = { name = "/a", args = ['a\\b'] }`
    expect(readStartup(text).entrypoint?.args).toEqual(['ab'])
    expect(messages(text)).toEqual([expect.stringMatching(/args\[0\] 'a\\b' arrives as 'ab'/)])
  })

  it.each([
    ['core.base without a program', 'name = "core.base"\nargs = { args = ["x"] }', undefined],
    ['core.system without a program', 'name = "core.system"\nargs = { args = ["x"] }', 'x'],
    ['another name', 'name = "core.ping"\nargs = { name = "/a" }', undefined],
    ['no name', 'args = { name = "/a" }', undefined],
  ])('takes of %s what a host takes', (_, entry, command) => {
    expect(readStartup(`[startup.entry]\n${entry}`).entrypoint?.command).toBe(command)
  })

  it('gives variables also without an entrypoint', () => {
    const { environment, refused } = readStartup('[startup.entry.args.env]\nA = "1"')
    expect([...environment]).toEqual([['A', '1']])
    expect(refused).toBe(false)
  })

  it('has keys in any case, as the host decodes them', () => {
    const { entrypoint } = readStartup(`[Startup.entry]\nNAME = "core.system"\nArgs = { Name = "/a" }`)
    expect(entrypoint?.command).toBe('/a')
  })

  it('without [startup.entry] is told, and harmless', () => {
    expect(readStartup('')).toMatchObject({ refused: false, problems: [{ source: '/.startup.toml' }] })
    expect(readStartup('[startup.other]\nname = "core.system"')).toMatchObject({ refused: false })
  })

  it.each([
    ['startup = 1', 'startup is a number, and must be a table'],
    ['[startup]\nentry = "x"', 'startup.entry is a string, and must be a table'],
    ['[startup.entry]\nname = 1', 'startup.entry.name is a number, and must be a string'],
    [
      '[startup.entry.args]\nargs = "x"',
      'startup.entry.args.args is a string, and must be an array of strings',
    ],
    ['[startup.entry.args]\nargs = ["x", 2]', 'startup.entry.args.args[1] is a number, and must be a string'],
    ['[startup.entry.args]\nname = true', 'startup.entry.args.name is a boolean, and must be a string'],
    ['[startup.entry.args]\ndir = []', 'startup.entry.args.dir is an array, and must be a string'],
    [
      '[startup.entry.args.env]\n"A B" = 1979-05-27',
      'startup.entry.args.env."A B" is a date, and must be a string',
    ],
    ['[startup.other]\nname = 1\n[startup.entry]', 'startup.other.name is a number, and must be a string'],
  ])('of a wrong type is refused: %j', (text, message) => {
    expect(readStartup(text).refused).toBe(true)
    expect(messages(text)[0]).toBe(`${message}; a zos host refuses the file`)
  })

  it('that is no TOML is refused with line and column', () => {
    expect(readStartup(utf8('[startup]\nnäme = "a\n'))).toMatchObject({
      refused: true,
      problems: [{ line: 2, message: expect.stringMatching(/^no TOML: /) }],
    })
    const { problems } = readStartup(utf8('a = "é" x'))
    expect(problems).toMatchObject([{ line: 1, column: 10 }])
    expect(problems[0]?.message).not.toContain('\n')
  })

  it('that is not UTF-8, too large, or nested too deeply is refused', () => {
    expect(messages(HUB)).toEqual([])
    expect(readStartup('a = "\xff"')).toMatchObject({ refused: true })
    expect(readStartup(' '.repeat(1024 * 1024 + 1))).toMatchObject({ refused: true })
    expect(readStartup(`a = ${'['.repeat(100_000)}`)).toMatchObject({ refused: true })
  })

  it('with an entrypoint that a host can’t split is refused', () => {
    const text = '[startup.entry]\nname = "core.system"\nargs = { name = "/a \'b" }'
    expect(readStartup(text)).toMatchObject({ refused: true })
    expect(messages(text)).toEqual(["the entrypoint: no closing '; a zos host refuses it"])
    expect(
      readStartup(`[startup.entry]\nname = "core.system"\nargs = { name = "/a", args = ['b\\'] }`),
    ).toMatchObject({ refused: true })
  })

  it('has no variables that an environment can’t hold', () => {
    const { environment, problems } = readStartup(
      '[startup.entry.args.env]\n"A=B" = "1"\n"" = "2"\nC = "\\u0000"\nMY-VAR = "4"\n__proto__ = "5"',
    )
    expect([...environment]).toEqual([
      ['MY-VAR', '4'],
      ['__proto__', '5'],
    ])
    expect(problems.filter(({ message }) => message.includes("can't be a variable"))).toHaveLength(3)
  })

  it('ends in data and problems, whatever it is', () => {
    fc.assert(fc.property(anyBytes(), (text) => void readStartup(text)))
    fc.assert(
      fc.property(textOf('[]{}="\'\n.,#ax1 startupentryargsenv\\', 80), (text) => void readStartup(text)),
    )
  })
})

describe('an entrypoint in one text', () => {
  const words = (text: string): string[] | string => {
    const { entrypoint, problem } = splitEntrypoint(text)
    return problem ?? (entrypoint === undefined ? [] : [entrypoint.command, ...entrypoint.args])
  }

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
    ['"a', 'no closing "'],
    ["'a", "no closing '"],
    ['a\\', 'nothing follows the backslash at its end'],
    ['"a\\', 'nothing follows the backslash at its end'],
  ])('is split as a host does: %j', (text, expected) => {
    expect(words(text)).toEqual(expected)
  })

  test('any words in single quotes come back', () => {
    const quote = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`
    fc.assert(
      fc.property(fc.array(anyBytes(20), { minLength: 1 }), (list) => {
        expect(words(list.map(quote).join(' '))).toEqual(list)
      }),
    )
  })
})
