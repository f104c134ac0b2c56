/**
 * Takes out of the engine's source what the bundle does not use, so that the compiler drops everything behind it: half
 * of the binary is methods that nobody calls. Pure: text to text.
 *
 * Two kinds of it. Built-in properties are rows of tables; a row stays where the bundle has its name anywhere as a
 * property or as a string, so nothing can be missing that is asked for by a name. What the language itself needs (big
 * integers, promises, generators' relatives) is reached through the interpreter; `build/lean/bundle-check.ts` refuses the
 * syntax for it, and the functions here stop the program.
 */
import {
  arrayMethods,
  mathMethods,
  stringMethods,
  typedArrayFunctions,
} from '../../src/runtime/quickjs/methods.ts'
import { BuildError } from '../command.ts'
import { type Edit, ENGINE_EDITS, FEWER, TRUSTING } from './quickjs-edits.ts'

/** Names that the engine itself looks up, whatever the bundle says. */
const INTERNAL: ReadonlySet<string> = new Set([
  ...['constructor', 'toString', 'valueOf', 'prototype', 'name', 'message', 'length'],
  ...['next', 'done', 'value', 'return', 'throw'],
  // Array.prototype.toString joins, a Map is filled by set, a Set by add; arrays are iterated by values.
  ...['join', 'set', 'add', 'values'],
  // What `${}` is compiled to.
  'concat',
])

/** What is in bytecode instead, by the table that has the engine's. */
const REPLACED: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['js_array_proto_funcs', new Set(Object.keys(arrayMethods))],
  ['js_string_proto_funcs', new Set(Object.keys(stringMethods))],
  ['js_typed_array_base_funcs', new Set(Object.keys(typedArrayFunctions))],
  ['js_math_funcs', new Set(Object.keys(mathMethods))],
])

/** Functions by the beginning of their names that only syntax can reach which the bundle has not. */
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

/**
 * The methods of built-in objects, by the beginning of their names: compiled for size, since a boot goes through each of them
 * a few times. 13 KB, and no instruction more.
 */
const METHODS = [
  ...['array', 'array_buffer', 'boolean', 'error', 'function', 'global', 'iterator', 'map', 'math', 'number'],
  ...['object', 'string', 'typed_array'],
]

/** Functions whose work nobody looks at: `stack` of an error, of which only the message is told, and `name` of a function. */
const IDLE = [
  ['build_backtrace(', ''],
  ['JS_DefineObjectName(', 'return 0;'],
  ['JS_DefineObjectNameComputed(', 'return 0;'],
] as const

/** The source of the compiler, which runs at the build. */
export const editCompiler = (source: string): string => [...TRUSTING, ...FEWER].reduce(edit, source)

const TABLE = /^(static const JSCFunctionListEntry (\w+)\[\] = \{\n)(.*?)(^\};)/gms
const ROW = /^\s*JS_[A-Z0-9_]+\("([^"]+)"(?:, "([^"]+)")?/

/** @param names what the bundle has as properties and strings */
export function pruneEngine(source: string, names: ReadonlySet<string>): string {
  const wanted = (name: string): boolean => names.has(name) || INTERNAL.has(name) || name.startsWith('[')
  const rows = source.replaceAll(TABLE, (_, head: string, table: string, body: string, end: string) => {
    const replaced = REPLACED.get(table)
    const lines = body.split('\n')
    // An alias needs what it is another name of.
    const targets = new Set(
      lines.flatMap((line) => {
        const [, name, target] = line.includes('JS_ALIAS_') ? (ROW.exec(line) ?? []) : []
        return name !== undefined && target !== undefined && wanted(name) ? [target] : []
      }),
    )
    const kept = lines.filter((line) => {
      const name = ROW.exec(line)?.[1]
      if (name === undefined) return true
      return (wanted(name) || targets.has(name)) && !replaced?.has(name)
    })
    return head + kept.join('\n') + end
  })
  const stopped = UNREACHABLE.reduce((text, name) => withBody(text, name, '__builtin_trap();'), rows)
  const idle = IDLE.reduce((text, [name, body]) => withBody(text, name, body), stopped)
  return ENGINE_EDITS.reduce(edit, idle).replaceAll(METHOD, '__attribute__((cold)) $&')
}

/** The head of a definition, which has no `;`; what is `inline` is so for a reason. */
const METHOD = new RegExp(
  `^static (?!.*inline)\\w[\\w *]+\\bjs_(?:${METHODS.join('|')})_\\w*\\([^;{}]*\\n\\{$`,
  'gm',
)

function edit(source: string, [from, to]: Edit): string {
  if (source.split(from).length !== 2)
    throw new BuildError(`the engine's source has not once: ${from.trim()}`)
  return source.replace(from, to)
}

/** Replaces the bodies of functions whose names begin so. */
function withBody(source: string, name: string, body: string): string {
  const definition = new RegExp(
    `^((?:[a-zA-Z_][^\\n;{}#]*[ *])?${quoted(name)}[^;{}#]*\\)\\n)\\{\\n[\\s\\S]*?^\\}\\n`,
    'gm',
  )
  let found = false
  const result = source.replaceAll(definition, (_, head: string) => {
    found = true
    return `${head}{ ${body} }\n`
  })
  if (!found) throw new BuildError(`the engine's source has no function ${name}`)
  return result
}

const quoted = (text: string): string => text.replaceAll('(', '\\(')
