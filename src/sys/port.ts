/**
 * The native boundary. Everything above it is TypeScript; a host (QuickJS in the lean build, Node in tests and in the
 * node build) implements these functions and nothing else.
 *
 * Text that comes from or goes to the kernel is a *byte string*: a JavaScript string in which every character
 * is one byte (U+0000 to U+00FF). File names, environment variables and kernel replies have no encoding that
 * could be relied on, so none is assumed: what comes in goes out byte for byte, and UTF-8 passes untouched.
 */

/** Memory that the kernel may read or write: it does not move while it is reachable. */
export type Memory = Uint8Array<ArrayBuffer>

/** The same, for structures made of 32-bit words. */
export type Words = Uint32Array<ArrayBuffer>

/** A system call's argument. A byte string is passed as its bytes and a NUL, read-only. */
export type Argument = number | Memory | Words | string

export interface Runtime {
  /**
   * Makes one system call. Returns the kernel's answer: on failure a negative errno, never an exception. Missing arguments
   * are 0. A string that contains a NUL gives -EINVAL: the kernel would see only its beginning.
   */
  syscall(number: number, ...args: readonly Argument[]): number

  /** The address of memory, for structures that hold pointers (execve's argv, iovec, msghdr). */
  addressOf(memory: Memory | Words): number

  /**
   * Makes a prepared list of system calls in order, as long as they return more than 0: drains something without running
   * bytecode between calls. `calls` holds records of 64 bytes (see `sys/calls.ts`), into which the results are written,
   * the last one included. Returns how many returned more than 0.
   */
  drain(calls: Words, count: number): number

  /**
   * clone(CLONE_VM | CLONE_VFORK | SIGCHLD), and a prepared list of system calls in the child, as one step: no JavaScript
   * may run between fork and exec, since Node has threads. `calls` holds records of 64 bytes (see `sys/calls.ts`); the
   * last one is the execve. Returns the child's process id, or a negative errno if there is no child. A child whose call
   * fails writes the errno into the record before it ends.
   * With a `stack`, the parent continues at once (no CLONE_VFORK) while the child makes its calls; none of them need be an
   * execve. It shares our descriptors as well (CLONE_FILES): if it had copies, its end would close them, and wait for a file server
   * that has died. The stack, `calls` and what they point to must stay reachable until the child has been reaped.
   */
  spawn(calls: Words, count: number, stack?: Memory): number

  /**
   * As `spawn` without a stack, but the child starts in the cgroup of this directory descriptor (clone3 with
   * CLONE_INTO_CGROUP, Linux 5.7).
   */
  spawnInto(cgroup: number, calls: Words, count: number): number

  /** Reads a byte string from memory; throws if it is out of bounds. */
  text(memory: Memory, offset: number, length: number): string

  /** Writes a byte string into memory, and returns its length; throws if it is out of bounds. */
  putText(memory: Memory, offset: number, text: string): number

  /**
   * Loads a module that not every boot needs, or only once the entrypoint runs, and returns its exports (`lazy.ts` has
   * the names and types).
   */
  load(name: string): unknown

  /**
   * Opens the engine's debugger on a TCP port of all addresses, and returns at once; throws if the port is not available.
   * Absent if the engine has no debugger.
   */
  readonly inspect?: (port: number) => void
}
