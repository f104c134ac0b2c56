/*
 * The lean build's host: starts the bundle's main() in the engine, and gives it the functions of src/sys/port.ts. It knows
 * nothing of mounts, networks or containers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocator.h"
#include "bundle.h"
#include "engine.h"
#include "image.h"

#define MAX_ARGS 6
/* More than a boot allocates, so that it never stops to look for cycles. Afterwards the engine looks whenever the heap has
 * grown by half since it last did. */
#define GC_THRESHOLD (1024 * 1024)
#define BAKING_STACK (256 * 1024)

static long raw_syscall(long number, const int64_t *args)
{
    long result;
    register long r10 __asm__("r10") = args[3];
    register long r8 __asm__("r8") = args[4];
    register long r9 __asm__("r9") = args[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static JSValue host_syscall(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    int64_t number, args[MAX_ARGS] = {0};

    if (argc < 1 || argc > MAX_ARGS + 1)
        return JS_ThrowRangeError(ctx, "syscall takes a number and up to six arguments");
    if (JS_ToInt64(ctx, &number, argv[0]))
        return JS_EXCEPTION;
    for (int i = 1; i < argc; i++) {
        size_t length;
        const uint8_t *bytes;
        if (JS_IsNumber(argv[i])) {
            JS_ToInt64(ctx, &args[i - 1], argv[i]);
            continue;
        }
        if (JS_IsString(argv[i])) {
            bytes = engine_bytes(ctx, argv[i], &length);
            if (!bytes && JS_HasException(ctx))
                return JS_EXCEPTION;
            if (!bytes || memchr(bytes, 0, length))
                return JS_NewInt32(ctx, -EINVAL);
        } else {
            bytes = engine_memory(ctx, argv[i], &length);
            if (!bytes)
                return JS_EXCEPTION;
        }
        args[i - 1] = (intptr_t)bytes;
    }
    return JS_NewInt64(ctx, raw_syscall(number, args));
}

static JSValue host_address_of(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t length;
    const uint8_t *bytes = engine_memory(ctx, argv[0], &length);
    return bytes ? JS_NewInt64(ctx, (intptr_t)bytes) : JS_EXCEPTION;
}

/* One record of src/sys/calls.ts: keep both alike. */
struct call {
    int64_t number;
    int64_t args[MAX_ARGS];
    int64_t result; /* in: 1 where a failure is tolerated; out: the kernel's answer */
};

/* Runs in the child, which shares our memory and must touch nothing else of it. */
static int make_calls(struct call *calls, int32_t count)
{
    for (int i = 0; i < count; i++) {
        int64_t tolerated = calls[i].result;
        calls[i].result = raw_syscall(calls[i].number, calls[i].args);
        if (calls[i].result < 0 && !tolerated)
            break;
    }
    _exit(125);
}

/* At the top of the stack of a child that runs concurrently. */
struct beside {
    struct call *calls;
    int64_t count;
};

static int run_beside(void *own)
{
    struct beside *child = own;
    return make_calls(child->calls, child->count);
}

/* The first two arguments, a list and its length; NULL with an exception pending. */
static struct call *calls_of(JSContext *ctx, JSValueConst *argv, int32_t *count)
{
    size_t length;
    struct call *calls = (struct call *)engine_memory(ctx, argv[0], &length);
    if (!calls || JS_ToInt32(ctx, count, argv[1]))
        return NULL;
    if (*count < 1 || (size_t)*count * sizeof *calls > length) {
        JS_ThrowRangeError(ctx, "more calls than memory");
        return NULL;
    }
    return calls;
}

static JSValue host_drain(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    int32_t count, made = 0;
    struct call *calls = calls_of(ctx, argv, &count);
    if (!calls)
        return JS_EXCEPTION;
    while (made < count && (calls[made].result = raw_syscall(calls[made].number, calls[made].args)) > 0)
        made++;
    return JS_NewInt32(ctx, made);
}

static JSValue host_spawn(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t length;
    int32_t count;
    struct call *calls = calls_of(ctx, argv, &count);
    if (!calls)
        return JS_EXCEPTION;

#ifndef COUNTED /* callgrind cannot run a concurrent child, and does not suspend us for a vforked one */
    if (argc > 2 && !JS_IsUndefined(argv[2])) {
        uint8_t *stack = engine_memory(ctx, argv[2], &length);
        if (!stack)
            return JS_EXCEPTION;
        struct beside *child = (struct beside *)((uintptr_t)(stack + length - sizeof *child) & ~(uintptr_t)15);
        *child = (struct beside){calls, count};
        pid_t pid = clone(run_beside, child, CLONE_VM | CLONE_FILES | SIGCHLD, child);
        return JS_NewInt32(ctx, pid < 0 ? -errno : pid);
    }
#endif
    /* The parent sleeps until the child calls execve or exits, so both can use the same stack. */
    pid_t pid = vfork();
    if (pid == 0)
        make_calls(calls, count);
    return JS_NewInt32(ctx, pid < 0 ? -errno : pid);
}

/*
 * vfork(2) into a cgroup, by clone3(2), which libc does not wrap. The return address is kept in a register because the child
 * overwrites the stack that both share.
 */
#define CLONE_INTO_CGROUP UINT64_C(0x200000000)
struct clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
long vfork_into(const struct clone_args *args, size_t size) __attribute__((returns_twice));
__asm__(".section .text.vfork_into,\"ax\",@progbits\n"
        "vfork_into:\n"
        "    pop %rdx\n"
        "    mov $435, %eax\n"
        "    syscall\n"
        "    push %rdx\n"
        "    ret\n"
        ".previous\n");

static JSValue host_spawn_into(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    int32_t cgroup, count;
    if (JS_ToInt32(ctx, &cgroup, argv[0]))
        return JS_EXCEPTION;
    struct call *calls = calls_of(ctx, argv + 1, &count);
    if (!calls)
        return JS_EXCEPTION;
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};
    long pid = vfork_into(&args, sizeof args);
    if (pid == 0)
        make_calls(calls, count);
    return JS_NewInt32(ctx, pid);
}

static JSValue host_text(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size;
    int64_t offset, length;
    const uint8_t *bytes = engine_memory(ctx, argv[0], &size);
    if (!bytes || JS_ToInt64(ctx, &offset, argv[1]) || JS_ToInt64(ctx, &length, argv[2]))
        return JS_EXCEPTION;
    if (offset < 0 || length < 0 || (uint64_t)offset + (uint64_t)length > size)
        return JS_ThrowRangeError(ctx, "text: outside the memory");
    return engine_string(ctx, bytes + offset, length);
}

static JSValue host_put_text(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    size_t size, length;
    int64_t offset;
    uint8_t *memory = engine_memory(ctx, argv[0], &size);
    if (!memory || JS_ToInt64(ctx, &offset, argv[1]))
        return JS_EXCEPTION;
    const uint8_t *bytes = JS_IsString(argv[2]) ? engine_bytes(ctx, argv[2], &length) : NULL;
    if (!bytes)
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowRangeError(ctx, "putText: not a byte string");
    if (offset < 0 || (uint64_t)offset + length > size)
        return JS_ThrowRangeError(ctx, "putText: outside the memory");
    memcpy(memory + offset, bytes, length);
    return JS_NewInt64(ctx, length);
}

/* The engine's module loader. A missing module is a mistake of the build. */
static JSModuleDef *find_module(JSContext *ctx, const char *name, void *opaque)
{
    for (size_t i = 0; i < module_count; i++) {
        if (strcmp(modules[i].name, name))
            continue;
        JSValue code = JS_ReadObject(ctx, modules[i].code, modules[i].size, JS_READ_OBJ_BYTECODE);
        if (JS_IsException(code))
            return NULL;
        JSModuleDef *module = JS_VALUE_GET_PTR(code);
        /* The context keeps a reference to each of its modules. */
        JS_FreeValue(ctx, code);
        return module;
    }
    JS_ThrowReferenceError(ctx, "no module %s", name);
    return NULL;
}

static JSValue host_load(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)
{
    const char *part = JS_ToCString(ctx, argv[0]);
    if (!part)
        return JS_EXCEPTION;
    char name[64] = "";
    if (strlen(part) < sizeof name - 4)
        strcat(strcpy(name, part), ".js");
    JS_FreeCString(ctx, part);
    return engine_load(ctx, find_module, name);
}

static const JSCFunctionListEntry host_functions[] = {
    JS_CFUNC_DEF("syscall", 1, host_syscall),
    JS_CFUNC_DEF("addressOf", 1, host_address_of),
    JS_CFUNC_DEF("drain", 2, host_drain),
    JS_CFUNC_DEF("spawn", 3, host_spawn),
    JS_CFUNC_DEF("spawnInto", 3, host_spawn_into),
    JS_CFUNC_DEF("text", 3, host_text),
    JS_CFUNC_DEF("putText", 3, host_put_text),
    JS_CFUNC_DEF("load", 1, host_load),
};

static void say(const char *text)
{
    if (write(2, text, strlen(text)) < 0)
        return; /* there is nowhere else to report it */
}

/* Makes the engine and loads main.js without starting it. */
static int make_heap(void)
{
    JSContext *ctx = map_heap() ? engine_new(&allocator) : NULL;
    if (!ctx)
        return 0;
    JS_SetGCThreshold(JS_GetRuntime(ctx), GC_THRESHOLD);
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue host = JS_NewObject(ctx);
    JS_SetPropertyFunctionList(ctx, host, host_functions, sizeof host_functions / sizeof *host_functions);
    JS_SetPropertyStr(ctx, global, "host", host);
    JS_FreeValue(ctx, global);
    HEAP->ctx = ctx;
    JSValue program = engine_load(ctx, find_module, "main.js");
    if (JS_IsException(program))
        return 0;
    HEAP->start = JS_GetPropertyStr(ctx, program, "start");
    JS_FreeValue(ctx, program);
    return 1;
}

/* Writes the heap to standard output, in the build. */
static int bake(void *unused)
{
    if (!make_heap())
        return 1;
    engine_rest(HEAP->ctx);
    clear_free_blocks();
    size_t size = HEAP->fresh - (uint8_t *)HEAP;
    return write(1, HEAP, size) != (ssize_t)size;
}

/* Bakes on a stack at a fixed address, so that a pointer into it that stays in the heap is the same in each build. */
static int bake_apart(void)
{
    int status = 0;
    uint8_t *stack = (uint8_t *)HEAP - 2 * BAKING_STACK;
    if (mmap(stack, BAKING_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 1;
    pid_t child = clone(bake, stack + BAKING_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    return child < 0 || waitpid(child, &status, 0) < 0 || status != 0;
}

int main(void)
{
    if (image_groups == 0)
        return bake_apart();
    /* Blocks signals until PID 1 reads them: a SIGTERM that is neither handled nor blocked is lost.
     * supervise/signals.ts blocks the same ones, and says why not all. */
    static const uint64_t watched = ~UINT64_C(0x400405d8);
    raw_syscall(SYS_rt_sigprocmask, (int64_t[]){SIG_BLOCK, (intptr_t)&watched, 0, sizeof watched, 0, 0});

    if (map_heap()) {
        unpack_image();
        JSContext *ctx = HEAP->ctx;
        JS_UpdateStackTop(JS_GetRuntime(ctx));
        if (JS_IsException(JS_Call(ctx, HEAP->start, JS_UNDEFINED, 0, NULL))) {
            const char *message = JS_ToCString(ctx, JS_GetException(ctx));
            say("zmachine: internal error: ");
            say(message ? message : "unknown");
            say("\n");
        }
    } else {
        say("zmachine: internal error: no memory for the engine\n");
    }
    if (getpid() != 1)
        return 125;
    /* The bundle's main() does not return when it is PID 1. If it ever does, PID 1 must not exit: the kernel would panic. */
    sync();
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}
