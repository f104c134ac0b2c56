/* What build/lean/lean.ts generates for the program. */
#ifndef BUNDLE_H
#define BUNDLE_H
#include <stddef.h>
#include <stdint.h>

/* Bytecode of the bundle's modules: all of them in the baker; in PID 1, those that are loaded on demand. */
struct module {
    const char *name; /* as modules import one another: "main.js" */
    const uint8_t *code;
    size_t size;
};
extern const struct module modules[];
extern const size_t module_count;

/* The heap with main.js loaded, as build/lean/heap-image.ts packs it. Empty in the baker. */
extern const uint8_t image[];
extern const size_t image_groups;
#endif
