/*
 * Tells what the functions are that a profiled PID 1 calls (profile-build.ts): each of the bundle in the order in which the
 * engine reads them, those of the first module at the addresses that they have in PID 1's heap; and the engine's own.
 * Linked with bytecode that still has its lines, it tells these; otherwise 0.
 */
#define main init_main
#include "host.c"
#undef main

#include <stdio.h>

struct JSFunctionBytecode;
extern void (*function_noted)(JSContext *ctx, struct JSFunctionBytecode *function, const uint8_t *part);
void tell_function(JSContext *ctx, struct JSFunctionBytecode *function, const uint8_t *part);
void tell_layout(JSContext *ctx);
void tell_all_methods(JSContext *ctx);

int main(void)
{
    for (size_t i = 0; i < module_count; i++)
        printf("part %p %s\n", (const void *)modules[i].code, modules[i].name);
    function_noted = tell_function;
    if (!make_heap())
        return 1;
    tell_layout(HEAP->ctx);
    for (size_t i = 0; i < module_count; i++)
        if (!find_module(HEAP->ctx, modules[i].name, NULL))
            return 1;
    tell_all_methods(HEAP->ctx);
    return 0;
}
