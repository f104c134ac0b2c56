/** The small changes that can be made to a source file, each of which some test should notice. Pure. */

import { createHash } from 'node:crypto'
import { parseSync } from 'rolldown/utils'

export interface Mutation {
  readonly file: string
  readonly line: number
  /** What kind of change it is: `negate`, `compare`, … */
  readonly operator: Operator
  /** What is replaced, by its place in the text. */
  readonly start: number
  readonly end: number
  readonly before: string
  readonly after: string
  /** The same for the same change of the same line, wherever the line has moved: see `draw`. */
  readonly id: string
}

export type Operator =
  /** `if (x)` → `if (!(x))`, and `x ? …` alike */
  | 'negate'
  /** `<` ↔ `<=`, `>` ↔ `>=`, `===` ↔ `!==` */
  | 'compare'
  /** `&&` ↔ `||` */
  | 'logic'
  /** `+` ↔ `-`, `*` ↔ `/`, `<<` ↔ `>>` */
  | 'arithmetic'
  /** one flag less: `a | b` → `a` */
  | 'flag'
  /** `-x` → `x`, `!x` → `x` */
  | 'sign'
  /** a call or an assignment less */
  | 'drop'
  /** `2` → `3`; from ten on the double, `1000` → `2000`: one more would be no other behaviour */
  | 'number'
  /** `true` ↔ `false` */
  | 'boolean'
  /** `x.reverse()` → `x`, and others that put things in order */
  | 'order'

/** A node of the syntax tree (https://github.com/estree/estree), as far as it matters here. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value && 'end' in value

const COMPARE: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
}
const ARITHMETIC: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
}
const LOGIC: Readonly<Record<string, string>> = { '&&': '||', '||': '&&' }
const ORDER = ['reverse', 'sort', 'toReversed', 'toSorted']

/** A call that only helps whoever debugs PID 1: nobody is promised its words. */
const UNPROMISED = /^debug\(/

type Change = readonly [operator: Operator, start: number, end: number, after: string]

/** All changes that can be made to a file, in the order of their places. Some of them won't compile. */
export function mutationsOf(file: string, text: string): Mutation[] {
  const { program, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const changes: Change[] = []
  const visit = (node: Node): void => {
    // Types change nothing that runs.
    if (node.type.startsWith('TS') && !EXPRESSIONS.includes(node.type)) return
    if (node.type === 'ImportDeclaration') return
    changes.push(...changesOf(node, text))
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child)
    }
  }
  if (isNode(program)) visit(program)
  return named(file, text, changes)
}

/** TypeScript's own expressions, inside which there are others. */
const EXPRESSIONS = ['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression']

function changesOf(node: Node, text: string): Change[] {
  switch (node.type) {
    case 'IfStatement':
    case 'ConditionalExpression':
      return negated(node, text)
    case 'BinaryExpression':
    case 'LogicalExpression':
      return operated(node, text)
    case 'UnaryExpression':
      return node['operator'] === '-' || node['operator'] === '!'
        ? [['sign', node.start, node.start + 1, '']]
        : []
    case 'ExpressionStatement':
      return dropped(node, text)
    case 'Literal':
      return literal(node, text)
    case 'CallExpression':
      return unordered(node)
    default:
      return []
  }
}

function negated({ test }: Node, text: string): Change[] {
  if (!isNode(test)) return []
  return [['negate', test.start, test.end, `!(${text.slice(test.start, test.end)})`]]
}

function operated({ left, right, operator }: Node, text: string): Change[] {
  if (!isNode(left) || !isNode(right) || typeof operator !== 'string') return []
  if (operator === '|') return [['flag', left.end, right.end, '']]
  const tables = [
    ['compare', COMPARE],
    ['logic', LOGIC],
    ['arithmetic', ARITHMETIC],
  ] as const
  const at = text.indexOf(operator, left.end)
  return tables.flatMap(([name, table]): Change[] => {
    const other = Object.hasOwn(table, operator) ? table[operator] : undefined
    return other === undefined ? [] : [[name, at, at + operator.length, other]]
  })
}

function dropped({ expression, start, end }: Node, text: string): Change[] {
  if (!isNode(expression) || UNPROMISED.test(text.slice(start, end))) return []
  const isEffect = ['CallExpression', 'AssignmentExpression', 'AwaitExpression', 'UpdateExpression'].includes(
    expression.type,
  )
  return isEffect ? [['drop', start, end, '{}']] : []
}

function literal({ value, start, end }: Node, text: string): Change[] {
  if (typeof value === 'boolean') return [['boolean', start, end, String(!value)]]
  if (typeof value !== 'number') return []
  const other = value < 10 ? value + 1 : value * 2
  const isHex = text.slice(start, end).startsWith('0x')
  return [['number', start, end, isHex ? `0x${other.toString(16)}` : `${other}`]]
}

function unordered({ callee, end }: Node): Change[] {
  if (!isNode(callee) || callee.type !== 'MemberExpression') return []
  const { object, property } = callee
  if (!isNode(object) || !isNode(property) || typeof property['name'] !== 'string') return []
  return ORDER.includes(property['name']) ? [['order', object.end, end, '']] : []
}

function named(file: string, text: string, changes: readonly Change[]): Mutation[] {
  const seen = new Map<string, number>()
  return changes
    .toSorted(([, a], [, b]) => a - b)
    .map(([operator, start, end, after]) => {
      const before = text.slice(start, end)
      const [lineStart, lineEnd] = [text.lastIndexOf('\n', start - 1) + 1, text.indexOf('\n', start)]
      const place = text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd).trim()
      const what = [file, place, operator, start - lineStart, before].join('\0')
      const times = seen.get(what) ?? 0
      seen.set(what, times + 1)
      const id = createHash('sha256').update(`${what}\0${times}`).digest('hex').slice(0, 16)
      return { file, line: text.slice(0, start).split('\n').length, operator, start, end, before, after, id }
    })
}

/** The text with the change made. */
export const apply = (text: string, { start, end, after }: Mutation): string =>
  text.slice(0, start) + after + text.slice(end)

/**
 * All of them in an order that only the seed decides, to be taken from the front. Where the source changes elsewhere, what
 * is drawn stays the same.
 */
export function draw(mutations: readonly Mutation[], seed: number): Mutation[] {
  const rank = ({ id }: Mutation): string => createHash('sha256').update(`${seed} ${id}`).digest('hex')
  return mutations
    .map((mutation) => ({ mutation, rank: rank(mutation) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ mutation }) => mutation)
}
