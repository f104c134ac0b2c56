#include "allocator.h"
#include "bundle.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* In front of each block: its class, or 0 and its size if it has a mapping of its own. */
struct header {
    uint32_t class;
    uint32_t pages;
};

#define HEADER sizeof(struct header)
#define GRANULE 16
#define LARGEST (256 * 1024)
#define CHUNK (1024 * 1024)
#define PAGE 4096
/* What a boot uses of the heap. */
#define USUAL (560 * 1024)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static uint32_t class_of(size_t size)
{
    if (size <= SMALL_CLASSES * GRANULE)
        return (size + GRANULE - 1) / GRANULE;
    uint32_t log = 63 - __builtin_clzl(size - 1);
    return SMALL_CLASSES + 1 + (log - 10) * 4 + (((size - 1) >> (log - 2)) & 3);
}

static inline size_t class_size(uint32_t class)
{
    if (class <= SMALL_CLASSES)
        return class * GRANULE;
    uint32_t step = class - SMALL_CLASSES - 1;
    return (size_t)(4 + step % 4 + 1) << (10 + step / 4 - 2);
}

static inline struct header *header_of(const void *block)
{
    return (struct header *)((uint8_t *)block - HEADER);
}

static void *map(void *address, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0);
    void *memory = mmap(address, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int map_heap(void)
{
    if (!map(HEAP, CHUNK))
        return 0;
    /* Populates what every boot touches, instead of a fault for each page. Kernels before 5.14 refuse: no harm. */
    madvise(HEAP, USUAL, MADV_POPULATE_WRITE);
    HEAP->fresh = HEAP->blocks;
    HEAP->fresh_end = (uint8_t *)HEAP + CHUNK;
    return 1;
}

static void *allocate_large(size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE;
    if (pages > UINT32_MAX)
        return NULL;
    struct header *block = map(NULL, pages * PAGE);
    if (!block)
        return NULL;
    block->class = 0;
    block->pages = pages;
    return block + 1;
}

/* Takes the largest free block of the classes above SMALL_CLASSES; NULL if there is none. */
static void *take_large(void)
{
    for (uint32_t class = CLASSES - 1; class > SMALL_CLASSES; class--) {
        void *block = HEAP->free_lists[class];
        if (!block)
            continue;
        HEAP->free_lists[class] = *(void **)block;
        return block;
    }
    return NULL;
}

/*
 * Takes a small block out of the large ones that tables outgrew while the heap was baked; every boot would have them for
 * nothing otherwise. Once PID 1 runs, large blocks are reused as they are. NULL if there are no more.
 */
static void *carve(size_t size)
{
    while (size > (size_t)(HEAP->spare_end - HEAP->spare)) {
        void *block = HEAP->spares;
        if (block)
            HEAP->spares = *(void **)block;
        else if (image_groups > 0 || !(block = take_large()))
            return NULL;
        size_t length = class_size(header_of(block)->class);
        HEAP->spare = (uint8_t *)header_of(block);
        HEAP->spare_end = HEAP->spare + length;
        /* In PID 1 they are zero already, but for the link to the next one. */
        if (image_groups == 0)
            memset(HEAP->spare, 0, length);
    }
    HEAP->spare += size;
    return HEAP->spare - size;
}

static void *allocate(size_t wanted)
{
    size_t size = wanted + HEADER;
    if (size < wanted)
        return NULL;
    if (size > LARGEST)
        return allocate_large(size);
    uint32_t class = class_of(size);
    void *reused = HEAP->free_lists[class];
    if (reused) {
        HEAP->free_lists[class] = *(void **)reused;
        return reused;
    }
    size = class_size(class);
    struct header *carved = class <= SMALL_CLASSES ? carve(size) : NULL;
    if (carved) {
        carved->class = class;
        return carved + 1;
    }
    if (size > (size_t)(HEAP->fresh_end - HEAP->fresh)) {
        /* The rest of the old chunk, less than a block, stays unused. */
        HEAP->fresh = map(NULL, CHUNK);
        if (!HEAP->fresh) {
            HEAP->fresh_end = NULL;
            return NULL;
        }
        HEAP->fresh_end = HEAP->fresh + CHUNK;
    }
    struct header *block = (struct header *)HEAP->fresh;
    HEAP->fresh += size;
    block->class = class;
    return block + 1;
}

static inline size_t size_of(const void *block)
{
    const struct header *header = header_of(block);
    return (header->class ? class_size(header->class) : (size_t)header->pages * PAGE) - HEADER;
}

static void release(void *block)
{
    struct header *header = header_of(block);
    if (!header->class) {
        munmap(header, (size_t)header->pages * PAGE);
        return;
    }
    *(void **)block = HEAP->free_lists[header->class];
    HEAP->free_lists[header->class] = block;
}

/* The engine looks for garbage in cycles by malloc_size, and by nothing else. */
static void *js_allocate(JSMallocState *state, size_t size)
{
    void *block = size ? allocate(size) : NULL;
    if (block)
        state->malloc_size += size_of(block);
    return block;
}

static void js_release(JSMallocState *state, void *block)
{
    if (!block)
        return;
    state->malloc_size -= size_of(block);
    release(block);
}

static void *js_resize(JSMallocState *state, void *block, size_t size)
{
    if (!block)
        return js_allocate(state, size);
    if (!size) {
        js_release(state, block);
        return NULL;
    }
    size_t present = size_of(block);
    /* Arrays are allocated generously and then cut: a block that loses more than half of its size is moved. */
    if (size <= present && size >= present / 2)
        return block;
    void *moved = js_allocate(state, size);
    if (!moved)
        return NULL;
    memcpy(moved, block, size < present ? size : present);
    js_release(state, block);
    return moved;
}

static size_t js_usable_size(const void *block)
{
    return block ? size_of(block) : 0;
}

void clear_free_blocks(void)
{
    for (void *block; (block = take_large()); HEAP->spares = block)
        *(void **)block = HEAP->spares;
    for (void **block = HEAP->spares; block; block = *block)
        memset(block + 1, 0, size_of(block) - sizeof *block);
    for (uint32_t class = 1; class < CLASSES; class++)
        for (void **block = HEAP->free_lists[class]; block; block = *block)
            memset(block + 1, 0, class_size(class) - HEADER - sizeof *block);
}

const JSMallocFunctions allocator = {js_allocate, js_release, js_resize, js_usable_size};
