/* What build/lean/lean.ts writes into the program. */
#ifndef BUNDLE_H
#define BUNDLE_H
#include <stddef.h>
#include <stdint.h>

/* The bytecode of the bundle's modules: those of the image, while it is baked; then those that are loaded later. */
struct module {
    const char *name; /* as modules import one another: "main.js" */
    const uint8_t *code;
    size_t size;
};
extern const struct module modules[];
extern const size_t module_count;

/* Those of the image; the first of them is called. */
extern const char *const baked[];
extern const size_t baked_count;

/* The heap with these modules in it, as build/lean/heap-image.ts packs it. Empty in the program that bakes it. */
extern const uint8_t image[];
extern const size_t image_groups;
#endif
