/**
 * What of the engine's source is written otherwise, each text once and in its place: a new release that has it no longer
 * stops the build. The shorter ways are in src/runtime/quickjs/engine.c; test/kernel/contract/contract.ts holds that they
 * do what the language says.
 */

export type Edit = readonly [from: string, to: string]

/** Where JS_ToNumberHintFree has a string. */
const READS_NUMBER =
  '            str = JS_ToCStringLen(ctx, &len, val);\n            JS_FreeValue(ctx, val);\n            if (!str)\n                return JS_EXCEPTION;\n            p = str;\n            p += skip_spaces(p);\n            if ((p - str) == len) {\n                ret = JS_NewInt32'

/** Where js_array_push begins. */
const PUSHES =
  '    obj = JS_ToObject(ctx, this_val);\n    if (js_get_length64(ctx, &len, obj))\n        goto exception;\n    newLen = len + argc;\n    if (newLen > MAX_SAFE_INTEGER)'

/** To the engine that runs: each of them measured; and the one that measures. */
export const ENGINE_EDITS: readonly Edit[] = [
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
  // Text is searched by memchr(3), which looks at eight bytes at once, and in one way for all methods.
  [
    '            for (i = from; i < len; i++) {\n                if (p->u.str8[i] == (uint8_t)c)\n                    return i;\n            }\n',
    '            const uint8_t *found = memchr(p->u.str8 + from, c, len - from);\n            return found ? found - p->u.str8 : -1;\n',
  ],
  [
    '    if (len >= v_len && inc * (stop - start) >= 0) {\n',
    '    if (!lastIndexOf)\n        ret = string_indexof(p, p1, start);\n    else if (len >= v_len && inc * (stop - start) >= 0) {\n',
  ],
  [
    '    if (start >= 0 && start <= stop) {\n        for (i = start;; i++) {\n',
    '    if (magic == 0)\n        ret = string_indexof(p, p1, start) >= 0;\n    else if (start >= 0 && start <= stop) {\n        for (i = start;; i++) {\n',
  ],
  // It is split at strings, which have no method of their own for it.
  [
    '    if (!JS_IsUndefined(separator) && !JS_IsNull(separator)) {\n        JSValue splitter;\n',
    '    if (0) {\n        JSValue splitter;\n',
  ],
  // Arrays are what is iterated, spread and pushed to; none is without the methods of its class.
  ['            if (js_for_of_start(ctx, sp, FALSE))\n', '            if (start_iteration(ctx, sp))\n'],
  [
    '                if (js_for_of_next(ctx, sp, offset))\n',
    '                if (next_of(ctx, sp, offset))\n',
  ],
  ['                if (js_append_enumerate(ctx, sp))\n', '                if (append_all(ctx, sp))\n'],
  [
    PUSHES,
    `    if (!unshift && is_growing(this_val)) {
        if (append_each(ctx, this_val, argv, argc) < 0)
            return JS_EXCEPTION;
        return JS_NewInt32(ctx, JS_VALUE_GET_OBJ(this_val)->u.array.count);
    }
${PUSHES}`,
  ],
  [
    '                    ret = JS_DefinePropertyValue(ctx, ret_val, __JS_AtomFromUInt32(i), call_argv[i],\n                                                 JS_PROP_C_W_E | JS_PROP_THROW);\n',
    '                    ret = append_element(ctx, ret_val, call_argv[i], 0);\n',
  ],
  ['js_eq_slow(ctx, sp, 0));', 'compare_values(ctx, sp, 0));'],
  ['js_eq_slow(ctx, sp, 1));', 'compare_values(ctx, sp, 1));'],
  // {...object}: a literal like others.
  [
    '                if (JS_CopyDataProperties(ctx, sp[-1 - (mask & 3)],\n                                          sp[-1 - ((mask >> 2) & 7)],\n                                          sp[-1 - ((mask >> 5) & 7)], 0))\n',
    '                if (copy_fields(ctx, sp[-1 - (mask & 3)], sp[-1 - ((mask >> 2) & 7)], sp[-1 - ((mask >> 5) & 7)]))\n',
  ],
  // Nobody has classes that say themselves what is one of them, or what a part of a typed array is.
  [
    '    method = JS_GetProperty(ctx, obj, JS_ATOM_Symbol_hasInstance);\n    if (JS_IsException(method))\n        return -1;\n    if (!JS_IsNull(method)',
    '    method = JS_UNDEFINED;\n    if (!JS_IsNull(method)',
  ],
  [
    '    arr = js_typed_array___speciesCreate(ctx, JS_UNDEFINED, 4, args);\n    JS_FreeValue(ctx, ta_buffer);',
    '    arr = js_typed_array_constructor(ctx, JS_UNDEFINED, 3, args + 1, p->class_id);\n    JS_FreeValue(ctx, ta_buffer);',
  ],
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
export const TRUSTING: readonly Edit[] = [
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

/**
 * For the compiler: one instruction for what it has several of, since each of the interpreter's is code that an emulator
 * has to translate. A number of a byte is the second byte, wherever there is such an instruction.
 */
export const FEWER: readonly Edit[] = [
  ['#if SHORT_OPCODES\n    if (idx < 4) {\n', '#if SHORT_OPCODES\n    if (0) {\n'],
  ['    if (val >= -1 && val <= 7) {\n', '    if (0) {\n'],
]
