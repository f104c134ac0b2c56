/* The engine as PID 1 uses it. */
#ifndef ENGINE_H
#define ENGINE_H
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

/* Makes an engine with the objects of the language and nothing else. NULL if there is no memory. */
JSContext *engine_new(const JSMallocFunctions *memory);

/* Finds a module by the name by which others import it. */
typedef JSModuleDef *engine_find(JSContext *ctx, const char *name, void *opaque);

/* Runs a module once, after what it imports. Returns its exports, or an exception. */
JSValue engine_load(JSContext *ctx, engine_find *find, const char *name);

/* The memory of a typed array, which stays where it is until its buffer is freed; NULL with an exception for anything else. */
uint8_t *engine_memory(JSContext *ctx, JSValueConst array, size_t *size);

/* A string of characters up to U+00FF, from and to bytes. The engine keeps such strings as bytes, with a final NUL. */
JSValue engine_string(JSContext *ctx, const uint8_t *bytes, size_t length);
/* Valid as long as the string is, and read-only. NULL if there is a higher character, or, with an exception, no memory. */
const uint8_t *engine_bytes(JSContext *ctx, JSValueConst string, size_t *length);

/* Drops what belongs to this process, and garbage. What is left is the same in every run. */
void engine_rest(JSContext *ctx);
#endif
