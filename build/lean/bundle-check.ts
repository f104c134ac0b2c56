/**
 * Finds what a bundle uses that the engine in the lean binary lacks, and what it names that the engine must have.
 *
 * The engine has a handful of global objects (src/runtime/quickjs/engine.c), those of their methods that the bundle names
 * (build/lean/quickjs-prune.ts), and no compiler, promises, generators or big integers. The type checker does not know that,
 * and QuickJS would report it only when the line runs, as PID 1.
 */
import { SourceMap, type SourceMapPayload } from 'node:module'
import { parseAst } from 'rolldown/parseAst'

/** The engine's global names, as in src/runtime/quickjs/engine.c. */
const GLOBALS = new Set(
  `Object Error Array parseInt parseFloat isNaN isFinite Infinity NaN undefined Number String Math Map Set
   Uint8Array Uint16Array Uint32Array host`.split(/\s+/),
)

/** Methods that are missing, or that need what is missing. Only calls count: a property may have such a name. */
const METHODS = new Map([
  ['match', 'regular expressions'],
  ['matchAll', 'regular expressions'],
  ['search', 'regular expressions'],
  ['normalize', 'Unicode normalization'],
  ['localeCompare', 'Unicode normalization'],
  ['random', 'a seed of each boot'],
  ['log', 'logarithms'],
])

interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** Something that the engine lacks, at an offset of the bundle. */
interface Finding {
  readonly at: number
  readonly text: string
}

/**
 * The problems of a bundle, each as `file:line:column: what`.
 *
 * @param code one minified module. Minified, since then no local variable has a global's name: the bundler renames
 *   every local and keeps clear of the globals that are used. So a name that nothing declares is a global.
 * @param map its source map as JSON.
 */
export function checkBundle(code: string, map: string): string[] {
  const positions = new SourceMap(JSON.parse(map) as SourceMapPayload)
  const found: Finding[] = []
  const program = parse(code)
  visit(program, (node) => {
    const lacking = lacks(node)
    if (lacking) found.push({ at: node.start, text: lacking })
  })
  for (const { name, start } of globals(program))
    if (!GLOBALS.has(name)) found.push({ at: start, text: `global ${name}` })
  found.sort((a, b) => a.at - b.at)
  return found.map(({ at, text }) => `${original(code, positions, at)}: ${text}`)
}

/**
 * Every name by which a checked bundle can reach a property of the engine's objects: properties, strings (which may become
 * names), and globals. Names that are put together at run time are not among them; no method here is called by one.
 */
export function mentionedNames(code: string): Set<string> {
  const program = parse(code)
  const names = new Set(globals(program).map(({ name }) => name))
  visit(program, (node) => {
    if (node.type === 'Literal' && typeof node['value'] === 'string') names.add(node['value'])
    const key = NAME_KEYS.get(node.type)
    if (key === undefined || node['computed']) return
    for (const { type, name } of children(node, key)) if (type === 'Identifier') names.add(String(name))
  })
  for (const name of METHODS.keys()) names.delete(name)
  return names
}

const parse = (code: string): Node => parseAst(code) as unknown as Node

/** The names that nothing in the bundle declares, with their places. */
function globals(program: Node): { name: string; start: number }[] {
  const declared = new Set<string>()
  const used: { name: string; start: number }[] = []
  visit(program, (node) => {
    for (const pattern of bindings(node)) for (const name of namesOf(pattern)) declared.add(name)
    for (const { name, start } of references(node)) used.push({ name: String(name), start })
  })
  return used.filter(({ name }) => !declared.has(name))
}

function lacks(node: Node): string | undefined {
  switch (node.type) {
    case 'Literal':
      if (node['regex']) return `regular expression ${String(node['raw'])}`
      return typeof node['value'] === 'bigint' ? `big integer ${String(node['raw'])}` : undefined
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      if (node['async']) return 'async function (needs promises)'
      return node['generator'] ? 'generator function' : undefined
    case 'BinaryExpression':
    case 'AssignmentExpression':
      return String(node['operator']).startsWith('**') ? 'operator **' : undefined
    case 'ImportExpression':
      return 'import() (needs promises)'
    case 'CallExpression': {
      const name = methodOf(node['callee'])
      const why = name === undefined ? undefined : METHODS.get(name)
      return why && `.${name}() (needs ${why})`
    }
    default:
      return undefined
  }
}

function methodOf(callee: unknown): string | undefined {
  if (!isNode(callee) || callee.type !== 'MemberExpression' || callee['computed']) return undefined
  const property = callee['property']
  return isNode(property) ? String(property['name']) : undefined
}

/** The patterns in which a node declares names. */
function bindings(node: Node): Node[] {
  switch (node.type) {
    case 'VariableDeclarator':
    case 'ClassDeclaration':
    case 'ClassExpression':
      return children(node, 'id')
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return [...children(node, 'id'), ...children(node, 'params')]
    case 'CatchClause':
      return children(node, 'param')
    case 'ImportSpecifier':
      return children(node, 'local')
    default:
      return []
  }
}

function namesOf(pattern: Node): string[] {
  const inside = (key: string): string[] => children(pattern, key).flatMap(namesOf)
  switch (pattern.type) {
    case 'Identifier':
      return [String(pattern['name'])]
    case 'ObjectPattern':
      return inside('properties')
    case 'Property':
      return inside('value')
    case 'ArrayPattern':
      return inside('elements')
    case 'AssignmentPattern':
      return inside('left')
    case 'RestElement':
      return inside('argument')
    default:
      return []
  }
}

/** Keys under which an identifier is not a variable: a property's name or a label. */
const NAME_KEYS = new Map([
  ['MemberExpression', 'property'],
  ['Property', 'key'],
  ['MethodDefinition', 'key'],
  ['PropertyDefinition', 'key'],
  ['ImportSpecifier', 'imported'],
  ['ExportSpecifier', 'exported'],
  ['LabeledStatement', 'label'],
  ['BreakStatement', 'label'],
  ['ContinueStatement', 'label'],
])

/** The identifiers directly in a node that stand for variables. */
function references(node: Node): Node[] {
  if (node.type === 'MetaProperty') return []
  const skipped = node['computed'] ? undefined : NAME_KEYS.get(node.type)
  return Object.keys(node)
    .filter((key) => key !== skipped)
    .flatMap((key) => children(node, key))
    .filter(({ type }) => type === 'Identifier')
}

function visit(node: Node, call: (node: Node) => void): void {
  call(node)
  for (const key of Object.keys(node)) for (const child of children(node, key)) visit(child, call)
}

function children(node: Node, key: string): Node[] {
  const value = node[key]
  return Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** `src/lib/text.ts:12:5` for an offset of the bundle. */
function original(code: string, positions: SourceMap, at: number): string {
  const before = code.slice(0, at).split('\n')
  const entry = positions.findEntry(before.length - 1, before.at(-1)?.length ?? 0)
  if (!('originalSource' in entry)) return `bundle, character ${at}`
  // Relative to the folder of the bundle, which is the project's root.
  return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
}
