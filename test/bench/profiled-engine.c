/*
 * The engine of a PID 1 whose functions are told apart (profile-build.ts): the product's own, which besides passes each
 * function that it has read through note_function(). profile-tool.c looks there; function-list.c tells what they are.
 */
#include "engine.h"

struct JSFunctionBytecode;
void note_function(JSContext *ctx, struct JSFunctionBytecode *function, const uint8_t *part);
#define NOTE_FUNCTION note_function

#include "engine.c"

void (*function_noted)(JSContext *ctx, JSFunctionBytecode *function, const uint8_t *part);

__attribute__((noinline)) void note_function(JSContext *ctx, JSFunctionBytecode *function, const uint8_t *part)
{
    if (function_noted)
        function_noted(ctx, function, part);
}

/* Where it begins, as far as the bytecode still tells: line and column count from 0. */
void tell_function(JSContext *ctx, JSFunctionBytecode *function, const uint8_t *part)
{
    int column, line = find_line_num(ctx, function, -1, &column);
    printf("function %p %p %d %d\n", (const void *)part, (void *)function, line - 1, column - 1);
}

/* What profile-tool.c has to know of the engine's structures, in its order. */
void tell_layout(JSContext *ctx)
{
    printf("layout %p %zu %zu %d %zu %zu %zu\n", (void *)&ctx->rt->current_stack_frame, offsetof(JSStackFrame, cur_func),
           offsetof(JSObject, class_id), JS_CLASS_C_FUNCTION, offsetof(JSObject, u.func.function_bytecode),
           offsetof(JSObject, u.cfunc.c_function), offsetof(JSObject, u.cfunc.magic));
}

static void tell_method(const char *owner, const char *name, const void *function, int magic)
{
    printf("method %p %d %s%s\n", function, magic, owner, name);
}

static void tell_methods(JSContext *ctx, const char *owner, JSObject *object)
{
    JSShapeProperty *row = get_shape_prop(object->shape);
    for (int i = 0; i < object->shape->prop_count; i++, row++) {
        JSProperty *property = &object->prop[i];
        const char *name = row->atom == JS_ATOM_NULL ? NULL : JS_AtomToCString(ctx, row->atom);
        if (!name)
            continue;
        const int kind = row->flags & JS_PROP_TMASK;
        JSObject *found = NULL;
        if (kind == JS_PROP_AUTOINIT) {
            const JSCFunctionListEntry *entry = property->u.init.opaque;
            if (entry && entry->def_type == JS_DEF_CFUNC)
                tell_method(owner, name, entry->u.func.cfunc.generic, entry->magic);
        } else if (kind == JS_PROP_GETSET) {
            found = property->u.getset.getter;
        } else if (kind == JS_PROP_NORMAL && JS_VALUE_GET_TAG(property->u.value) == JS_TAG_OBJECT) {
            found = JS_VALUE_GET_OBJ(property->u.value);
        }
        if (found && found->class_id == JS_CLASS_C_FUNCTION && row->atom != JS_ATOM_constructor)
            tell_method(owner, name, found->u.cfunc.c_function.generic, found->u.cfunc.magic);
        JS_FreeCString(ctx, name);
    }
}

/* The engine's own functions that the bundle may call, as the language calls them. */
void tell_all_methods(JSContext *ctx)
{
    JSObject *global = JS_VALUE_GET_OBJ(ctx->global_obj);
    tell_methods(ctx, "", global);
    JSShapeProperty *row = get_shape_prop(global->shape);
    for (int i = 0; i < global->shape->prop_count; i++, row++) {
        JSValue value = global->prop[i].u.value;
        if ((row->flags & JS_PROP_TMASK) != JS_PROP_NORMAL || JS_VALUE_GET_TAG(value) != JS_TAG_OBJECT)
            continue;
        char owner[64];
        const char *name = JS_AtomToCString(ctx, row->atom);
        snprintf(owner, sizeof owner, "%s.", name);
        JS_FreeCString(ctx, name);
        tell_methods(ctx, owner, JS_VALUE_GET_OBJ(value));
    }
    for (int class = 1; class < ctx->rt->class_count; class++) {
        JSValue proto = ctx->class_proto[class];
        if (JS_VALUE_GET_TAG(proto) != JS_TAG_OBJECT)
            continue;
        char owner[64];
        const char *name = JS_AtomToCString(ctx, ctx->rt->class_array[class].class_name);
        snprintf(owner, sizeof owner, "%s.prototype.", name);
        JS_FreeCString(ctx, name);
        tell_methods(ctx, owner, JS_VALUE_GET_OBJ(proto));
        JSObject *parent = JS_VALUE_GET_OBJ(proto)->shape->proto;
        if (class == JS_CLASS_UINT8_ARRAY && parent)
            tell_methods(ctx, "TypedArray.prototype.", parent);
    }
}
