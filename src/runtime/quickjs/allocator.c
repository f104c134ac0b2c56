#include "allocator.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* In front of each block: its class, or its size where it has a mapping of its own. */
struct header {
    uint32_t class;
    uint32_t pages;
};

#define HEADER sizeof(struct header)
#define GRANULE 16
/* Classes 1 to 64 are multiples of 16 bytes, header included; above 1 KiB there are four for each doubling. */
#define SMALL_CLASSES 64
#define CLASSES (SMALL_CLASSES + 4 * 8 + 1)
#define LARGEST (256 * 1024)
#define CHUNK (1024 * 1024)
#define PAGE 4096
/* How much of the heap a boot without a seed uses. */
#define USUAL (320 * 1024)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *free_lists[CLASSES];
static uint8_t *fresh, *fresh_end;

static uint32_t class_of(size_t size)
{
    if (size <= SMALL_CLASSES * GRANULE)
        return (size + GRANULE - 1) / GRANULE;
    uint32_t log = 63 - __builtin_clzl(size - 1);
    return SMALL_CLASSES + 1 + (log - 10) * 4 + (((size - 1) >> (log - 2)) & 3);
}

static size_t class_size(uint32_t class)
{
    if (class <= SMALL_CLASSES)
        return class * GRANULE;
    uint32_t step = class - SMALL_CLASSES - 1;
    return (size_t)(4 + step % 4 + 1) << (10 + step / 4 - 2);
}

static struct header *header_of(const void *block)
{
    return (struct header *)((uint8_t *)block - HEADER);
}

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* What every boot touches comes at once instead of by a fault for each page. A kernel before 5.14 can't: no matter. */
    if (!fresh && size > USUAL)
        madvise(memory, USUAL, MADV_POPULATE_WRITE);
    return memory;
}

static void *allocate_large(size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE;
    if (pages > UINT32_MAX)
        return NULL;
    struct header *block = map(pages * PAGE);
    if (!block)
        return NULL;
    block->class = 0;
    block->pages = pages;
    return block + 1;
}

static void *allocate(size_t wanted)
{
    size_t size = wanted + HEADER;
    if (size < wanted)
        return NULL;
    if (size > LARGEST)
        return allocate_large(size);
    uint32_t class = class_of(size);
    void *reused = free_lists[class];
    if (reused) {
        free_lists[class] = *(void **)reused;
        return reused;
    }
    size = class_size(class);
    if (size > (size_t)(fresh_end - fresh)) {
        /* What is left of the old chunk stays unused: less than a block's size. */
        fresh = map(CHUNK);
        if (!fresh) {
            fresh_end = NULL;
            return NULL;
        }
        fresh_end = fresh + CHUNK;
    }
    struct header *block = (struct header *)fresh;
    fresh += size;
    block->class = class;
    return block + 1;
}

static size_t size_of(const void *block)
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
    *(void **)block = free_lists[header->class];
    free_lists[header->class] = block;
}

static void *js_allocate(JSMallocState *state, size_t size)
{
    return size ? allocate(size) : NULL;
}

static void js_release(JSMallocState *state, void *block)
{
    if (block)
        release(block);
}

static void *js_resize(JSMallocState *state, void *block, size_t size)
{
    if (!block)
        return js_allocate(state, size);
    if (!size) {
        release(block);
        return NULL;
    }
    size_t present = size_of(block);
    /* A block that shrinks a lot gives the rest back, since arrays are allocated generously and then cut. */
    if (size <= present && size >= present / 2)
        return block;
    void *moved = allocate(size);
    if (!moved)
        return NULL;
    memcpy(moved, block, size < present ? size : present);
    release(block);
    return moved;
}

static size_t js_usable_size(const void *block)
{
    return block ? size_of(block) : 0;
}

const JSMallocFunctions allocator = {js_allocate, js_release, js_resize, js_usable_size};
