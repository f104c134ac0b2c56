/**
 * Removes from the engine's source what the bundle does not use, so that the compiler can drop everything behind it: half of
 * the binary would be methods that nothing calls. Pure: text to text.
 *
 * Built-in properties are rows of tables. A row stays if the bundle has its name anywhere, as a property or as a string, so
 * nothing that is looked up by name can be missing. What only syntax reaches (big integers, generators, …) becomes a trap:
 * build/lean/bundle-check.ts refuses that syntax.
 */
import { BuildError } from '../command.ts'

/** Names that the engine itself looks up, whatever the bundle has. */
const INTERNAL: ReadonlySet<string> = new Set([
  ...['constructor', 'toString', 'valueOf', 'prototype', 'name', 'message', 'length'],
  ...['next', 'done', 'value', 'return', 'throw'],
  // Array.prototype.toString calls join, new Map calls set, new Set calls add; an array is iterated by values.
  ...['join', 'set', 'add', 'values'],
  // What `${}` is compiled to.
  'concat',
])

/** Functions, by the beginning of their names, that only syntax reaches which no bundle has. */
const UNREACHABLE = [
  // 10n and BigInt
  'js_bigint_',
  'JS_StringToBigInt',
  'JS_ToBigIntFree',
  // async, await, import()
  'js_dynamic_import',
  'JS_CreateAsyncFromSyncIterator',
  'js_async_function_resolve_create',
  'perform_promise_then',
  'js_promise_resolve(',
  'js_promise_constructor',
  'js_new_promise_capability',
  'js_async_generator_',
  // eval
  'JS_EvalObject',
  'JS_EvalInternal',
  // a ** b
  'js_pow(',
  // RegExp
  'js_regexp_constructor_internal',
  // console.log of the debugger
  'JS_DumpMemoryUsage',
]

/** Methods of built-in objects, by the beginning of their names: compiled for size, since a boot runs each a few times. */
const METHODS = [
  ...['array', 'array_buffer', 'boolean', 'error', 'function', 'global', 'iterator', 'map', 'math', 'number'],
  ...['object', 'string', 'typed_array'],
]

/** Functions whose result nothing looks at, with the body that they get: an error's `stack`, a function's `name`. */
const UNUSED_RESULTS = [
  ['build_backtrace(', ''],
  ['JS_DefineObjectName(', 'return 0;'],
  ['JS_DefineObjectNameComputed(', 'return 0;'],
] as const

const TABLE = /^(static const JSCFunctionListEntry \w+\[\] = \{\n)(.*?)(^\};)/gms
const ROW = /^\s*JS_[A-Z0-9_]+\("([^"]+)"(?:, "([^"]+)")?/

/** @param names what the bundle has as properties and strings */
export function pruneEngine(source: string, names: ReadonlySet<string>): string {
  const rows = source.replaceAll(
    TABLE,
    (_, head: string, body: string, end: string) => head + pruneRows(body, names) + end,
  )
  const stopped = UNREACHABLE.reduce((text, name) => withBody(text, name, '__builtin_trap();'), rows)
  const pruned = UNUSED_RESULTS.reduce((text, [name, body]) => withBody(text, name, body), stopped)
  return pruned.replaceAll(METHOD, '__attribute__((cold)) $&')
}

function pruneRows(body: string, names: ReadonlySet<string>): string {
  const wanted = (name: string): boolean => names.has(name) || INTERNAL.has(name) || name.startsWith('[')
  const lines = body.split('\n')
  // An alias needs the row that it is an alias of.
  const targets = new Set(
    lines.flatMap((line) => {
      const [, name, target] = line.includes('JS_ALIAS_') ? (ROW.exec(line) ?? []) : []
      return name !== undefined && target !== undefined && wanted(name) ? [target] : []
    }),
  )
  const kept = lines.filter((line) => {
    const name = ROW.exec(line)?.[1]
    return name === undefined || wanted(name) || targets.has(name)
  })
  return kept.join('\n')
}

/** The head of a definition, which has no `;`. Functions that are `inline` are so for a reason. */
const METHOD = new RegExp(
  `^static (?!.*inline)\\w[\\w *]+\\bjs_(?:${METHODS.join('|')})_\\w*\\([^;{}]*\\n\\{$`,
  'gm',
)

/** Replaces the bodies of the functions whose names begin with `name`. */
function withBody(source: string, name: string, body: string): string {
  const definition = new RegExp(
    `^((?:[a-zA-Z_][^\\n;{}#]*[ *])?${name.replaceAll('(', '\\(')}[^;{}#]*\\)\\n)\\{\\n[\\s\\S]*?^\\}\\n`,
    'gm',
  )
  let found = false
  const result = source.replaceAll(definition, (_, head: string) => {
    found = true
    return `${head}{ ${body} }\n`
  })
  if (!found) {
    throw new BuildError(
      `the engine's source has no function ${name}`,
      'build/lean/quickjs-prune.ts lists it. docs/engine.md says how to move to another release.',
    )
  }
  return result
}
