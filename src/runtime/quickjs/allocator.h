/*
 * The engine's heap: free lists by size over memory that only grows. PID 1 allocates tens of thousands of small
 * objects in its first milliseconds and next to none afterwards; a general allocator spent a third of the boot's
 * instructions on bookkeeping that nothing here has a use for (threads, hardening against foreign code, giving
 * pages back piecemeal).
 */
#include "quickjs.h"

extern const JSMallocFunctions allocator;
