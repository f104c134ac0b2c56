/* The engine as PID 1 uses it. */
#ifndef ENGINE_H
#define ENGINE_H
#include "quickjs.h"

/* Memory for the engine, with the objects of the language and nothing else. NULL: there is no memory. */
JSContext *engine_new(const JSMallocFunctions *memory);

/* Modules are asked for by the names by which they import one another. */
typedef JSModuleDef *engine_find(JSContext *ctx, const char *name, void *opaque);

/* Runs a module once, after what it imports. What it exports, or an exception. */
JSValue engine_load(JSContext *ctx, engine_find *find, const char *name);

/* Forgets what belongs to this process: its stack, and garbage. What stays is the same in every run. */
void engine_rest(JSContext *ctx);
#endif
