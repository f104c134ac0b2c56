import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseZosrc } from '../../src/config/zosrc.ts'
import { anyBytes, anyText, seedFile, textOf, utf8 } from '../bytes.ts'

const SOURCE = '/.zosrc'

/** What a text says, where it says it without a mistake. */
function read(text: string) {
  const { layer, problems } = parseZosrc(text, SOURCE)
  expect(problems).toEqual([])
  return { ...layer, environment: Object.fromEntries(layer.environment ?? []) }
}

const problems = (text: string) =>
  parseZosrc(text, SOURCE).problems.map(({ line, message }) => ({ line, message }))

describe('parseZosrc', () => {
  it('reads what a host writes', () => {
    expect(read(seedFile('private-mycelium', 'zosrc'))).toEqual({
      source: SOURCE,
      environment: {
        APP_MODE: 'production',
        SSH_KEY:
          'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE1 ops@example',
      },
      init: '/sbin/zinit',
      args: ['init'],
    })
  })

  it('reads a host’s hardest quoting byte for byte, and expands nothing', () => {
    const key =
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE1 ops@example\n' +
      'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQEXAMPLEexampleEXAMPLE== second key with spaces'
    expect(read(seedFile('quoting', 'zosrc'))).toEqual({
      source: SOURCE,
      environment: {
        EMPTY: '',
        QUOTE: 'it\'s "quoted" $HOME `id` \\n',
        UNICODE: utf8('héllo → 世界 🚀'),
        LINES: 'one\ntwo\n\nfour',
        EQ: 'a=b=c',
        SPACES: '  lead and trail  ',
        SSH_KEY: key,
      },
      init: '/usr/bin/env',
      args: ['a b', 'single quoted', 'dq "inner" end', 'plain space', ''],
    })
  })

  it('takes an empty file as saying nothing', () => {
    expect(seedFile('minimal-nil-gateway', 'zosrc')).toBe('')
    expect(read('')).toEqual({ source: SOURCE, environment: {} })
    expect(read('\n# nothing\n\n')).toEqual({ source: SOURCE, environment: {} })
  })

  it('takes variables that no shell could have, or that mean something to one, as they are', () => {
    const text = ['MY-VAR', 'break', 'init', 'root', 'PATH', 'set', 'export']
      .map((key) => `export ${key}='${key} it is'\n`)
      .join('')
    const { environment, init, args } = read(text)
    expect(environment).toEqual({
      'MY-VAR': 'MY-VAR it is',
      break: 'break it is',
      init: 'init it is',
      root: 'root it is',
      PATH: 'PATH it is',
      set: 'set it is',
      export: 'export it is',
    })
    expect([init, args]).toEqual([undefined, undefined])
  })

  it('lets the last of a repeated thing win: older hosts append at each start', () => {
    const { environment, init, args } = read(
      "export A='1'\ninit='/a'\nset -- 'x'\nexport A='2'\ninit='/b'\nset -- 'y'",
    )
    expect([environment, init, args]).toEqual([{ A: '2' }, '/b', ['y']])
  })

  it('reads what older hosts leave after two starts: they end without a new line', () => {
    const start = "export A='1'\ninit='/a'\nset -- 'x' 'y'"
    const { environment, init, args } = read(start + start)
    expect([environment, init, args]).toEqual([{ A: '1' }, '/a', ['x', 'y']])
  })

  it('takes set -- without arguments as none', () => {
    expect(read('set --').args).toEqual([])
    expect(read('set -- --').args).toEqual(['--'])
  })

  test.each([
    ["'it'\"'\"'s'", "it's"],
    ['"a \\"b\\" \\\\ \\$x \\` \\n"', 'a "b" \\ $x ` \\n'],
    ['a\\ b\\\'c\\"d', 'a b\'c"d'],
    ['pre\'mid\'"post"', 'premidpost'],
    ['"two\nlines"', 'two\nlines'],
    ['"joined \\\nlines"', 'joined lines'],
    ['join\\\ned', 'joined'],
    ["a#b'#c'", 'a#b#c'],
    ["'a'#b", 'a#b'],
    ['$HOME', '$HOME'],
    ['`id`', '`id`'],
    ['$(id)', '$(id)'],
    ['"$HOME"', '$HOME'],
    ['', ''],
  ])('reads the quoting %j as %j', (quoted, value) => {
    expect(read(`export A=${quoted}`).environment).toEqual({ A: value })
    if (quoted !== '') expect(read(`set -- ${quoted} z`).args).toEqual([value, 'z'])
  })

  it('reads several variables and commands on one line, and comments', () => {
    const { environment, init } = read("export A='1' B=2; init=/a # and C=3\r\nexport D=4 ;")
    expect([environment, init]).toEqual([{ A: '1', B: '2', D: '4' }, '/a'])
  })

  it('runs nothing, and says so with the line', () => {
    expect(problems("export A='1\n2'\nrm -rf /\n\nunset A")).toEqual([
      { line: 3, message: expect.stringContaining("'rm' is no") },
      { line: 5, message: expect.stringContaining("'unset' is no") },
    ])
  })

  it('shows no value of what it skips, and exports what a shell would', () => {
    expect(problems("API_TOKEN='s3cret'")[0]?.message).not.toContain('s3cret')
    const { layer } = parseZosrc('export "DB_PASSWORD=hunter2"', SOURCE)
    expect(layer.environment?.get('DB_PASSWORD')).toBe('hunter2')
  })

  it('takes a quoted assignment for what it is to a shell: a command', () => {
    expect(parseZosrc("'init=/x'", SOURCE).layer.init).toBeUndefined()
    expect(problems("'init=/x'")).toHaveLength(1)
  })

  it('skips an export that is no assignment, and reads the rest', () => {
    const { layer, problems } = parseZosrc('export A B=1\nexport =x C=2', SOURCE)
    expect(Object.fromEntries(layer.environment ?? [])).toEqual({ B: '1', C: '2' })
    expect(problems.map(({ line }) => line)).toEqual([1, 2])
  })

  it('tells where the quote stands that is never closed, and keeps what came before', () => {
    for (const quote of ["'", '"']) {
      const { layer, problems } = parseZosrc(`export A=1\nexport B=${quote}x\ny\n`, SOURCE)
      expect(Object.fromEntries(layer.environment ?? [])).toEqual({ A: '1' })
      expect(problems).toEqual([
        { source: SOURCE, line: 2, message: expect.stringContaining(`no closing ${quote}`) },
      ])
    }
  })

  it('does not take an empty init', () => {
    expect(parseZosrc("init=''", SOURCE).layer.init).toBeUndefined()
    expect(problems("init=''")).toHaveLength(1)
  })

  it('gives back byte for byte whatever a host’s quoting rules write', () => {
    const name = textOf('AZaz_09-.', 12).map((rest) => `K${rest}`)
    const environment = fc.dictionary(name, anyText(), { maxKeys: 8, noNullPrototype: true })
    const seed = fc.record({
      environment,
      init: anyText().filter((path) => path !== ''),
      args: fc.array(anyText()),
    })
    fc.assert(
      fc.property(seed, ({ environment, init, args }) => {
        expect(read(hostWrites(environment, init, args))).toEqual({
          source: SOURCE,
          environment,
          init,
          ...(args.length > 0 && { args }),
        })
      }),
      { numRuns: 500 },
    )
  })

  it('never throws, whatever it reads', () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes(), textOf('export A=init=set -- \'"\\;#\n\r$`')), (text) => {
        const lines = text.split('\n').length
        for (const { line } of parseZosrc(text, SOURCE).problems) {
          expect(line).toBeGreaterThanOrEqual(1)
          expect(line).toBeLessThanOrEqual(lines)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test.each(["'", '"', '\\', ';', 'a ', "''", '"\\', '\n', "export A='b' "])(
    'takes half a megabyte of %j at once',
    (unit) => {
      const start = performance.now()
      parseZosrc(unit.repeat(Math.ceil(5e5 / unit.length)), SOURCE)
      expect(performance.now() - start).toBeLessThan(2000)
    },
  )
})

/** As the host's serializer does it: buildZosRC and quote of pkg/vm. */
function hostWrites(environment: Record<string, string>, init: string, args: readonly string[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`
  const exports = Object.entries(environment).map(([key, value]) => `export ${key}=${quote(value)}\n`)
  const set = args.length === 0 ? '' : `set -- ${args.map(quote).join(' ')}`
  return `${exports.join('')}init=${quote(init)}\n${set}`
}
