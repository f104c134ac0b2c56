/**
 * The whole native boundary. Everything above it is TypeScript; a host (QuickJS in the lean build, Node in
 * tests and in the node build) implements these functions and nothing else.
 *
 * Text that comes from or goes to the kernel is a *byte string*: a JavaScript string in which every character
 * is one byte (U+0000 to U+00FF). File names, environment variables and kernel replies have no encoding that
 * could be relied on, so none is assumed: what comes in goes out byte for byte, and UTF-8 passes untouched.
 */

/** Memory that the kernel may read or write: its address stays the same while it is reachable. */
export type Memory = Uint8Array<ArrayBuffer>

/** The same, for structures made of 32-bit words. */
export type Words = Uint32Array<ArrayBuffer>

/** An argument of a system call. A byte string is passed as its bytes and a NUL, for reading only. */
export type Argument = number | Memory | Words | string

export interface Runtime {
  /**
   * One system call. Returns the kernel's answer: a negative errno on failure, never an exception for it.
   * Missing arguments are 0. A string with a NUL in it answers -EINVAL: the kernel would see only its beginning.
   */
  syscall(number: number, ...args: readonly Argument[]): number

  /** The address of memory, for structures that hold pointers (execve's argv, iovec, msghdr). */
  addressOf(memory: Memory | Words): number

  /**
   * A prepared list of system calls, made by ourselves in order for as long as they give more than 0: what empties something,
   * without the engine between one call and the next. `calls` holds records of 64 bytes (see `sys/calls.ts`), into which
   * the answers are written, the one that was the last as well. Returns how many gave more than 0.
   */
  drain(calls: Words, count: number): number

  /**
   * clone(CLONE_VM | CLONE_VFORK | SIGCHLD), and in the child a prepared list of system calls, as one step: no
   * JavaScript may run between fork and exec, since Node has threads. `calls` holds records of 64 bytes
   * (see `sys/calls.ts`); the last one is the execve. Returns the child's process id, or a negative errno where
   * there is no child. A child whose call failed has written where and why into the record before it ended.
   * With a `stack` we go on at once (without CLONE_VFORK), and the child makes its calls beside us; none of them need be an
   * execve. Stack, `calls` and what they point to must stay reachable until it has been reaped.
   */
  spawn(calls: Words, count: number, stack?: Memory): number

  /**
   * As `spawn` without a stack, and the child begins in the cgroup whose directory's descriptor this is (clone3 with
   * CLONE_INTO_CGROUP, Linux 5.7).
   */
  spawnInto(cgroup: number, calls: Words, count: number): number

  /** The byte string of `length` bytes of memory from `offset`; both must lie inside it. */
  text(memory: Memory, offset: number, length: number): string

  /** Writes a byte string into memory at `offset`, which must have room, and returns its length. */
  putText(memory: Memory, offset: number, text: string): number

  /**
   * The exports of a module that not every boot needs, or not before the entrypoint runs (`lazy.ts`
   * names and types them).
   */
  load(name: string): unknown

  /**
   * Opens the engine's own debugger at a TCP port of all addresses, and returns at once; throws where the port can't be
   * had. Absent where there is no debugger.
   */
  readonly inspect?: (port: number) => void
}
