import { describe, expect, it, test } from 'vitest'
import { mentionedNames } from '../../../build/lean/bundle-check.ts'
import { pruneEngine } from '../../../build/lean/quickjs-prune.ts'

const TABLE = `static const JSCFunctionListEntry js_text_funcs[] = {
    JS_CFUNC_DEF("trim", 0, js_text_trim ),
    JS_CFUNC_MAGIC_DEF("find", 1, js_text_find, 0 ),
    JS_ALIAS_DEF("trimLeft", "trimStart" ),
    JS_CFUNC_DEF("trimStart", 0, js_text_trim_start ),
    JS_CFUNC_DEF("toString", 0, js_text_to_string ),
    JS_ALIAS_DEF("[Symbol.iterator]", "pieces" ),
    JS_CFUNC_DEF("pieces", 0, js_text_pieces ),
};
`

/** Every function that pruning looks for, as quickjs.c writes them. */
const FUNCTIONS = [
  ['static JSValue', 'js_bigint_add(JSContext *ctx)'],
  ['static JSValue', 'JS_StringToBigInt(JSContext *ctx)'],
  ['static JSValue', 'JS_ToBigIntFree(JSContext *ctx)'],
  ['static JSValue', 'js_dynamic_import(JSContext *ctx)'],
  [
    'static JSValue',
    'JS_CreateAsyncFromSyncIterator(JSContext *ctx,\n                                   JSValueConst iterator)',
  ],
  ['static int', 'js_async_function_resolve_create(JSContext *ctx)'],
  ['static __exception int', 'perform_promise_then(JSContext *ctx)'],
  ['static JSValue', 'js_promise_resolve(JSContext *ctx)'],
  ['static JSValue', 'js_promise_constructor(JSContext *ctx)'],
  ['static JSValue', 'js_new_promise_capability(JSContext *ctx)'],
  ['static void', 'js_async_generator_free(JSContext *ctx)'],
  ['static JSValue', 'JS_EvalObject(JSContext *ctx)'],
  ['static JSValue', 'JS_EvalInternal(JSContext *ctx)'],
  ['static JSValue', 'js_regexp_constructor_internal(JSContext *ctx)'],
  ['static void', 'build_backtrace(JSContext *ctx)'],
  ['static int', 'JS_DefineObjectName(JSContext *ctx)'],
  ['static int', 'JS_DefineObjectNameComputed(JSContext *ctx)'],
  ['static double', 'js_pow(double a, double b)'],
  ['void', 'JS_DumpMemoryUsage(JSContext *ctx)'],
].map(([type, head]) => `${type} ${head}\n{\n    return work();\n}\n`)

const prune = (source: string, ...names: string[]): string =>
  pruneEngine(source + FUNCTIONS.join(''), new Set(names)).split('static JSValue js_bigint_add')[0] ?? ''

describe('pruneEngine', () => {
  it('keeps the rows that the bundle names and those that the engine looks up itself', () => {
    const rows = prune(TABLE, 'trim').match(/"[^"]+"/g)
    expect(rows).toEqual(['"trim"', '"toString"', '"[Symbol.iterator]"', '"pieces"', '"pieces"'])
  })

  it('keeps the row that an alias refers to', () => {
    expect(prune(TABLE, 'trimLeft')).toContain('JS_CFUNC_DEF("trimStart"')
  })

  it('leaves the rest of the source as it is', () => {
    const other = 'static int helper(int a)\n{\n    return JS_CFUNC_DEF("x", a);\n}\n'
    expect(prune(other)).toBe(other)
  })

  it('marks methods, and nothing else, to be compiled for size', () => {
    const method =
      'static JSValue js_string_trim(JSContext *ctx, JSValueConst this_val,\n    int argc)\n{\n}\n'
    const others = [
      'static JSValue js_string_trim(JSContext *ctx);\n',
      'static inline int js_string_length(JSContext *ctx)\n{\n}\n',
      'static JSValue js_call_c_function(JSContext *ctx)\n{\n}\n',
      'static JSValue helper(JSContext *ctx)\n{\n    return js_string_trim(ctx);\n}\n',
    ]
    expect(prune(method)).toBe(`__attribute__((cold)) ${method}`)
    expect(prune(others.join(''))).toBe(others.join(''))
  })

  it('replaces functions that nothing can reach, and those whose results nothing looks at', () => {
    const pruned = pruneEngine(FUNCTIONS.join(''), new Set())
    expect(pruned).not.toContain('work()')
    expect(pruned.split('__builtin_trap()').length - 1).toBe(FUNCTIONS.length - 3)
  })

  it('refuses a source that lacks one of these functions', () => {
    expect(() => pruneEngine(FUNCTIONS.slice(1).join(''), new Set())).toThrow('no function js_bigint_')
  })
})

describe('mentionedNames', () => {
  test.each([
    ['methods', 'a.trim().b', ['trim', 'b']],
    ['patterns', 'const { length: n, ...rest } = host.list', ['host', 'length', 'list']],
    ['strings', 'host["put"]', ['host', 'put']],
    ['globals, but not variables', 'const local = Math; host(local)', ['Math', 'host']],
  ])('has %s', (_, code, expected) => {
    const names = mentionedNames(code)
    for (const name of expected) expect(names).toContain(name)
    expect(names).not.toContain('local')
    expect(names).not.toContain('n')
  })
})
