/* Compares src/runtime/quickjs/format.c with libc's snprintf(3), which the test makes available under its own name. */
#include <stdio.h>
#include <string.h>

int our_snprintf(char *restrict buffer, size_t size, const char *restrict format, ...);

static int failures;

#define SAME(...)                                                             \
    for (size_t size = 0; size < 48; size++) {                                \
        char ours[48] = "untouched", libcs[48] = "untouched";                 \
        int is = our_snprintf(ours, size, __VA_ARGS__);                       \
        int should = snprintf(libcs, size, __VA_ARGS__);                      \
        if (is == should && !memcmp(ours, libcs, sizeof ours))                \
            continue;                                                         \
        failures++;                                                           \
        printf("%s: %d \"%s\", not %d \"%s\"\n", #__VA_ARGS__, is, ours, should, libcs); \
        break;                                                                \
    }

int main(void)
{
    SAME("plain");
    SAME("%s", "");
    SAME("cannot read property '%s' of %s", "name", "null");
    SAME("%.*s|%.3s|%5s|%*s", 2, "abc", "abcdef", "ab", 4, "x");
    SAME("%.3s", "ab");
    SAME("%d %d %d %i", 0, -1, 2147483647, (-2147483647 - 1));
    SAME("%u %u", 0u, 4294967295u);
    SAME("%ld %lu %lld %zu", -9000000000L, 18446744073709551615UL, -5LL, (size_t)7);
    SAME("%x %lx", 48879u, 0x123456789abcdefUL);
    SAME("%02d|%04x|%08x|%5d|%05d|%3u", 7, 0xabu, 0xdeadbeefu, -42, -42, 1234u);
    SAME("%0*d", 6, -12);
    SAME("%c%c%%", 'a', 'b');
    SAME("%p", (void *)&failures);
    SAME("ends in %%");
    return failures != 0;
}
