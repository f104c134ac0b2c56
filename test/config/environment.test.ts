import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEnvironment } from '../../src/config/environment.ts'
import { anyBytes, textOf, utf8 } from '../bytes.ts'

const variables = (text: string) => {
  const { layer, problems } = parseEnvironment(text)
  expect(problems).toEqual([])
  return Object.fromEntries(layer.environment ?? [])
}

describe('parseEnvironment', () => {
  it('reads KEY=VALUE lines, with and without export', () => {
    expect(variables('A=1\nexport B=2\n\n  C=3  \r\nD=')).toEqual({ A: '1', B: '2', C: '3', D: '' })
  })

  it('skips comments', () => {
    expect(variables('# A=1\n  # B=2\nC=3')).toEqual({ C: '3' })
  })

  it('removes quotes only around a whole value', () => {
    expect(variables(`A="x y"\nB='x y'\nC="x\nD=x"y"\nE="\nF=""`)).toEqual({
      A: 'x y',
      B: 'x y',
      C: '"x',
      D: 'x"y"',
      E: '"',
      F: '',
    })
  })

  it('expands nothing', () => {
    expect(variables('A=$HOME `id` \\n $(id)')).toEqual({ A: '$HOME `id` \\n $(id)' })
  })

  it('keeps more equals signs, and names that no shell would accept', () => {
    expect(variables('A=b=c\nMY-VAR=1\nbreak=2\ninit=3')).toEqual({
      A: 'b=c',
      'MY-VAR': '1',
      break: '2',
      init: '3',
    })
  })

  it('keeps every byte of UTF-8', () => {
    expect(variables(utf8('A=voilà\nB=à'))).toEqual({ A: utf8('voilà'), B: utf8('à') })
  })

  it('takes the last of a repeated key', () => {
    expect(variables('A=1\nA=2')).toEqual({ A: '2' })
  })

  it('reports what it skips, with its line, and continues', () => {
    const { layer, problems } = parseEnvironment('A=1\nnonsense\n=x\nB=2')
    expect(Object.fromEntries(layer.environment ?? [])).toEqual({ A: '1', B: '2' })
    expect(problems.map(({ source, line }) => [source, line])).toEqual([
      ['/etc/environment', 2],
      ['/etc/environment', 3],
    ])
    // A line of /etc/environment may be half a secret, and the host can read the console.
    expect(problems[0]?.message).not.toContain('nonsense')
  })

  it('never throws, and never makes a variable without a name', () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes(), textOf('A=\'" #\nexport')), (text) => {
        const { layer } = parseEnvironment(text)
        for (const [key, value] of layer.environment ?? []) {
          expect(key).not.toBe('')
          expect(key).not.toContain('=')
          expect(value).not.toContain('\n')
        }
      }),
    )
  })
})
