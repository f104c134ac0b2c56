/*
 * The engine: QuickJS' own source in one piece with what of it PID 1 needs. build/lean/quickjs-prune.ts has taken the methods
 * out of it that the bundle does not name; here are the objects of the language without those that it does not name
 * (build/lean/bundle-check.ts has the same list), and modules without promises. So the compiler sees that nobody uses the rest.
 */
#include "engine.h"

/* Called from within the engine (EDITS of build/lean/quickjs-prune.ts): what is defined most, without the general case. */
static int define_field(JSContext *ctx, JSValueConst object, JSAtom name, JSValue value, int flags);
static int is_next_element(JSValueConst array, JSValueConst index, int flags);
static int append_element(JSContext *ctx, JSValueConst array, JSValue value, int flags);
static int is_short_number(JSValueConst text, JSValue *number);
static JSValue call_value(JSContext *ctx, JSValueConst function, JSValueConst self, int argc, JSValue *argv);
static int step_value(JSContext *ctx, JSValue *top, int opcode);
static int start_iteration(JSContext *ctx, JSValue *top);
static int next_of(JSContext *ctx, JSValue *top, int offset);
static int append_all(JSContext *ctx, JSValue *top);
static int is_growing(JSValueConst array);
static int append_each(JSContext *ctx, JSValueConst array, JSValueConst *values, uint32_t count);
static int compare_values(JSContext *ctx, JSValue *top, int is_neq);
static int copy_fields(JSContext *ctx, JSValueConst target, JSValueConst source, JSValueConst excluded);

/* test/bench/profiled-engine.c wants to know each function that is read. */
#ifndef NOTE_FUNCTION
#define NOTE_FUNCTION(ctx, function, part)
#endif

#include "quickjs.c"

/* A property of an object literal: a new one, or one with another value. */
static int define_field(JSContext *ctx, JSValueConst object, JSAtom name, JSValue value, int flags)
{
    JSObject *p = JS_VALUE_GET_OBJ(object);
    JSProperty *property;
    if (JS_VALUE_GET_TAG(object) != JS_TAG_OBJECT || p->is_exotic || !p->extensible)
        return JS_DefinePropertyValue(ctx, object, name, value, flags);
    JSShapeProperty *present = find_own_property(&property, p, name);
    if (present && (present->flags & (JS_PROP_TMASK | JS_PROP_C_W_E)) != JS_PROP_C_W_E)
        return JS_DefinePropertyValue(ctx, object, name, value, flags);
    if (present) {
        set_value(ctx, &property->u.value, value);
        return 1;
    }
    property = add_property(ctx, p, name, JS_PROP_C_W_E);
    if (!property) {
        JS_FreeValue(ctx, value);
        return -1;
    }
    property->u.value = value;
    return 1;
}

/* Whether an element is to be put behind the last one of an array without holes. */
static int is_next_element(JSValueConst array, JSValueConst index, int flags)
{
    if (JS_VALUE_GET_TAG(array) != JS_TAG_OBJECT || JS_VALUE_GET_TAG(index) != JS_TAG_INT)
        return 0;
    JSObject *p = JS_VALUE_GET_OBJ(array);
    return p->class_id == JS_CLASS_ARRAY && p->fast_array && p->extensible &&
           (uint32_t)JS_VALUE_GET_INT(index) == p->u.array.count && (flags & JS_PROP_C_W_E) == JS_PROP_C_W_E;
}

static int append_element(JSContext *ctx, JSValueConst array, JSValue value, int flags)
{
    return add_fast_array_element(ctx, JS_VALUE_GET_OBJ(array), value, flags);
}

/* {...object}: what a literal has made. Not getters; nor numbers for names, which come first, in their own order; nor
 * names that are no text: symbols, which come last, and `#private` ones, which stay where they are. */
static int copy_fields(JSContext *ctx, JSValueConst target, JSValueConst source, JSValueConst excluded)
{
    if (JS_VALUE_GET_TAG(source) != JS_TAG_OBJECT)
        return 0;
    const JSObject *p = JS_VALUE_GET_OBJ(source);
    const JSShape *shape = p->shape;
    const JSShapeProperty *properties = get_shape_prop(shape);
    if (p->is_exotic || JS_VALUE_GET_TAG(excluded) == JS_TAG_OBJECT)
        return JS_CopyDataProperties(ctx, target, source, excluded, 0);
    for (int i = 0; i < shape->prop_count; i++)
        if (properties[i].flags != JS_PROP_C_W_E || __JS_AtomIsTaggedInt(properties[i].atom) ||
            ctx->rt->atom_array[properties[i].atom]->atom_type != JS_ATOM_TYPE_STRING)
            return JS_CopyDataProperties(ctx, target, source, excluded, 0);
    for (int i = 0; i < shape->prop_count; i++)
        if (define_field(ctx, target, properties[i].atom, JS_DupValue(ctx, p->prop[i].u.value), JS_PROP_C_W_E) < 0)
            return -1;
    return 0;
}

/* `typeof x === 'string'`, which the bundler shortens to ==. */
static int compare_values(JSContext *ctx, JSValue *top, int is_neq)
{
    if (JS_VALUE_GET_TAG(top[-2]) != JS_TAG_STRING || JS_VALUE_GET_TAG(top[-1]) != JS_TAG_STRING)
        return js_eq_slow(ctx, top, is_neq);
    return js_strict_eq_slow(ctx, top, is_neq);
}

/* Digits that fit into 31 bits for sure, decimal or hexadecimal: what addresses, ports and sizes are read from. */
static int is_short_number(JSValueConst text, JSValue *number)
{
    if (JS_VALUE_GET_TAG(text) != JS_TAG_STRING)
        return 0;
    JSString *string = JS_VALUE_GET_STRING(text);
    if (string->is_wide_char || string->len == 0 || string->len > 9)
        return 0;
    const uint8_t *at = string->u.str8, *end = at + string->len;
    int base = 10;
    if (string->len > 2 && at[0] == '0' && at[1] == 'x') {
        at += 2;
        base = 16;
    }
    uint32_t value = 0;
    for (; at < end; at++) {
        uint32_t digit = *at - '0';
        if (digit > 9)
            digit = (*at | 0x20) - 'a' < 6u ? (*at | 0x20) - 'a' + 10 : 36;
        if (digit >= base)
            return 0;
        value = value * base + digit;
    }
    *number = JS_MKVAL(JS_TAG_INT, value);
    return 1;
}

static JSValue call_value(JSContext *ctx, JSValueConst function, JSValueConst self, int argc, JSValue *argv)
{
    if (JS_VALUE_GET_TAG(function) == JS_TAG_OBJECT && JS_VALUE_GET_OBJ(function)->class_id == JS_CLASS_C_FUNCTION)
        return js_call_c_function(ctx, function, self, argc, argv, 0);
    return JS_CallInternal(ctx, function, self, JS_UNDEFINED, argc, argv, 0);
}

/* i++ and i--: what was there stays, and what comes of it is put on top. */
static int step_value(JSContext *ctx, JSValue *top, int opcode)
{
    int32_t value = JS_VALUE_GET_INT(top[-1]);
    if (JS_VALUE_GET_TAG(top[-1]) != JS_TAG_INT || value == INT32_MAX || value == INT32_MIN)
        return js_post_inc_slow(ctx, top, opcode);
    top[0] = JS_MKVAL(JS_TAG_INT, opcode == OP_post_inc ? value + 1 : value - 1);
    return 0;
}

/* An array without holes, of whose class there is but one: the elements are all that can be asked for by a number. */
static JSObject *plain_array(JSValueConst value)
{
    if (JS_VALUE_GET_TAG(value) != JS_TAG_OBJECT)
        return NULL;
    JSObject *p = JS_VALUE_GET_OBJ(value);
    return p->class_id == JS_CLASS_ARRAY && p->fast_array ? p : NULL;
}

/* Whether it is as long as it has elements. */
static int is_whole(const JSObject *array)
{
    JSValue length = array->prop[0].u.value;
    return JS_VALUE_GET_TAG(length) == JS_TAG_INT && (uint32_t)JS_VALUE_GET_INT(length) == array->u.array.count;
}

/* Whether elements can be put behind the last one. */
static int is_growing(JSValueConst array)
{
    const JSObject *p = plain_array(array);
    return p && p->extensible && is_whole(p);
}

/* for (… of array), [a, b] = array: the array itself in place of an iterator, and the next index in place of its method. */
static int start_iteration(JSContext *ctx, JSValue *top)
{
    if (!plain_array(top[-1]))
        return js_for_of_start(ctx, top, FALSE);
    top[0] = JS_MKVAL(JS_TAG_INT, 0);
    return 0;
}

static int next_of(JSContext *ctx, JSValue *top, int offset)
{
    JSValue *array = top + offset, *index = array + 1;
    if (JS_VALUE_GET_TAG(*index) != JS_TAG_INT || JS_VALUE_GET_TAG(*array) != JS_TAG_OBJECT)
        return js_for_of_next(ctx, top, offset);
    const JSObject *p = JS_VALUE_GET_OBJ(*array);
    uint32_t at = JS_VALUE_GET_INT(*index), length;
    *index = JS_MKVAL(JS_TAG_INT, at + 1);
    top[1] = JS_FALSE;
    if (p->fast_array && at < p->u.array.count) {
        top[0] = JS_DupValue(ctx, p->u.array.u.values[at]);
        return 0;
    }
    /* The end; or it has got holes meanwhile, or is longer than its elements. */
    if (js_get_length32(ctx, &length, *array) < 0)
        return -1;
    if (at < length) {
        top[0] = JS_GetPropertyUint32(ctx, *array, at);
        return JS_IsException(top[0]) ? -1 : 0;
    }
    JS_FreeValue(ctx, *array);
    *array = top[0] = JS_UNDEFINED;
    top[1] = JS_TRUE;
    return 0;
}

/* Behind the last element of one that is growing. */
static int append_each(JSContext *ctx, JSValueConst array, JSValueConst *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (append_element(ctx, array, JS_DupValue(ctx, values[i]), JS_PROP_THROW) < 0)
            return -1;
    return 0;
}

/* [...array] */
static int append_all(JSContext *ctx, JSValue *top)
{
    const JSObject *from = plain_array(top[-1]), *to = JS_VALUE_GET_OBJ(top[-3]);
    if (!from || !is_whole(from) || !is_growing(top[-3]) || (uint32_t)JS_VALUE_GET_INT(top[-2]) != to->u.array.count)
        return js_append_enumerate(ctx, top);
    if (append_each(ctx, top[-3], from->u.array.u.values, from->u.array.count) < 0)
        return -1;
    top[-2] = JS_MKVAL(JS_TAG_INT, JS_VALUE_GET_INT(top[-2]) + from->u.array.count);
    return 0;
}

#define ADD_FUNCTIONS(object, list) JS_SetPropertyFunctionList(ctx, object, list, countof(list))

/* A prototype that wraps a primitive, as Number.prototype is a number. */
static JSValueConst add_primitive(JSContext *ctx, JSClassID class, JSValue primitive)
{
    JSValue proto = JS_NewObjectProtoClass(ctx, ctx->class_proto[JS_CLASS_OBJECT], class);
    JS_SetObjectData(ctx, proto, primitive);
    return ctx->class_proto[class] = proto;
}

static void add_base(JSContext *ctx)
{
    JSValueConst proto;

    ctx->throw_type_error = ctx->eval_obj = ctx->function_ctor = JS_UNDEFINED;
    ctx->global_obj = JS_NewObject(ctx);
    ctx->global_var_obj = JS_NewObjectProto(ctx, JS_NULL);
    ADD_FUNCTIONS(ctx->global_obj, js_global_funcs);

    proto = ctx->class_proto[JS_CLASS_OBJECT];
    ADD_FUNCTIONS(proto, js_object_proto_funcs);
    ADD_FUNCTIONS(JS_NewGlobalCConstructor(ctx, "Object", js_object_constructor, 1, proto), js_object_funcs);

    ADD_FUNCTIONS(ctx->function_proto, js_function_proto_funcs);

    /* The other kinds are the engine's to throw, and nobody's to name. */
    JS_NewGlobalCConstructor2(
        ctx, JS_NewCFunctionMagic(ctx, js_error_constructor, "Error", 1, JS_CFUNC_constructor_or_func_magic, -1), "Error",
        ctx->class_proto[JS_CLASS_ERROR]);

    ctx->iterator_proto = JS_NewObject(ctx);
    ADD_FUNCTIONS(ctx->iterator_proto, js_iterator_proto_funcs);

    proto = ctx->class_proto[JS_CLASS_ARRAY];
    ADD_FUNCTIONS(proto, js_array_proto_funcs);
    ctx->array_proto_values = JS_GetProperty(ctx, proto, JS_ATOM_values);
    JSValueConst array = JS_NewGlobalCConstructor(ctx, "Array", js_array_constructor, 1, proto);
    ADD_FUNCTIONS(array, js_array_funcs);
    ctx->array_ctor = JS_DupValue(ctx, array);
    ctx->class_proto[JS_CLASS_ARRAY_ITERATOR] = JS_NewObjectProto(ctx, ctx->iterator_proto);
    ADD_FUNCTIONS(ctx->class_proto[JS_CLASS_ARRAY_ITERATOR], js_array_iterator_proto_funcs);

    proto = add_primitive(ctx, JS_CLASS_NUMBER, JS_NewInt32(ctx, 0));
    ADD_FUNCTIONS(proto, js_number_proto_funcs);
    ADD_FUNCTIONS(JS_NewGlobalCConstructor(ctx, "Number", js_number_constructor, 1, proto), js_number_funcs);

    proto = add_primitive(ctx, JS_CLASS_BOOLEAN, JS_NewBool(ctx, FALSE));
    ADD_FUNCTIONS(proto, js_boolean_proto_funcs);

    proto = add_primitive(ctx, JS_CLASS_STRING, JS_AtomToString(ctx, JS_ATOM_empty_string));
    ADD_FUNCTIONS(proto, js_string_proto_funcs);
    ADD_FUNCTIONS(JS_NewGlobalCConstructor(ctx, "String", js_string_constructor, 1, proto), js_string_funcs);
    ctx->class_proto[JS_CLASS_STRING_ITERATOR] = JS_NewObjectProto(ctx, ctx->iterator_proto);
    ADD_FUNCTIONS(ctx->class_proto[JS_CLASS_STRING_ITERATOR], js_string_iterator_proto_funcs);

    ADD_FUNCTIONS(ctx->global_obj, js_math_obj);
}

static void add_collection(JSContext *ctx, JSClassID class, const char *name, JSClassID iterator)
{
    int magic = class - JS_CLASS_MAP;
    JSValue proto = ctx->class_proto[class] = JS_NewObject(ctx);
    JS_SetPropertyFunctionList(ctx, proto, js_map_proto_funcs_ptr[magic], js_map_proto_funcs_count[magic]);
    JSValue constructor =
        JS_NewCFunctionMagic(ctx, js_map_constructor, name, 0, JS_CFUNC_constructor_magic, magic);
    JS_NewGlobalCConstructor2(ctx, constructor, name, proto);
    ctx->class_proto[iterator] = JS_NewObjectProto(ctx, ctx->iterator_proto);
    magic = 4 + (iterator - JS_CLASS_MAP_ITERATOR);
    JS_SetPropertyFunctionList(ctx, ctx->class_proto[iterator], js_map_proto_funcs_ptr[magic],
                               js_map_proto_funcs_count[magic]);
}

static void add_typed_arrays(JSContext *ctx)
{
    static const struct {
        JSClassID class;
        const char *name;
    } kinds[] = {
        {JS_CLASS_UINT8_ARRAY, "Uint8Array"},
        {JS_CLASS_UINT16_ARRAY, "Uint16Array"},
        {JS_CLASS_UINT32_ARRAY, "Uint32Array"},
    };
    ctx->class_proto[JS_CLASS_ARRAY_BUFFER] = JS_NewObject(ctx);
    ADD_FUNCTIONS(ctx->class_proto[JS_CLASS_ARRAY_BUFFER], js_array_buffer_proto_funcs);

    JSValue base_proto = JS_NewObject(ctx);
    ADD_FUNCTIONS(base_proto, js_typed_array_base_proto_funcs);
    /* Array's own, which joins: `${bytes}` is their numbers. */
    JSValue text = JS_GetProperty(ctx, ctx->class_proto[JS_CLASS_ARRAY], JS_ATOM_toString);
    JS_DefinePropertyValue(ctx, base_proto, JS_ATOM_toString, text, JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JSValue base = JS_NewCFunction2(ctx, js_typed_array_base_constructor, "TypedArray", 0, JS_CFUNC_constructor_or_func, 0);
    ADD_FUNCTIONS(base, js_typed_array_base_funcs);
    JS_SetConstructor(ctx, base, base_proto);
    const JSCFunctionType function = {.generic_magic = js_typed_array_constructor};
    for (size_t i = 0; i < countof(kinds); i++) {
        JSClassID class = kinds[i].class;
        ctx->class_proto[class] = JS_NewObjectProto(ctx, base_proto);
        JSValue constructor =
            JS_NewCFunction3(ctx, function.generic, kinds[i].name, 3, JS_CFUNC_constructor_magic, class, base);
        JS_NewGlobalCConstructor2(ctx, constructor, kinds[i].name, ctx->class_proto[class]);
    }
    JS_FreeValue(ctx, base_proto);
    JS_FreeValue(ctx, base);
}

JSContext *engine_new(const JSMallocFunctions *memory)
{
    JSRuntime *rt = JS_NewRuntime2(memory, NULL);
    JSContext *ctx = rt ? JS_NewContextRaw(rt) : NULL;
    if (!ctx)
        return NULL;
    add_base(ctx);
    add_collection(ctx, JS_CLASS_MAP, "Map", JS_CLASS_MAP_ITERATOR);
    add_collection(ctx, JS_CLASS_SET, "Set", JS_CLASS_SET_ITERATOR);
    add_typed_arrays(ctx);
    return ctx;
}

/* The body of a module is an async function, as far as the engine is concerned; here none of them waits for anything. */
static int run_body(JSContext *ctx, JSModuleDef *module)
{
    JSAsyncFunctionState *state = async_func_init(ctx, module->func_obj, JS_UNDEFINED, 0, NULL);
    if (!state)
        return -1;
    JSValue result = async_func_resume(ctx, state);
    async_func_free(ctx->rt, state);
    JS_FreeValue(ctx, result);
    return JS_IsException(result) ? -1 : 0;
}

static int run_module(JSContext *ctx, JSModuleDef *module)
{
    if (module->status != JS_MODULE_STATUS_LINKED)
        return 0;
    module->status = JS_MODULE_STATUS_EVALUATED;
    for (int i = 0; i < module->req_module_entries_count; i++)
        if (run_module(ctx, module->req_module_entries[i].module) < 0)
            return -1;
    return run_body(ctx, module);
}

JSValue engine_load(JSContext *ctx, engine_find *find, const char *name)
{
    JS_SetModuleLoaderFunc(ctx->rt, NULL, find, NULL);
    JSModuleDef *module = js_host_resolve_imported_module(ctx, "", name);
    if (!module || js_resolve_module(ctx, module) < 0 || js_create_module_function(ctx, module) < 0 ||
        js_link_module(ctx, module) < 0 || run_module(ctx, module) < 0)
        return JS_EXCEPTION;
    return JS_GetModuleNamespace(ctx, module);
}

uint8_t *engine_memory(JSContext *ctx, JSValueConst array, size_t *size)
{
    JSObject *p = get_typed_array(ctx, array, FALSE);
    if (!p)
        return NULL;
    *size = p->u.typed_array->length;
    return p->u.array.u.uint8_ptr;
}

JSValue engine_string(JSContext *ctx, const uint8_t *bytes, size_t length)
{
    return js_new_string8_len(ctx, (const char *)bytes, length);
}

const uint8_t *engine_bytes(JSContext *ctx, JSValueConst string, size_t *length)
{
    /* Long strings are joined when somebody looks at the whole. It is kept, in place of the parts. */
    if (JS_VALUE_GET_TAG(string) == JS_TAG_STRING_ROPE) {
        string = js_linearize_string_rope(ctx, JS_DupValue(ctx, string));
        if (JS_IsException(string))
            return NULL;
        JS_FreeValue(ctx, string);
    }
    const JSString *p = JS_VALUE_GET_STRING(string);
    *length = p->len;
    return p->is_wide_char ? NULL : p->u.str8;
}

/* What a module has run through once: its own function, and the names of what it imports. */
static void drop_body(JSContext *ctx, JSModuleDef *module)
{
    JS_FreeValue(ctx, module->func_obj);
    module->func_obj = JS_UNDEFINED;
    for (int i = 0; i < module->import_entries_count; i++)
        JS_FreeAtom(ctx, module->import_entries[i].import_name);
    js_free(ctx, module->import_entries);
    module->import_entries = NULL;
    module->import_entries_count = module->import_entries_size = 0;
}

/* The names of variables are for messages that tell of a mistake in the bundle. */
static void drop_variable_names(JSContext *ctx, JSFunctionBytecode *function)
{
    for (int i = 0; i < function->closure_var_count; i++) {
        JS_FreeAtom(ctx, function->closure_var[i].var_name);
        function->closure_var[i].var_name = JS_ATOM_NULL;
    }
    JS_FreeAtom(ctx, function->func_name);
    function->func_name = JS_ATOM_NULL;
}

/* Methods are objects that the engine makes when one is first asked for. */
static void make_methods(JSContext *ctx, JSObject *object)
{
    for (int i = 0; i < object->shape->prop_count; i++) {
        JSShapeProperty *property = get_shape_prop(object->shape) + i;
        if ((property->flags & JS_PROP_TMASK) == JS_PROP_AUTOINIT &&
            js_autoinit_get_id(&object->prop[i]) == JS_AUTOINIT_ID_PROP)
            JS_AutoInitProperty(ctx, object, property->atom, &object->prop[i], property);
    }
}

void engine_rest(JSContext *ctx)
{
    struct list_head *each;
    list_for_each(each, &ctx->rt->gc_obj_list) {
        JSGCObjectHeader *object = list_entry(each, JSGCObjectHeader, link);
        if (object->gc_obj_type == JS_GC_OBJ_TYPE_JS_OBJECT)
            make_methods(ctx, (JSObject *)object);
    }
    list_for_each(each, &ctx->loaded_modules)
        drop_body(ctx, list_entry(each, JSModuleDef, link));
    list_for_each(each, &ctx->rt->gc_obj_list) {
        JSGCObjectHeader *object = list_entry(each, JSGCObjectHeader, link);
        if (object->gc_obj_type == JS_GC_OBJ_TYPE_FUNCTION_BYTECODE)
            drop_variable_names(ctx, (JSFunctionBytecode *)object);
    }
    JS_RunGC(ctx->rt);
    ctx->rt->stack_top = ctx->rt->stack_limit = 0;
}
