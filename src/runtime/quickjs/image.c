/*
 * Unpacks the heap that the build has made. Each 64-bit word is stored without its upper zeros: addresses in it are below
 * 4 GiB, and many words are small or zero. That halves the image for a few instructions a word. build/lean/heap-image.ts packs it.
 */
#include "image.h"

#include <string.h>

#include "allocator.h"
#include "bundle.h"

#define GROUP 4

void unpack_image(void)
{
    /* Indexed by a word's two bits in its group's byte. */
    static const uint64_t masks[] = {0, 0xff, 0xffffffff, UINT64_MAX}, sizes[] = {0, 1, 4, 8};
    const uint8_t *group = image, *end = image + image_groups, *in = end;
    for (uint64_t *out = (uint64_t *)HEAP; group < end; group++, out += GROUP) {
        /* The memory is zero already. */
        if (*group == 0)
            continue;
        uint32_t kinds = *group;
        /* Four whole words: text and bytecode. */
        if (kinds == 0xff) {
            memcpy(out, in, GROUP * sizeof *out);
            in += GROUP * sizeof *out;
            continue;
        }
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++, kinds >>= 2) {
            uint64_t word;
            memcpy(&word, in, sizeof word);
            out[i] = word & masks[kinds & 3];
            in += sizes[kinds & 3];
        }
    }
}
