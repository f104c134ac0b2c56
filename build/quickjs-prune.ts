/**
 * Takes out of the engine's source what the bundle does not use, so that the compiler drops everything behind it: half
 * of the binary is methods that nobody calls. Pure: text to text.
 *
 * Two kinds of it. Built-in properties are rows of tables; a row stays where the bundle has its name anywhere as a
 * property or as a string, so nothing can be missing that is asked for by a name. What the language itself needs (big
 * integers, promises, generators' relatives) is reached through the interpreter; `build/bundle-check.ts` refuses the
 * syntax for it, and the functions here stop the program.
 */
import { BuildError } from './command.ts'

/** Names that the engine itself looks up, whatever the bundle says. */
const INTERNAL: ReadonlySet<string> = new Set([
  ...['constructor', 'toString', 'valueOf', 'prototype', 'name', 'message', 'length'],
  ...['next', 'done', 'value', 'return', 'throw'],
  // Array.prototype.toString joins, a Map is filled by set, a Set by add; arrays are iterated by values.
  ...['join', 'set', 'add', 'values'],
  // What `${}` is compiled to.
  'concat',
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

/** Functions whose work nobody looks at: `stack` of an error, of which only the message is told. */
const IDLE = ['build_backtrace(']

/** Where JS_ToNumberHintFree has a string. */
const READS_NUMBER =
  '            str = JS_ToCStringLen(ctx, &len, val);\n            JS_FreeValue(ctx, val);\n            if (!str)\n                return JS_EXCEPTION;\n            p = str;\n            p += skip_spaces(p);\n            if ((p - str) == len) {\n                ret = JS_NewInt32'

/** Few, each of them measured; and the one that measures. */
const EDITS: readonly (readonly [from: string, to: string])[] = [
  // A function has neither name nor length nor, unless it is a class, a prototype: nobody here asks for them, and they
  // were most of what it costs to make a closure.
  [
    '    js_function_set_properties(ctx, func_obj, name_atom,\n                               b->defined_arg_count);\n',
    '',
  ],
  ['    js_function_set_properties(ctx, func_obj, name_atom, length);\n', ''],
  ['} else if (b->has_prototype) {', '} else if (0) {'],
  // A number of a few digits, without the general case, which reads floating-point numbers of any length.
  [
    READS_NUMBER,
    `            if (is_short_number(val, &ret)) {\n                JS_FreeValue(ctx, val);\n                break;\n            }\n${READS_NUMBER}`,
  ],
  // Object literals and growing arrays: a tenth of a boot. The short ways are in src/runtime/quickjs/engine.c.
  [
    'ret = JS_DefinePropertyValue(ctx, sp[-2], atom, sp[-1],',
    'ret = define_field(ctx, sp[-2], atom, sp[-1],',
  ],
  [
    '    JSAtom atom;\n    int ret;\n    atom = JS_ValueToAtom(ctx, prop);\n',
    '    JSAtom atom;\n    int ret;\n    if (is_next_element(this_obj, prop, flags))\n        return append_element(ctx, this_obj, val, flags);\n    atom = JS_ValueToAtom(ctx, prop);\n',
  ],
  // Nobody interrupts: looked for at each call and each jump back.
  [
    '    if (unlikely(--ctx->interrupt_counter <= 0)) {\n        return __js_poll_interrupts(ctx);\n    } else {\n        return 0;\n    }\n',
    '    return 0;\n',
  ],
  // Half of all calls are of the engine's own functions, and need no frame of the interpreter's; i++ needs no general case.
  [
    'ret_val = JS_CallInternal(ctx, call_argv[-1], JS_UNDEFINED,\n                                          JS_UNDEFINED, call_argc, call_argv, 0);',
    'ret_val = call_value(ctx, call_argv[-1], JS_UNDEFINED, call_argc, call_argv);',
  ],
  [
    'ret_val = JS_CallInternal(ctx, call_argv[-1], call_argv[-2],\n                                          JS_UNDEFINED, call_argc, call_argv, 0);',
    'ret_val = call_value(ctx, call_argv[-1], call_argv[-2], call_argc, call_argv);',
  ],
  ['            if (js_post_inc_slow(ctx, sp, opcode))\n', '            if (step_value(ctx, sp, opcode))\n'],
  // Nothing, but in a PID 1 that is profiled (src/runtime/quickjs/engine.c).
  [
    '    b->realm = JS_DupContext(ctx);\n    return obj;\n',
    '    b->realm = JS_DupContext(ctx);\n    NOTE_FUNCTION(ctx, b, s->buf_start);\n    return obj;\n',
  ],
]

/**
 * For the compiler: a local `let` or `const` is read and written without asking each time whether its declaration has been
 * passed. TypeScript refuses what is used before it, V8 asks in the node build and in the tests; here it is one of 25 instructions.
 * `this` of a derived class, and variables of modules, are asked for as ever.
 */
const TRUSTING: typeof EDITS = [
  [
    '                        } else {\n                            dbuf_putc(bc, OP_put_loc_check);\n',
    '                        } else {\n                            dbuf_putc(bc, OP_put_loc);\n',
  ],
  [
    '                        } else {\n                            dbuf_putc(bc, OP_get_loc_check);\n',
    '                        } else {\n                            dbuf_putc(bc, OP_get_loc);\n',
  ],
  [
    '                                dbuf_putc(&bc_out, OP_set_loc_uninitialized);\n                                dbuf_put_u16(&bc_out, scope_idx);\n',
    '',
  ],
]

/** The source of the compiler, which runs at the build. */
export const trustingCompiler = (source: string): string => TRUSTING.reduce(edit, source)

const TABLE = /^(static const JSCFunctionListEntry \w+\[\] = \{\n)(.*?)(^\};)/gms
const ROW = /^\s*JS_[A-Z0-9_]+\("([^"]+)"(?:, "([^"]+)")?/

/** @param names what the bundle has as properties and strings */
export function pruneEngine(source: string, names: ReadonlySet<string>): string {
  const wanted = (name: string): boolean => names.has(name) || INTERNAL.has(name) || name.startsWith('[')
  const rows = source.replaceAll(TABLE, (_, head: string, body: string, end: string) => {
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
      return name === undefined || wanted(name) || targets.has(name)
    })
    return head + kept.join('\n') + end
  })
  const stopped = UNREACHABLE.reduce((text, name) => withBody(text, name, '__builtin_trap();'), rows)
  const idle = IDLE.reduce((text, name) => withBody(text, name, ''), stopped)
  return EDITS.reduce(edit, idle).replaceAll(METHOD, '__attribute__((cold)) $&')
}

/** The head of a definition, which has no `;`; what is `inline` is so for a reason. */
const METHOD = new RegExp(
  `^static (?!.*inline)\\w[\\w *]+\\bjs_(?:${METHODS.join('|')})_\\w*\\([^;{}]*\\n\\{$`,
  'gm',
)

function edit(source: string, [from, to]: readonly [from: string, to: string]): string {
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
