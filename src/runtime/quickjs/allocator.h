/*
 * The engine's heap: free lists by size over memory that only grows. PID 1 allocates tens of thousands of small
 * objects in its first milliseconds and next to none afterwards; a general allocator spent a third of the boot's
 * instructions on bookkeeping that nothing here has a use for (threads, hardening against foreign code, giving
 * pages back piecemeal).
 */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H
#include "engine.h"

/* Classes 1 to 64 are multiples of 16 bytes, header included; above 1 KiB there are four for each doubling. */
#define SMALL_CLASSES 64
#define CLASSES (SMALL_CLASSES + 4 * 8 + 1)

/*
 * What the program is, as data: the allocator's state and whoever else has to be found again, then the blocks. It lies at
 * the same address in each run, so that a build can make it and a boot goes on with it (bake.c).
 */
struct heap {
    void *free_lists[CLASSES];
    uint8_t *fresh, *fresh_end;
    /* What is left of the spare block that small ones are taken from, and more of them. */
    uint8_t *spare, *spare_end;
    void *spares;
    JSContext *ctx;
    /* The bundle's function to call. */
    JSValue start;
    uint8_t blocks[];
};

/* Above the program and what brk(2) may be asked for, below everything that the kernel chooses an address for. */
#define HEAP ((struct heap *)0x10000000)

/* The heap's memory, empty. 0 where there is none. */
int map_heap(void);

/* Clears what is free, so that equal programs are equal bytes, and has large blocks of it for what comes. */
void clear_free_blocks(void);

extern const JSMallocFunctions allocator;
#endif
