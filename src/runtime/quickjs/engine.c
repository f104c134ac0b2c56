/*
 * The engine: QuickJS' own source with PID 1's part of it, in one piece. build/lean/quickjs-prune.ts has taken out the methods
 * that the bundle does not name; here are the global objects that PID 1 uses (build/lean/bundle-check.ts has the same list),
 * and modules without promises. So the compiler can see that nothing uses the rest, and leaves it out.
 */
#include "engine.h"

#include "quickjs.c"

#define ADD_FUNCTIONS(object, list) JS_SetPropertyFunctionList(ctx, object, list, countof(list))

/* Makes a prototype that wraps a primitive: Number.prototype is a number. */
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

    /* The engine throws the other kinds of errors; no code names them. */
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
    /* Array's own, which joins: `${bytes}` gives their numbers. */
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

/* The engine compiles the body of a module to an async function; none of ours awaits anything. */
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
    /* A concatenated string is a rope until somebody reads it. Joining replaces its parts. */
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

/* Drops what a module needs only once: its body, and the names of its imports. */
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

/* Drops the names of variables, which only messages about mistakes in the bundle have. */
static void drop_variable_names(JSContext *ctx, JSFunctionBytecode *function)
{
    for (int i = 0; i < function->closure_var_count; i++) {
        JS_FreeAtom(ctx, function->closure_var[i].var_name);
        function->closure_var[i].var_name = JS_ATOM_NULL;
    }
    JS_FreeAtom(ctx, function->func_name);
    function->func_name = JS_ATOM_NULL;
}

/* Makes the methods, which the engine does when one is first used: in the build instead of in each boot. */
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
