/* The bytecode of the bundle's modules; build/lean.ts writes the table. */
#include <stddef.h>
#include <stdint.h>

struct module {
    const char *name; /* as modules import one another: "main.js" */
    const uint8_t *code;
    size_t size;
};

extern const struct module modules[];
extern const size_t module_count;
