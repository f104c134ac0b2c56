/*
 * The heap that the build has made is stored by its 64-bit words, without their upper halves of zeros: addresses here are
 * below 4 GiB, and much is small or nothing. build/lean/heap-image.ts writes it; half of the size, and a few instructions a word.
 */
#include "image.h"

#include <string.h>

#include "allocator.h"
#include "bundle.h"

#define GROUP 4

void unpack_image(void)
{
    /* By the two bits that a word has in its group's byte. */
    static const uint64_t masks[] = {0, 0xff, 0xffffffff, UINT64_MAX}, sizes[] = {0, 1, 4, 8};
    const uint8_t *group = image, *end = image + image_groups, *in = end;
    for (uint64_t *out = (uint64_t *)HEAP; group < end; group++, out += GROUP) {
        /* The memory is zero as it comes. */
        if (*group == 0)
            continue;
        uint32_t kinds = *group;
        /* Text and bytecode. */
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
