/*
 * The engine's heap: free lists by size, over memory that only grows. All of its state lies in the heap, which is what
 * makes a heap that the build has made usable by each boot; docs/engine.md has what it costs and saves.
 */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H
#include "engine.h"

/* Classes 1 to 64 are multiples of 16 bytes, header included; above 1 KiB there are four for each doubling. */
#define SMALL_CLASSES 64
#define CLASSES (SMALL_CLASSES + 4 * 8 + 1)

/*
 * The allocator's state, what main() needs to find, then the blocks. It lies at the same address in each run, so that a boot
 * continues with what the build made.
 */
struct heap {
    void *free_lists[CLASSES];
    uint8_t *fresh, *fresh_end;
    /* The rest of the spare block that small ones are carved from, and the list of more spare blocks. */
    uint8_t *spare, *spare_end;
    void *spares;
    JSContext *ctx;
    /* The bundle's start(). */
    JSValue start;
    uint8_t blocks[];
};

/* Above the program and its brk(2), below every address that the kernel chooses. */
#define HEAP ((struct heap *)0x10000000)

/* Maps the heap, empty. 0 if there is no memory. */
int map_heap(void);

/* Zeroes free blocks, so that equal programs have equal heaps, and makes the large ones spare blocks. */
void clear_free_blocks(void);

extern const JSMallocFunctions allocator;
#endif
