/** What the functions of a minified module are called in the source. Pure. */

import { SourceMap, type SourceMapPayload } from 'node:module'
import { parseAst } from 'rolldown/parseAst'

/** In a file, both count from 0. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface FunctionName {
  /** Below the project's folder: `src/boot/steps/mount.ts`; '' for what the bundler has put together. */
  readonly file: string
  /** `mountStep`; where it has none, whose it is and where: `runSteps › map() 51`. */
  readonly name: string
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/**
 * @param map the module's source map as JSON
 * @param positions where the engine says that functions begin
 * @param readSource a source file's text by its name in the map
 */
export function nameFunctions(
  code: string,
  map: string,
  positions: readonly Position[],
  readSource: (file: string) => string,
): FunctionName[] {
  const names = new Names(code, new SourceMap(JSON.parse(map) as SourceMapPayload), readSource)
  return positions.map((position) => names.at(position))
}

class Names {
  private readonly map: SourceMap
  private readonly readSource: (file: string) => string
  private readonly sources = new Map<string, readonly string[]>()
  private readonly lineStarts: readonly number[]
  /** By the offset at which the engine says that they begin: each with what it lies in, from itself outwards. */
  private readonly functions = new Map<number, readonly Node[]>()

  constructor(code: string, map: SourceMap, readSource: (file: string) => string) {
    this.map = map
    this.readSource = readSource
    this.lineStarts = [0, ...[...code.matchAll(/\n/g)].map(({ index }) => index + 1)]
    this.visit(parseAst(code) as unknown as Node, [])
  }

  at({ line, column }: Position): FunctionName {
    const offset = (this.lineStarts[line] ?? 0) + column
    const path = this.functions.get(offset)
    // A module itself, which may be made of several files.
    if (path === undefined) return { file: '', name: '(module)' }
    return { file: this.original(offset).file, name: this.nameOf(path) }
  }

  private visit(node: Node, outside: readonly Node[]): void {
    const path = [node, ...outside]
    if (isFunction(node)) {
      const [owner] = outside
      // A method begins with its name.
      this.functions.set(owner !== undefined && isMethod(owner, node) ? owner.start : node.start, path)
    }
    // The constructor that nobody wrote begins where the class ends.
    if (isClass(node)) this.functions.set(node.end - 1, path)
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) this.visit(child, path)
  }

  private nameOf([node, ...outside]: readonly Node[]): string {
    if (node === undefined) return ''
    const own = this.ownName(node, outside[0])
    if (own !== undefined && (outside[0]?.type !== 'Property' || isMethod(outside[0], node))) return own
    const around = outside.findIndex(isFunction)
    const whose = around < 0 ? '' : `${this.nameOf(outside.slice(around))} › `
    const call = outside[0]?.type === 'CallExpression' ? this.callOf(outside[0]) : ''
    return `${whose}${own ?? call}${own === undefined && call === '' ? '' : ' '}${this.original(node.start).line + 1}`
  }

  private ownName(node: Node, owner: Node | undefined): string | undefined {
    for (const [from, key] of [
      [node, 'id'],
      [owner, NAMED_BY.get(owner?.type ?? '')],
    ] as const) {
      const name = key === undefined ? undefined : from?.[key]
      if (isNode(name) && name.type === 'Identifier') return this.original(name.start).word
    }
    return undefined
  }

  /** `timed(command line)` */
  private callOf(call: Node): string {
    const callee = call['callee']
    if (!isNode(callee)) return ''
    const property = callee['property']
    const name = this.original(isNode(property) ? property.start : callee.start).word
    const args = call['arguments']
    const text = (Array.isArray(args) ? args : []).filter(isNode).map(textOf).find(Boolean) ?? ''
    return `${name}(${text})`
  }

  private original(offset: number): { file: string; line: number; word: string } {
    const line = this.lineStarts.findLastIndex((start) => start <= offset)
    const entry = this.map.findEntry(line, offset - (this.lineStarts[line] ?? 0))
    if (!('originalSource' in entry)) return { file: '', line: 0, word: '' }
    const { originalSource, originalLine, originalColumn } = entry
    // Below the folder of the bundle, which is one of the project's.
    const file = originalSource.replace(/^\.\.\//, '')
    const lines = this.sources.get(file) ?? this.readSource(file).split('\n')
    this.sources.set(file, lines)
    const text = lines[originalLine]?.slice(originalColumn) ?? ''
    return { file, line: originalLine, word: /^[\w$#]+/.exec(text)?.[0] ?? '' }
  }
}

/** What a function is called by that stands there. */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['VariableDeclarator', 'id'],
  ['AssignmentPattern', 'left'],
  ['Property', 'key'],
  ['MethodDefinition', 'key'],
])

const isFunction = ({ type }: Node): boolean => /Function(Declaration|Expression)$/.test(type)
const isClass = ({ type }: Node): boolean => /^Class(Declaration|Expression)$/.test(type)

/** `{ name() {} }`, not `{ name: () => {} }` */
const isMethod = (owner: Node, { start }: Node): boolean =>
  (owner.type === 'MethodDefinition' || owner.type === 'Property') &&
  (owner['method'] === true || owner.type === 'MethodDefinition') &&
  owner.start < start

function textOf(node: Node): string {
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value']
  const [first] = node.type === 'TemplateLiteral' && Array.isArray(node['quasis']) ? node['quasis'] : []
  if (!isNode(first)) return ''
  const value = first['value']
  return typeof value === 'object' && value !== null && 'cooked' in value ? `${String(value.cooked)}…` : ''
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
