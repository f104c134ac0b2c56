import { describe, expect, it, test } from 'vitest'
import { parseMetaData } from '../../src/config/meta-data.ts'
import { formatProblem } from '../../src/lib/problem.ts'

function read(text: string) {
  const { layer, problems } = parseMetaData(text, 'f')
  return [layer.hostname, problems.map(formatProblem)]
}

describe('parseMetaData', () => {
  test.each<[text: string, hostname: string | undefined, problems: string[]]>([
    ['#cloud-config\ninstance-id: "9"\nlocal-hostname: bare\n', 'bare', []],
    ['{"instance-id": "i-1", "local-hostname": "json.example"}', 'json.example', []],
    ['hostname: other\nlocal-hostname: own\n', 'own', []],
    ['hostname: other\n', 'other', []],
    ['local-hostname:\nhostname: other\n', 'other', []],
    ['local-hostname: 0123\n', '0123', []],
    ['instance-id: x\ncloud-name: multipass\n', undefined, []],
    ['', undefined, []],
    [
      'local-hostname: a b\nhostname: c\n',
      'c',
      ["f:1:1: 'a b' contains ' ', which is not allowed in a hostname; the hostname is not changed"],
    ],
    ['local-hostname: ""\n', undefined, []],
    ['local-hostname: [a]\n', undefined, ['f:1:1: a list is not a name; the hostname is not changed']],
    ['public-keys: []\nlocal-hostname: a\n', 'a', ["f:1:1: 'public-keys' is not supported; ignored"]],
    ['- a\n', undefined, ['f:1:1: the file is not a mapping; ignored']],
  ])('%j', (text, hostname, problems) => {
    expect(read(text)).toEqual([hostname, problems])
  })

  it('leaves the hostname out if there is none', () => {
    expect(parseMetaData('instance-id: 1', 'f').layer).toEqual({ source: 'f' })
  })
})
