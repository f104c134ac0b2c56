import * as library from 'yaml'
import { parseYaml } from '../../src/config/yaml.ts'
const unicode = (text: string): string => Buffer.from(text, 'latin1').toString('utf8')
function plain(node: any): any {
  if (typeof node === 'string') return unicode(node)
  if (node.kind === 'quoted') return unicode(node.text)
  if (node.kind === 'list') return node.items.map(plain)
  return Object.fromEntries([...node.entries].map(([key, value]) => [unicode(key), plain(value)]))
}
const P = ['a', 'b:', ': ', ' ', '  ', '\n', '\n  ', '\n    ', '- ', '-', '"', "'", '[', ']', '{', '}', ',', ', ', '# c', ' # c', '|', '>-', '|+\n', '&a ', '*a', '!!str ', '\\', 'key: ', '\n- ', '\nk: ', '\t', '10.0.0.1/24', '...', '\n---\n']
let n = 0, same = 0, shown = 0, strict = 0
const end = Date.now() + Number(process.argv[2] ?? 20) * 1000
const seen = new Map<string, string>()
while (Date.now() < end) {
  n++
  const text = Array.from({ length: Math.floor(Math.random() * 12) }, () => P[Math.floor(Math.random() * P.length)]).join('')
  const { root, problems } = parseYaml(text, 'f')
  if (problems.length) continue
  const d = library.parseDocument(text, { schema: 'failsafe', logLevel: 'silent', merge: false })
  if (d.errors.length) { strict++; const m = d.errors[0]!.code; if (!seen.has(m) || seen.get(m)!.length > text.length) seen.set(m, text); continue }
  const theirs = d.toJS() ?? ''
  if (JSON.stringify(plain(root)) === JSON.stringify(theirs)) same++
  else if (text.length < 14 && shown++ < 25) console.log(JSON.stringify(text), JSON.stringify(plain(root)), JSON.stringify(theirs))
}
console.log(n, same, strict); for (const [k, v] of seen) console.log(k, JSON.stringify(v))
