import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import * as library from 'yaml'
import type { YamlNode } from '../../../src/config/yaml/reader.ts'
import { asBoolean, asNumber, asText, isNull } from '../../../src/config/yaml/values.ts'
import { parseYaml } from '../../../src/config/yaml/yaml.ts'

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const unicode = (text: string): string => Buffer.from(text, 'latin1').toString('utf8')

type Plain = string | Plain[] | { [key: string]: Plain }

/** Every scalar as its text. */
function plain(node: YamlNode): Plain {
  if (typeof node === 'string') return unicode(node)
  if (node.kind === 'quoted') return unicode(node.text)
  if (node.kind === 'list') return node.items.map(plain)
  return Object.fromEntries([...node.entries].map(([key, value]) => [unicode(key), plain(value)]))
}

function read(text: string): { value: Plain; problems: string[] } {
  const { root, problems } = parseYaml(bytes(text), 'f')
  return { value: plain(root), problems: problems.map((p) => `${p.line}:${p.column} ${p.message}`) }
}

function value(text: string): Plain {
  const { value: read_, problems } = read(text)
  expect(problems).toEqual([])
  return read_
}

describe('parseYaml reads', () => {
  test.each<[what: string, text: string, expected: Plain]>([
    ['nothing', '', ''],
    ['only comments', '#cloud-config\n  # more\n', ''],
    ['a mapping', '#cloud-config\na: 1\nb: two words\n', { a: '1', b: 'two words' }],
    ['no new line at the end', 'a: 1', { a: '1' }],
    ['line ends of DOS', 'a: 1\r\nb:\r\n- x\r\n', { a: '1', b: ['x'] }],
    ['a byte order mark', '\ufeffa: 1\n', { a: '1' }],
    ['nested mappings', 'a:\n  b:\n    c: d\n  e: f\n', { a: { b: { c: 'd' }, e: 'f' } }],
    ['a list below its key', 'a:\n- b\n- c\nd: e\n', { a: ['b', 'c'], d: 'e' }],
    ['an indented list', 'a:\n  - b\n  - c\nd: e\n', { a: ['b', 'c'], d: 'e' }],
    ['lists in lists', '- - a\n  - b\n- - c\n', [['a', 'b'], ['c']]],
    [
      'mappings in lists',
      '- a: 1\n  b: 2\n-   c: 3\n    d: 4\n',
      [
        { a: '1', b: '2' },
        { c: '3', d: '4' },
      ],
    ],
    ['items on lines of their own', '-\n  a: 1\n-\n  - b\n-\n- c\n', [{ a: '1' }, ['b'], '', 'c']],
    ['empty values', 'a:\nb:\n  c:\nd: # none\n', { a: '', b: { c: '' }, d: '' }],
    [
      'colons inside texts',
      'a: 02:00:00:00:00:01\nb: http://x:1/\nc: ::1\n',
      { a: '02:00:00:00:00:01', b: 'http://x:1/', c: '::1' },
    ],
    [
      'signs inside texts',
      'a: b#c\nd: e, f [g]\nh: -1\ni: <nil>\n',
      { a: 'b#c', d: 'e, f [g]', h: '-1', i: '<nil>' },
    ],
    ['comments behind values', 'a: b # c\nd: "e" # f\ng: # h\n  i: j\n', { a: 'b', d: 'e', g: { i: 'j' } }],
    ['white space around', 'a  :   b   \n"c" :\td\t\n', { a: 'b', c: 'd' }],
    ['folded plain texts', 'a: one\n  two\n\n  three\nb: c\n', { a: 'one two\nthree', b: 'c' }],
    [
      'a folded key of an item',
      '- ssh-ed25519 AAAA\n  ops@example\n- x\n',
      ['ssh-ed25519 AAAA ops@example', 'x'],
    ],
    ['what looks like a list in a text', 'a: b\n  - c\n', { a: 'b - c' }],
    ['single quotes', "a: 'it''s'\nb: ''\nc: 'x: y # z'\n", { a: "it's", b: '', c: 'x: y # z' }],
    ['single quotes over lines', "a: 'one\n  two\n\n  three '\n", { a: 'one two\nthree ' }],
    ['double quotes', 'a: "b\\"c\\\\"\nd: "#"\n', { a: 'b"c\\', d: '#' }],
    [
      'double quotes over lines',
      'a: "one\n  two \\\n  three\\n\n\n  four"\n',
      { a: 'one two three\n\nfour' },
    ],
    [
      'every escape',
      String.raw`"\0\a\b\t\n\v\f\r\e\ \"\/\\\N\_\L\P"`,
      '\0\x07\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029',
    ],
    ['escapes by number', String.raw`"\x41\u00e9\u2192\U0001F680\ud83d\ude80"`, 'Aé→🚀🚀'],
    ['UTF-8 that ends like white space', 'a: voilà\nb: à\n', { a: 'voilà', b: 'à' }],
    ['quoted keys', '"a b": 1\n\'c: d\': 2\n"e"  : 3\n', { 'a b': '1', 'c: d': '2', e: '3' }],
    ['a literal block', 'a: |\n  one\n   two\n\n  # three\nb: c\n', { a: 'one\n two\n\n# three\n', b: 'c' }],
    [
      'a literal block without its end',
      'a: |-\n  one\n\nb: |+\n  two\n\nc: d\n',
      { a: 'one', b: 'two\n\n', c: 'd' },
    ],
    ['an indented literal block', 'a: |2\n    one\n  two\n', { a: '  one\ntwo\n' }],
    ['a literal block in a list', '- |\n  one\n- - >-\n    two\n    three\n', ['one\n', ['two three']]],
    [
      'a folded block',
      'a: >\n  one\n  two\n\n  three\n    four\n  five\n\n\nb: c\n',
      { a: 'one two\nthree\n  four\nfive\n', b: 'c' },
    ],
    ['an empty block', 'a: |\nb: >-\n', { a: '', b: '' }],
    [
      'brackets',
      'a: [1, "b, c", \'d\', [], {}]\nb: {c: d, "e":f, g}\n',
      { a: ['1', 'b, c', 'd', [], {}], b: { c: 'd', e: 'f', g: '' } },
    ],
    [
      'brackets over lines',
      'a: [\n  b, # first\n  c\n  d,\n]\ne: {\n  f: g,\n  h:\n    i }\n',
      { a: ['b', 'c d'], e: { f: 'g', h: 'i' } },
    ],
    ['pairs in brackets', '[a: b, c]', [{ a: 'b' }, 'c']],
    [
      'colons in brackets',
      '{a: 10.0.0.1/24, b: fe80::1, c: [::1, http://x]}',
      { a: '10.0.0.1/24', b: 'fe80::1', c: ['::1', 'http://x'] },
    ],
    [
      'JSON',
      '{"a": [1, 2.5, true, null, "\\u00e9\\n"],\n "b": {}}\n',
      { a: ['1', '2.5', 'true', 'null', 'é\n'], b: {} },
    ],
    ['document markers', '%YAML 1.2\n---\na: 1\n...\n', { a: '1' }],
    ['a text behind the marker', '--- text\n', 'text'],
    [
      'keys of an object in JavaScript',
      'constructor: 1\n__proto__x: 2\n',
      { constructor: '1', __proto__x: '2' },
    ],
  ])('%s', (_, text, expected) => {
    expect(value(text)).toEqual(expected)
  })
})

describe('parseYaml reports, and goes on after', () => {
  test.each<[what: string, text: string, expected: Plain, problem: string]>([
    ['a key given twice', 'a: 1\na: 2\n', { a: '2' }, "2:1 duplicate key 'a'; the last one counts"],
    ['a tab that indents', 'a:\n\tb: 1\nc: 2\n', { a: '', c: '2' }, '2:1 tabs cannot indent; skipped'],
    [
      'a line without a colon',
      'a: 1\nb\nc: 2\n',
      { a: '1', c: '2' },
      "2:1 'b' is not a key with a colon; skipped",
    ],
    [
      'wrong indentation',
      'a:\n    b: 1\n  c: 2\nd: 3\n',
      { a: { b: '1' }, d: '3' },
      '3:3 wrong indentation; skipped',
    ],
    [
      'a mapping in a text',
      'a: b\n  c: d\ne: f\n',
      { a: 'b', e: 'f' },
      '2:4 text with a colon and a space in it needs quotes, or the indentation is wrong; skipped',
    ],
    [
      'two colons',
      'a: b: c\nd: e\n',
      { a: '', d: 'e' },
      '1:5 text with a colon and a space in it needs quotes, or the indentation is wrong; skipped',
    ],
    [
      'a list behind its key',
      'a: - b\nc: d\n',
      { a: '', c: 'd' },
      '1:4 a list cannot begin on the line of its key; skipped',
    ],
    [
      'an item among keys',
      'a: 1\n- b\nc: 2\n',
      { a: '1', c: '2' },
      "2:1 '- b' is not a key with a colon; skipped",
    ],
    [
      'a key among items',
      '- a\nb: 1\n',
      ['a'],
      '2:1 does not belong to what comes before; the rest is skipped',
    ],
    ['an open quote', 'a: "b\nc: d\n', { a: '', c: 'd' }, '1:4 no closing "; skipped'],
    ['an open bracket', 'a: [b, c\nd: e\n', { a: '', d: 'e' }, '1:4 no closing bracket; skipped'],
    ['an open bracket at the end', 'a:\n  b: {c: [d\n', { a: { b: '' } }, '2:10 no closing bracket; skipped'],
    ['a missing comma', 'a: ["b" "c"]\nd: e\n', { a: '', d: 'e' }, '1:9 expected a comma or ]; skipped'],
    ['two commas', 'a: [b,, c]\nd: e\n', { a: '', d: 'e' }, '1:7 expected a value before ,; skipped'],
    ['text behind a value', 'a: "b" c\nd: e\n', { a: 'b', d: 'e' }, "1:8 'c' cannot follow a value; skipped"],
    ['a question mark', '? a\n: b\n', '', '1:1 keys after ? are not supported; skipped'],
    ['an escape that there is not', 'a: "\\q"\n', { a: '\\q' }, '1:4 \\q is not a YAML escape'],
    ['one of a control character', 'a: "\\\x01"\n', { a: '\\\x01' }, '1:4 \\\\x01 is not a YAML escape'],
    ['half a character', 'a: "\\ud83d"\n', { a: '\\ud83d' }, '1:4 \\u is not a YAML escape'],
    [
      'a text that begins with a sign',
      'a: @b\nc: %d\n',
      { a: '', c: '' },
      '1:4 text that begins with @ needs quotes; skipped',
    ],
    ['an anchor', 'a: &x 1\nb: 2\n', { a: '', b: '2' }, '1:4 anchors (&) are not supported; skipped'],
    [
      'an anchor of a mapping',
      'a: &x\n  b: 1\n  c: 2\nd: 3\n',
      { a: '', d: '3' },
      '1:4 anchors (&) are not supported; skipped',
    ],
    ['an anchor of a key', '&x a: 1\nb: 2\n', '', '1:1 anchors (&) are not supported; skipped'],
    [
      'an anchor of another key',
      'a: 1\n&x b: 2\nc: 3\n',
      { a: '1', c: '3' },
      "2:1 '&x b: 2' is not a key with a colon; skipped",
    ],
    [
      'an anchor in brackets',
      'a: [1, &x 2]\nb: 3\n',
      { a: '', b: '3' },
      '1:8 anchors (&) are not supported; skipped',
    ],
    ['an alias', 'a: *x\nb: 2\n', { a: '', b: '2' }, '1:4 aliases (*) are not supported; skipped'],
    ['an alias in a list', '- *x\n- b\n', ['', 'b'], '1:3 aliases (*) are not supported; skipped'],
    [
      'an alias in braces',
      'a: {b: *x}\nc: d\n',
      { a: '', c: 'd' },
      '1:8 aliases (*) are not supported; skipped',
    ],
    [
      'an alias of itself',
      'a: &b [*b]\nc: d\n',
      { a: '', c: 'd' },
      '1:4 anchors (&) are not supported; skipped',
    ],
    ['a tag', 'a: !!str 1\nb: 2\n', { a: '', b: '2' }, '1:4 tags (!) are not supported; skipped'],
    ['a tag of its own', 'a: !vault x\nb: 2\n', { a: '', b: '2' }, '1:4 tags (!) are not supported; skipped'],
    [
      'a merge key',
      'a: 1\n<<: {b: 2}\nc: 3\n',
      { a: '1', c: '3' },
      '2:1 merge keys (<<) are not supported; skipped',
    ],
    [
      'a merge key in braces',
      'a: {<<: {b: 2}, c: 3}\n',
      { a: { c: '3' } },
      '1:5 merge keys (<<) are not supported; skipped',
    ],
    ['a second document', 'a: 1\n---\nb: 2\n', { a: '1' }, '3:1 only the first document of a file is read'],
  ])('%s', (_, text, expected, problem) => {
    const result = read(text)
    expect(result.value).toEqual(expected)
    expect(result.problems[0]).toBe(problem)
  })

  it('what is nested deeper than it follows', () => {
    for (const deep of ['[', '- ', '{a: ']) {
      const { problems } = read(`a:\n  ${deep.repeat(5000)}\nb: 1\n`)
      expect(problems.join()).toContain('levels deep')
    }
    const steps = Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')
    expect(read(steps).problems.join()).toContain('levels deep')
  })

  it('at most a hundred problems', () => {
    expect(parseYaml(`a: 1\n${'b\n'.repeat(1000)}`, 'f').problems).toHaveLength(101)
  })

  it('a document that would expand to very much', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      )
    const { value, problems } = read(lines.join('\n'))
    expect(value).toEqual(Object.fromEntries(lines.map((_, i) => [`a${i}`, ''])))
    expect(problems).toHaveLength(9)
  })

  it('what is not supported, in time that grows with the text', () => {
    for (const piece of ['a: &x b\n', '- *x\n', '- !t\n  a: b\n', '<<: *x\n'])
      expect(read(piece.repeat(20_000)).problems).toHaveLength(101)
  })
})

describe('scalars', () => {
  const scalar = (text: string): YamlNode => parseYaml(text, 'f').root
  test.each(['', '~', 'null', 'Null', 'NULL'])('%j is nothing', (text) => {
    expect(isNull(scalar(text))).toBe(true)
    expect(asText(scalar(text))).toBeUndefined()
  })
  test.each(['""', "'null'", 'nil', '0', 'false', '[]', '{}'])('%j is something', (text) => {
    expect(isNull(scalar(text))).toBe(false)
  })
  test.each([
    ['yes', true],
    ['On', true],
    ['TRUE', true],
    ['"true"', true],
    ['y', true],
    ['no', false],
    ['off', false],
    ['False', false],
    ['maybe', undefined],
    ['1', undefined],
    ['[true]', undefined],
  ])('%j as a boolean', (text, expected) => {
    expect(asBoolean(scalar(text))).toBe(expected)
  })
  test.each([
    ['1500', 1500],
    ['"1500"', 1500],
    ['010', 10],
    ['0x10', undefined],
    ['1_000', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['', undefined],
    ['[1]', undefined],
  ])('%j as a number', (text, expected) => {
    expect(asNumber(scalar(text))).toBe(expected)
  })
  it('a list and a mapping are no text', () => {
    expect(asText(scalar('[a]'))).toBeUndefined()
    expect(asText(scalar('{a: b}'))).toBeUndefined()
  })
})

/** Words that a reader of YAML may stumble over, and any text. */
const anyText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '-',
    '- a',
    'a: b',
    'a #b',
    '#',
    '? x',
    ': x',
    '---',
    '...',
    '[a',
    '{',
    '&a',
    '*a',
    '!t',
    '|',
    '>-',
    '%',
    '@',
    '`',
    "'",
    '"',
    '\\',
    'null',
    '~',
    'true',
    'no',
    '1',
    '0x1',
    '1e3',
    '<<',
    '\t',
    '\ta',
    'a\t',
    '\n',
    'a\nb',
    ' a\nb',
    'a\n\nb\n',
    'a\n b\n',
    '\n\na',
    'a \nb',
    '02:00:00:00:00:01',
    'à',
    '<nil>',
    'x'.repeat(90),
    'word '.repeat(30),
    'two  spaces'.repeat(10),
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...' \n\t:-#"\'\\[]{},&*!|>%@`?~ab1'), maxLength: 30 }),
)
const key = fc.oneof(
  anyText.filter((text) => text.length < 60),
  fc.constantFrom('a', 'b', 'key', 'to', 'via'),
)
const { tree } = fc.letrec<{ tree: Plain }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
    anyText,
    fc.array(tie('tree'), { maxLength: 5 }),
    fc.dictionary(
      key.filter((k) => k !== '__proto__' && k !== '<<'),
      tie('tree'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}))

const style = fc.record<library.ToStringOptions & library.CreateNodeOptions & library.DocumentOptions>({
  indent: fc.integer({ min: 1, max: 8 }),
  indentSeq: fc.boolean(),
  lineWidth: fc.constantFrom(0, 20, 40, 80),
  minContentWidth: fc.constantFrom(0, 20),
  defaultStringType: fc.constantFrom(
    'PLAIN',
    'QUOTE_DOUBLE',
    'QUOTE_SINGLE',
    'BLOCK_LITERAL',
    'BLOCK_FOLDED',
  ),
  defaultKeyType: fc.constantFrom('PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE'),
  blockQuote: fc.constantFrom<boolean | 'folded' | 'literal'>(true, false, 'folded', 'literal'),
  collectionStyle: fc.constantFrom('any', 'block', 'flow'),
  doubleQuotedAsJSON: fc.boolean(),
  doubleQuotedMinMultiLineLength: fc.constantFrom(0, 40),
  flowCollectionPadding: fc.boolean(),
  directives: fc.constantFrom(null, true),
  aliasDuplicateObjects: fc.constant(true),
})

describe('against a library', { timeout: 60_000 }, () => {
  it('what it prints in any style is read as it was', () => {
    let tried = 0
    let compared = 0
    fc.assert(
      fc.property(tree, style, (data, options) => {
        tried++
        const text = library.stringify(data, { ...options, singleQuote: null, version: '1.2' })
        // It may fold a line between two halves of a character; and `? ` before long keys is not ours.
        if (!text.isWellFormed() || /^[\s\-?]*\? /m.test(text)) return
        const own: unknown = library.parse(text, { schema: 'failsafe', logLevel: 'silent' })
        if (JSON.stringify(own) !== JSON.stringify(data)) return
        compared++
        expect(read(text)).toEqual({ value: data, problems: [] })
      }),
      { numRuns: 3000 },
    )
    expect(compared).toBeGreaterThan(tried / 3)
  })

  it('what means a number, a boolean or nothing there means it here', () => {
    const scalar = fc.oneof(fc.nat(), fc.boolean(), fc.constant(null), anyText)
    fc.assert(
      fc.property(fc.array(scalar), (data) => {
        const text = library.stringify(data)
        const { root } = parseYaml(bytes(text), 'f')
        const items = typeof root !== 'string' && root.kind === 'list' ? root.items : []
        const meant = items.map((item, i) => {
          const wanted = data[i]
          if (wanted === null) return isNull(item) ? null : undefined
          if (typeof wanted === 'boolean') return asBoolean(item)
          if (typeof wanted === 'number') return asNumber(item)
          return unicode(asText(item) ?? '')
        })
        // Of blanks that end in a new line the library prints less than it was given.
        expect(meant).toEqual(library.parse(text))
      }),
    )
  })

  it('any text is read as it reads it, or there is a problem', () => {
    const piece = fc.constantFrom(
      'a',
      'b:',
      ': ',
      ' ',
      '  ',
      '\n',
      '\n  ',
      '\n    ',
      '- ',
      '-',
      '"',
      "'",
      '[',
      ']',
      '{',
      '}',
      ',',
      ', ',
      '# c',
      ' # c',
      '|',
      '>-',
      '|+\n',
      '&a ',
      '*a',
      '!!str ',
      '\\',
      'key: ',
      '\n- ',
      '\nk: ',
      '\t',
      '10.0.0.1/24',
      '...',
      '\n---\n',
    )
    let tried = 0
    let same = 0
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        // Where a document ends before it began, we read the next one.
        tried++
        const text = `${pieces.join('')}\n`
        if (/^\.\.\./m.test(text)) return
        const ours = read(text)
        const document = library.parseDocument(text, { schema: 'failsafe', logLevel: 'silent', merge: false })
        if (ours.problems.length > 0 || document.errors.length > 0) return
        same++
        const theirs: unknown = JSON.parse(JSON.stringify(document.toJS() ?? ''), (_, value) => value ?? '')
        expect(ours.value).toEqual(theirs)
      }),
      { numRuns: 20_000 },
    )
    expect(same).toBeGreaterThan(tried / 10)
  })
})

describe('time and memory', () => {
  const seconds = (text: string): number => {
    const start = process.hrtime.bigint()
    parseYaml(text, 'f')
    return Number(process.hrtime.bigint() - start) / 1e9
  }
  test.each([
    ['open brackets', '['],
    ['open braces', '{a: '],
    ['dashes', '- '],
    ['open double quotes', 'a: "b\n'],
    ['open single quotes', "- 'b\n"],
    ['quotes on one line', '"'],
    ['backslashes', '"\\'],
    ['colons', 'a: '],
    ['commas', '[a,b'],
    ['keys', '? a\n'],
    ['anchors', '&a '],
    ['aliases', '- &a b\n- *a\n'],
    ['tabs', '\t'],
    ['spaces', ' '],
    ['lines', '\n'],
    ['carriage returns', '\r'],
    ['markers', '---\n'],
    ['blocks', 'a: |\n  b\n'],
    ['folded texts', 'a\n'],
    ['comments', 'a #\n'],
    ['a pattern of many keys', 'abc: d\n'],
  ])('a megabyte of %s takes no longer than it is', (_, piece) => {
    expect(seconds(piece.repeat(Math.floor(1_000_000 / piece.length)))).toBeLessThan(2)
  })
})
