import fc from 'fast-check'
import { parse } from 'smol-toml'
import { describe, expect, it, test } from 'vitest'
import { isArray, isTable, parseToml, type TomlValue } from '../../src/config/toml.ts'
import { anyBytes, textOf, utf8 } from '../bytes.ts'

/** What smol-toml would give, with a type's name for each value that our reader does not evaluate. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return utf8(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Date) return 'a date'
  if (typeof value === 'object' && value !== null)
    return new Map(Object.entries(value).map(([key, each]) => [utf8(key), plain(each)]))
  return typeof value === 'boolean' ? 'a boolean' : 'a number'
}

function ours(value: TomlValue): unknown {
  if (typeof value === 'string') return value
  if (isTable(value)) return new Map([...value.fields].map(([key, each]) => [key, ours(each)]))
  return isArray(value) ? value.map(ours) : value.type
}

function read(text: string): unknown {
  const parsed = parseToml(utf8(text))
  return 'problem' in parsed ? parsed.problem : ours(parsed.table)
}

const theirs = (text: string): unknown => plain(parse(text, { integersAsBigInt: 'asNeeded' }))

describe('parseToml agrees with smol-toml on', () => {
  test.each([
    ['nothing', ''],
    ['comments and blank lines', '# one\n\n  # two\r\n\t\na = "1" # three'],
    [
      'bare, quoted and dotted keys',
      `a-b_9 = "1"\n"c d" = "2"\n'e.f' = "3"\ng . "h" . i = "4"\n"" = "5"\n1.2 = "6"`,
    ],
    ['tables', '[a]\nx = "1"\n[b.c]\ny = "2"\n[ b . "d" ]\nz = "3"\n[b]\nw = "4"'],
    ['a table before its parent', '[a.b.c]\n[a]\nx = "1"'],
    [
      'a table below a dotted key',
      '[fruit]\napple.color = "red"\napple.taste.sweet = true\n[fruit.apple.texture]\nsmooth = true',
    ],
    ['escapes', `a = "\\b\\t\\n\\f\\r\\"\\\\\\u00e9\\U0001F600\\xe9\\e"`],
    ['text of any language', 'a = "é \u{1f600}"\n"ключ" = \'значение\''],
    ['literal text', `a = 'C:\\x "y"'\nb = ''`],
    [
      'text over several lines',
      'a = """\none\n  two\\\n   three\n"""\nb = \'\'\'\nx\\y\n\'\'\'\nc = """x"""',
    ],
    [
      'quotes at the end of text over several lines',
      `a = """x"""""\nb = ''''x'''''\nc = """a "" b \\""" c"""`,
    ],
    ['carriage returns', 'a = "1"\r\nb = """\r\nx\r\n"""\r\nc = [ "1",\r\n "2" ]\r\n'],
    ['arrays', 'a = []\nb = ["x", \'y\', ]\nc = [\n  "x", # one\n  # two\n  ["y", {z = "1"}],\n]'],
    [
      'inline tables',
      'a = {}\nc = {\n  x = "1", # one\n  y = "2",\n}\nb = { x = "1", y.z = "2", y.w = "3", "v" = { u = ["4"] } }',
    ],
    [
      'values that nobody evaluates',
      'a = 1\nb = -1_000\nc = 0x1F\nd = 1.5e3\ne = inf\nf = -nan\ng = true\nh = false\ni = 1979-05-27\nj = 07:32:00\nk = 1979-05-27 07:32:00Z\nl = 1979-05-27T07:32:00.5-07:00',
    ],
  ])('%s', (_, text) => {
    expect(read(text)).toEqual(theirs(text))
  })
})

describe('parseToml refuses what smol-toml refuses', () => {
  test.each([
    ['a = ', 1, 5, 'expected a value, found the end of the file'],
    ['a', 1, 2, 'expected = after the key, found the end of the file'],
    ['= "1"', 1, 1, "expected a key, found '='"],
    ['a = "1" b = "2"', 1, 9, "expected the end of the line, found 'b'"],
    ['a = x', 1, 5, "'x' is not a value; text needs quotes"],
    ['\na = "x', 2, 5, 'no closing " on this line'],
    ["a = 'x\n'", 1, 5, "no closing ' on this line"],
    ['a = """x""', 1, 5, 'no closing """'],
    ['a = "\\q"', 1, 6, "'\\q' is not an escape"],
    ['a = "\\x4"', 1, 6, '\\x needs 2 digits of a Unicode character'],
    ['a = "\\ud800"', 1, 6, '\\u needs 4 digits of a Unicode character'],
    ['a = "\\u00e"', 1, 6, '\\u needs 4 digits of a Unicode character'],
    ['a = "\u0001"', 1, 6, 'a control character in a text; write it as \\u00XX'],
    ['# \u0001', 1, 3, 'a control character in a comment'],
    ['a = "1"\na = "2"', 2, 1, "'a' is defined twice"],
    ['[a]\n[a]', 2, 1, "'a' is defined twice"],
    ['a = "1"\n[a]', 2, 1, "'a' is defined twice"],
    ['a = "1"\n[a.b]', 2, 1, "'a' is not a table that can be extended"],
    ['a = {}\n[a.b]', 2, 1, "'a' is not a table that can be extended"],
    ['a = {b.c = "1"}\na.b.d = "2"', 2, 1, "'a' is defined twice"],
    ['a = {b.c = "1"}\n[a.b]', 2, 1, "'a' is not a table that can be extended"],
    ['[a.b]\n[a]\nb.c = "1"', 3, 1, "'b' is defined twice"],
    ['[fruit]\napple.color = "red"\n[fruit.apple]', 3, 1, "'apple' is defined twice"],
    ['[a', 1, 3, 'expected ], found the end of the file'],
    ['[]', 1, 2, "expected a key, found ']'"],
    ['a = ["x" "y"]', 1, 10, "expected , or ] in an array, found '\"'"],
    ['a = ["x"', 1, 9, 'expected , or ] in an array, found the end of the file'],
    ['a = {b = "1" c = "2"}', 1, 14, "expected , or } in an inline table, found 'c'"],
    ['a = {,}', 1, 6, "expected a key, found ','"],
    ['é = "1"', 1, 1, "expected a key, found '\\xc3'"],
  ])('%j', (text, line, column, message) => {
    expect(read(text)).toEqual({ line, column, message })
    expect(() => parse(text)).toThrow()
  })
})

it('has no arrays of tables, and says so', () => {
  expect(read('[[a]]\nb = "1"')).toEqual({
    line: 1,
    column: 1,
    message: 'arrays of tables ([[…]]) are not supported',
  })
})

it('stops at 50 arrays and tables inside one another', () => {
  expect(read(`a = ${'['.repeat(51)}"x"${']'.repeat(51)}`)).toMatchObject({
    message: expect.stringContaining('more than 50'),
  })
  expect(read(`a = ${'['.repeat(50)}"x"${']'.repeat(50)}`)).toEqual(
    theirs(`a = ${'['.repeat(50)}"x"${']'.repeat(50)}`),
  )
  expect(read(`a = ${'['.repeat(500_000)}`)).toMatchObject({
    message: expect.stringContaining('more than 50'),
  })
  expect(read(`a = ${'{a='.repeat(250_000)}`)).toMatchObject({
    message: expect.stringContaining('more than 50'),
  })
})

/** A document in one of the ways in which it can be written. */
const key = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'startup', 'entry', 'args'),
  fc.string({ maxLength: 4, unit: 'binary' }).filter((text) => text.isWellFormed()),
)
const text = fc.string({ maxLength: 12, unit: 'grapheme' }).filter((each) => each.isWellFormed())
const escaped = (value: string): string =>
  `"${[...value].map((char) => (/[\p{Cc}"\\]/u.test(char) ? `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}` : char)).join('')}"`
const writtenText = text.chain((value) =>
  fc.constantFrom(
    escaped(value),
    /['\p{Cc}]/u.test(value) ? escaped(value) : `'${value}'`,
    `""${escaped(value)}""`,
    `"""\n${escaped(value).slice(1, -1)}\\\n  """`,
  ),
)
const writtenKey = key.map((name) =>
  /^[\w-]+$/.test(name) && /^[\x20-\x7e]+$/.test(name) ? name : escaped(name),
)
const written = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    writtenText,
    fc.constantFrom('1', 'true', '1979-05-27', '-0.5', '1979-05-27 07:32:00'),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[ ${items.join(', ')} ]`),
    fc
      .uniqueArray(fc.tuple(writtenKey, tie('value')), { maxLength: 3, selector: ([name]) => name })
      .map((pairs) => `{ ${pairs.map((pair) => pair.join(' = ')).join(', ')} }`),
  ),
})).value
const line = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.array(writtenKey, { minLength: 1, maxLength: 3 }), written)
      .map(([path, value]) => `${path.join('.')} = ${value}`),
  },
  {
    weight: 2,
    arbitrary: fc.array(writtenKey, { minLength: 1, maxLength: 3 }).map((path) => `[${path.join(' . ')}]`),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '# comment', '   ') },
)
const document = fc.array(line, { maxLength: 8 }).map((lines) => lines.join('\n'))

test('generated documents are read, or refused, as smol-toml does', () => {
  fc.assert(
    fc.property(document, (source) => {
      let expected: unknown
      try {
        expected = theirs(source)
      } catch {
        expect(read(source)).toHaveProperty('message')
        return
      }
      expect(read(source)).toEqual(expected)
    }),
    { numRuns: 500 },
  )
})

test('a generated document with a character changed is refused wherever smol-toml refuses it', () => {
  fc.assert(
    fc.property(document, fc.nat(), fc.constantFrom(...'"\'[]{}=.,#\n\\a '), (source, place, char) => {
      const at = source === '' ? 0 : place % source.length
      const changed = source.slice(0, at) + char + source.slice(at + 1)
      if (!changed.isWellFormed()) return
      let expected: unknown
      try {
        expected = theirs(changed)
      } catch {
        // Numbers and dates are not evaluated, so a wrong one is none of our reader's business.
        if (!/\d/.test(changed)) expect(read(changed)).toHaveProperty('message')
        return
      }
      const found = read(changed)
      if (typeof found === 'object' && found !== null && 'message' in found)
        expect(found.message).toMatch(/arrays of tables/)
      else expect(found).toEqual(expected)
    }),
    { numRuns: 500 },
  )
})

test('any bytes end in a table or a problem', () => {
  fc.assert(fc.property(anyBytes(), (bytes) => void parseToml(bytes)))
  fc.assert(fc.property(textOf('[]{}="\'\n.,#ax1\\ u', 80), (bytes) => void parseToml(bytes)))
})

test.each([
  ['short texts', (count: number) => Array.from({ length: count }, (_, at) => `a${at} = "x"\n`).join('')],
  ['escapes', (count: number) => `a = "${'\\n'.repeat(count * 4)}"`],
  ['escapes without an end', (count: number) => `a = "${'\\n'.repeat(count * 4)}`],
])('%s take time in proportion to their number', (_, make) => {
  const milliseconds = (count: number): number => {
    const text = make(count)
    const began = process.cpuUsage()
    for (let times = 0; times < 5; times++) parseToml(text)
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1000
  }
  milliseconds(2000)
  // Eight times as many; a quadratic reader takes 64 times as long.
  const ratios = Array.from({ length: 3 }, () => milliseconds(32_000) / Math.max(1, milliseconds(4000)))
  expect(Math.min(...ratios)).toBeLessThan(30)
})
