import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseStartup } from '../../src/config/startup-toml.ts'
import { anyBytes, textOf, utf8 } from '../bytes.ts'

/** As 0-hub's converter writes it. */
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

const parse = (text: string) => parseStartup(utf8(text), () => true)
const messages = (text: string): string[] => parse(text).problems.map(({ message }) => message)
const entry = (text: string): string => `[startup.entry]\nname = "core.system"\n[startup.entry.args]\n${text}`
const command = (text: string): unknown => {
  const { init, args } = parse(text).layer
  return init === undefined ? undefined : [init, ...(args ?? [])]
}

describe('/.startup.toml', () => {
  it('gives entrypoint, arguments, directory and variables', () => {
    expect(parse(HUB)).toEqual({
      layer: {
        source: '/.startup.toml',
        init: '/docker-entrypoint.sh',
        args: ['nginx', '-g', 'daemon off;'],
        settings: { cwd: '/srv' },
        environment: new Map([
          ['NGINX_VERSION', '1.29'],
          ['PATH', '/usr/bin:/bin'],
        ]),
      },
      problems: [],
    })
  })

  it.each([
    ['a name for PATH', 'name = "nginx"', ['nginx']],
    ['no arguments', 'name = "/a"\nargs = []', ['/a']],
    [
      'more words in the name, which are arguments',
      'name = "/sbin/zinit init"\nargs = ["-d"]',
      ['/sbin/zinit', 'init', '-d'],
    ],
    ['only arguments, the first of which is the program', 'args = ["x", "y"]', ['x', 'y']],
    [
      'quotes, backslashes and empty arguments',
      `name = "/a"\nargs = ['say "hi"', 'a\\b', '', '$x']`,
      ['/a', 'say "hi"', 'a\\b', '', '$x'],
    ],
    ['text of any language', 'name = "/é"\nargs = ["\u{1f600}"]', [utf8('/é'), utf8('\u{1f600}')]],
  ])('takes %s', (_, text, expected) => {
    expect(command(entry(text))).toEqual(expected)
    expect(messages(entry(text))).toEqual([])
  })

  it('has keys in any case, as hosts decode them', () => {
    expect(command('[Startup.entry]\nNAME = "core.base"\nArgs = { Name = "/a" }')).toEqual(['/a'])
  })

  it('of core.base without a program names no entrypoint', () => {
    expect(parse('[startup.entry]\nname = "core.base"\nargs = { args = ["x"] }')).toEqual({
      layer: { source: '/.startup.toml', environment: new Map() },
      problems: [],
    })
  })

  it.each([
    ['startup = 1', 'startup is a number, not a table; skipped'],
    ['[startup]\nentry = "x"', 'startup.entry is a string, not a table; skipped'],
    ['[startup.other]', 'there is no [startup.entry], and so no entrypoint'],
    ['[startup.entry]\nname = true', 'startup.entry.name is a boolean, not a string; skipped'],
    [
      '[startup.entry]\nname = "core.ping"',
      "startup.entry.name is 'core.ping'; only core.system and core.base name an entrypoint",
    ],
    [entry('name = []'), 'startup.entry.args.name is an array, not a string; skipped'],
    [entry('name = "/a \'b"'), "startup.entry.args.name: no closing '; there is no entrypoint"],
    [
      entry('name = "/a"\nargs = "x"'),
      'startup.entry.args.args is a string, not an array of strings; there is no entrypoint',
    ],
    [
      entry('name = "/a"\nargs = ["x", 2]'),
      'startup.entry.args.args[1] is a number, not a string; there is no entrypoint',
    ],
    [entry('dir = {}'), 'startup.entry.args.dir is a table, not a string; skipped'],
    [
      entry('dir = "srv"'),
      "startup.entry.args.dir: 'srv' is not a directory of the root; the entrypoint starts in /",
    ],
    [entry('env = ["A=b"]'), 'startup.entry.args.env is an array, not a table; skipped'],
    [entry('env = { "A B" = 1979-05-27 }'), "startup.entry.args.env.'A B' is a date, not a string; skipped"],
    [
      entry('env = { "A=B" = "1" }'),
      "'A=B' can't be a variable: its name is empty or contains =, or it contains a NUL; skipped",
    ],
    ['[startup]\nx = "a', 'no closing " on this line; the file is ignored'],
  ])('reports what it can’t use: %j', (text, message) => {
    expect(messages(text)).toContain(message)
    const { init, settings } = parse(text).layer
    expect([init, settings]).toEqual([undefined, undefined])
  })

  it('gives a problem’s place', () => {
    expect(parse('[startup]\nnäme = "a"').problems).toEqual([
      {
        source: '/.startup.toml',
        line: 2,
        column: 2,
        message: "expected = after the key, found '\\xc3'; the file is ignored",
      },
    ])
  })

  it('gives variables without an entrypoint, whatever their names', () => {
    const { environment } = parse('[startup.entry.args.env]\nMY-VAR = "4"\n__proto__ = "5"\n"" = "6"').layer
    expect([...(environment ?? [])]).toEqual([
      ['MY-VAR', '4'],
      ['__proto__', '5'],
    ])
  })

  it('starts in / if the root lacks the directory: hosts ignore it, and the image boots today', () => {
    const asked: string[] = []
    const parsed = parseStartup(HUB, (path) => asked.push(path) === 0)
    expect(asked).toEqual(['/srv'])
    expect(parsed.layer.settings).toBeUndefined()
    expect(parsed.layer.init).toBe('/docker-entrypoint.sh')
    expect(parsed.problems.map(({ message }) => message)).toEqual([
      "startup.entry.args.dir: '/srv' is not a directory of the root; the entrypoint starts in /",
    ])
  })

  test('any bytes end in a layer and problems', () => {
    fc.assert(fc.property(anyBytes(), (text) => void parseStartup(text, () => false)))
    fc.assert(
      fc.property(
        textOf('[]{}="\'\n.,#ax1 startupentryargsenv\\', 80),
        (text) => void parseStartup(text, () => true),
      ),
    )
  })
})
