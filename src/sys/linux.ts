/**
 * Typed functions for the system calls that PID 1 makes. Each returns the kernel's answer: on failure a negative errno
 * (`must` turns it into an error). Paths and texts are byte strings (see `port.ts`).
 *
 * Absent on purpose: everything that allocates a stream, a thread or a callback. There is one thread, one loop
 * and one blocking call, ppoll.
 */

import { u16, word, word64 } from '../lib/bytes.ts'
import {
  AT_FDCWD,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
  RESOLVE_IN_ROOT,
} from './flags.ts'
import type { Argument, Memory, Runtime, Words } from './port.ts'

// Numbers of the x86-64 table (arch/x86/entry/syscalls/syscall_64.tbl).
export const SYS_read = 0
export const SYS_write = 1
export const SYS_close = 3
export const SYS_lseek = 8
export const SYS_rt_sigprocmask = 14
export const SYS_ioctl = 16
export const SYS_pread64 = 17
export const SYS_getpid = 39
export const SYS_socket = 41
export const SYS_sendto = 44
export const SYS_recvfrom = 45
export const SYS_bind = 49
export const SYS_setsockopt = 54
export const SYS_execve = 59
export const SYS_wait4 = 61
export const SYS_kill = 62
export const SYS_fsync = 74
export const SYS_ftruncate = 77
export const SYS_chdir = 80
export const SYS_syslog = 103
export const SYS_setsid = 112
export const SYS_setgroups = 116
export const SYS_setresuid = 117
export const SYS_setresgid = 119
export const SYS_chroot = 161
export const SYS_statfs = 137
export const SYS_sync = 162
export const SYS_mount = 165
export const SYS_umount2 = 166
export const SYS_swapoff = 168
export const SYS_reboot = 169
export const SYS_sethostname = 170
export const SYS_getdents64 = 217
export const SYS_clock_gettime = 228
export const SYS_openat = 257
export const SYS_mkdirat = 258
export const SYS_fchownat = 260
export const SYS_newfstatat = 262
export const SYS_unlinkat = 263
export const SYS_renameat = 264
export const SYS_symlinkat = 266
export const SYS_readlinkat = 267
export const SYS_fchmodat = 268
export const SYS_ppoll = 271
export const SYS_timerfd_create = 283
export const SYS_timerfd_settime = 286
export const SYS_signalfd4 = 289
export const SYS_dup3 = 292
export const SYS_pipe2 = 293
export const SYS_prlimit64 = 302
export const SYS_finit_module = 313
export const SYS_openat2 = 437

let runtime: Runtime

/** Sets the host that makes the calls; once, before anything else. */
export function useRuntime(host: Runtime): void {
  runtime = host
}

export function currentRuntime(): Runtime {
  return runtime
}

/** Makes a system call by its number, for the few without a typed function. */
export function syscall(
  number: number,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  return runtime.syscall(number, a, b, c, d, e, f)
}

export const text = (memory: Memory, offset: number, length: number): string =>
  runtime.text(memory, offset, length)

// ---- files ----

/** int openat(int dirfd, const char *path, int flags, mode_t mode) — open(2) */
export const open = (path: string, flags: number, mode = 0, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS_openat, dirfd, path, flags, mode)

/**
 * int openat2(int dirfd, const char *path, const struct open_how *how, size_t size) — openat2(2), with
 * RESOLVE_IN_ROOT: `dirfd` is `/` for the path and for every symlink on it.
 */
export function openInRoot(dirfd: number, path: string, flags: number): number {
  // struct open_how: flags, mode, resolve; 64 bits each.
  const how = Uint32Array.of(flags, 0, 0, 0, RESOLVE_IN_ROOT, 0)
  return runtime.syscall(SYS_openat2, dirfd, path, how, how.byteLength)
}

/** int close(int fd) — close(2) */
export const close = (fd: number): number => runtime.syscall(SYS_close, fd)

/** ssize_t read(int fd, void *buf, size_t count) — read(2) */
export const read = (fd: number, into: Memory): number => runtime.syscall(SYS_read, fd, into, into.length)

/** ssize_t pread(int fd, void *buf, size_t count, off_t offset) — pread(2) */
export const pread = (fd: number, into: Memory, offset: number): number =>
  runtime.syscall(SYS_pread64, fd, into, into.length, offset)

/** off_t lseek(int fd, off_t offset, int whence) — lseek(2) */
export const lseek = (fd: number, offset: number, whence: number): number =>
  runtime.syscall(SYS_lseek, fd, offset, whence)

/** ssize_t write(int fd, const void *buf, size_t count) — write(2) */
export const write = (fd: number, from: Memory, length = from.length): number =>
  runtime.syscall(SYS_write, fd, from, length)

/** int fsync(int fd) — fsync(2) */
export const fsync = (fd: number): number => runtime.syscall(SYS_fsync, fd)

/** int ftruncate(int fd, off_t length) — ftruncate(2) */
export const ftruncate = (fd: number, length: number): number => runtime.syscall(SYS_ftruncate, fd, length)

/** int pipe2(int pipefd[2], int flags) — pipe(2): the end to read from and the one to write to, or a negative errno. */
export function pipe(flags: number): readonly [reading: number, writing: number] | number {
  const ends = new Uint32Array(2)
  const result = runtime.syscall(SYS_pipe2, ends, flags)
  return result < 0 ? result : [word(ends, 0), word(ends, 1)]
}

/** int mkdirat(int dirfd, const char *path, mode_t mode) — mkdir(2) */
export const mkdir = (path: string, mode: number, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS_mkdirat, dirfd, path, mode)

/** int unlinkat(int dirfd, const char *path, int flags) — unlink(2) */
export const unlink = (path: string, flags = 0, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS_unlinkat, dirfd, path, flags)

/** int renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath) — rename(2) */
export const rename = (from: string, to: string): number =>
  runtime.syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to)

/** int symlinkat(const char *target, int newdirfd, const char *linkpath) — symlink(2) */
export const symlink = (target: string, path: string): number =>
  runtime.syscall(SYS_symlinkat, target, AT_FDCWD, path)

/** int fchmodat(int dirfd, const char *path, mode_t mode) — chmod(2) */
export const chmod = (path: string, mode: number): number =>
  runtime.syscall(SYS_fchmodat, AT_FDCWD, path, mode)

/** int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags) — chown(2) */
export const chown = (path: string, uid: number, gid: number, flags = 0, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS_fchownat, dirfd, path, uid, gid, flags)

/** ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size) — readlink(2). Returns the target or a negative errno. */
export function readlink(path: string): string | number {
  // Most targets are short; none is longer than PATH_MAX. A full buffer may hold a truncated target.
  for (let size = 256; ; size = 4096) {
    const buffer = new Uint8Array(size)
    const length = runtime.syscall(SYS_readlinkat, AT_FDCWD, path, buffer, size)
    if (length < 0) return length
    if (length < size || size === 4096) return runtime.text(buffer, 0, length)
  }
}

export interface Stat {
  readonly dev: number
  /** File type (S_IFMT) and permissions. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** int fstatat(int dirfd, const char *path, struct stat *st, int flags) — stat(2). Returns what PID 1 needs of it, or a negative errno. */
export function stat(path: string, flags = 0, dirfd = AT_FDCWD): Stat | number {
  const result = runtime.syscall(SYS_newfstatat, dirfd, path, STATUS, flags)
  return result < 0
    ? result
    : { dev: word64(STATUS, 0), mode: word(STATUS, 6), uid: word(STATUS, 7), gid: word(STATUS, 8) }
}

/** The struct stat of the last call. */
const STATUS = new Uint32Array(36)

export interface DirEntry {
  readonly name: string
  /** DT_DIR and so on; 0 (DT_UNKNOWN) if the file system does not say. */
  readonly type: number
}

/** ssize_t getdents64(int fd, void *dirp, size_t count) — getdents64(2): all entries except `.` and `..`, or a negative errno. */
export function readDirectory(fd: number): DirEntry[] | number {
  const buffer = new Uint8Array(2048)
  const entries: DirEntry[] = []
  for (;;) {
    const length = runtime.syscall(SYS_getdents64, fd, buffer, buffer.length)
    if (length < 0) return length
    if (length === 0) return entries
    for (let at = 0, next = 0; at < length; at = next) {
      next += u16(buffer, at + 16)
      const start = at + 19
      // Records are padded to a multiple of eight bytes, so the NUL is among the last eight.
      let end = next - 8 > start ? next - 8 : start
      while (buffer[end] !== 0) end++
      const name = runtime.text(buffer, start, end - start)
      if (name !== '.' && name !== '..') entries.push({ name, type: buffer[at + 18] ?? 0 })
    }
  }
}

// ---- mounts ----

/** int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data) — mount(2) */
export const mount = (source: string, target: string, type: string, flags: number, data = ''): number =>
  runtime.syscall(SYS_mount, source, target, type, flags, data === '' ? 0 : data)

/** int umount2(const char *target, int flags) — umount(2) */
export const umount = (target: string, flags = 0): number => runtime.syscall(SYS_umount2, target, flags)

/** int chdir(const char *path) — chdir(2) */
export const chdir = (path: string): number => runtime.syscall(SYS_chdir, path)

/** int chroot(const char *path) — chroot(2) */
export const chroot = (path: string): number => runtime.syscall(SYS_chroot, path)

// ---- processes and signals ----

/** int kill(pid_t pid, int sig) — kill(2) */
export const kill = (pid: number, signal: number): number => runtime.syscall(SYS_kill, pid, signal)

export interface Waited {
  /** The child; 0 if none has ended yet (WNOHANG); or a negative errno. */
  readonly pid: number
  /** As wait(2) encodes it. */
  readonly status: number
}

/** pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) — wait4(2) */
export function wait4(pid: number, options: number): Waited {
  const status = new Uint32Array(1)
  return { pid: runtime.syscall(SYS_wait4, pid, status, options, 0), status: word(status, 0) }
}

/** int sigprocmask(int how, const sigset_t *set, sigset_t *old) — sigprocmask(2); the kernel's set has 64 bits, signal 1 in the lowest. */
export const sigprocmask = (how: number, set: Words): number =>
  runtime.syscall(SYS_rt_sigprocmask, how, set, 0, 8)

/** int signalfd(int fd, const sigset_t *mask, int flags) — signalfd(2) */
export const signalfd = (set: Words, flags: number): number =>
  runtime.syscall(SYS_signalfd4, -1, set, 8, flags)

export interface PollFd {
  readonly fd: number
  readonly events: number
}

/**
 * int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask) — poll(2)
 * @param milliseconds how long to wait; negative: forever
 * @returns each descriptor's revents, or a negative errno
 */
export function poll(fds: readonly PollFd[], milliseconds: number): number[] | number {
  // struct pollfd: the descriptor, then events and revents of 16 bits.
  const memory = new Uint32Array(fds.length * 2)
  fds.forEach(({ fd, events }, index) => {
    memory[index * 2] = fd
    memory[index * 2 + 1] = events
  })
  // Rounded up: woken a fraction early, what is due would not be due yet by `uptime`.
  const timeout = milliseconds < 0 ? 0 : timespec(Math.ceil(milliseconds))
  const result = runtime.syscall(SYS_ppoll, memory, fds.length, timeout, 0, 8)
  return result < 0 ? result : fds.map((_, index) => word(memory, index * 2 + 1) >>> 16)
}

/** int timerfd_create(int clockid, int flags) — timerfd_create(2) */
export const timerfd = (clock: number, flags: number): number =>
  runtime.syscall(SYS_timerfd_create, clock, flags)

/**
 * int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) — timerfd_create(2)
 * @param milliseconds from now, once; 0 stops the timer
 */
export function setTimer(fd: number, milliseconds: number): number {
  // struct itimerspec: the interval (none), then the first expiration.
  const setting = new Uint32Array(8)
  const rest = milliseconds % 1000
  setting[4] = (milliseconds - rest) / 1000
  setting[6] = rest * 1_000_000
  return runtime.syscall(SYS_timerfd_settime, fd, 0, setting, 0)
}

/** struct timespec of whole milliseconds: seconds and nanoseconds of 64 bits; the upper halves are not needed here. */
function timespec(milliseconds: number): Words {
  const rest = milliseconds % 1000
  return Uint32Array.of((milliseconds - rest) / 1000, 0, rest * 1_000_000, 0)
}

// ---- the machine ----

/** For clock_gettime(2)'s timespec: it is called too often to allocate one each time. */
const CLOCK = new Uint32Array(4)

/**
 * int clock_gettime(clockid_t clock, struct timespec *tp) — clock_gettime(2), in whole milliseconds, since
 * the engine is by far the fastest with integers.
 */
export function uptime(): number {
  runtime.syscall(SYS_clock_gettime, CLOCK_BOOTTIME, CLOCK)
  return word(CLOCK, 0) * 1000 + ((word(CLOCK, 2) / 1_000_000) | 0)
}

/** The same in microseconds, to measure how long something takes. */
export function microseconds(): number {
  runtime.syscall(SYS_clock_gettime, CLOCK_BOOTTIME, CLOCK)
  return word(CLOCK, 0) * 1_000_000 + ((word(CLOCK, 2) / 1000) | 0)
}

/** The time of day, since 1970. */
export function realTime(): { readonly seconds: number; readonly nanoseconds: number } {
  runtime.syscall(SYS_clock_gettime, CLOCK_REALTIME, CLOCK)
  return { seconds: word64(CLOCK, 0), nanoseconds: word(CLOCK, 2) }
}

/** int sethostname(const char *name, size_t length) — sethostname(2) */
export const setHostname = (name: string): number => runtime.syscall(SYS_sethostname, name, name.length)

/** int syslog(SYSLOG_ACTION_CONSOLE_LEVEL, NULL, int level) — syslog(2): kernel messages above this level go to no console. */
export const setConsoleLevel = (level: number): number => runtime.syscall(SYS_syslog, 8, 0, level)

/**
 * int syslog(SYSLOG_ACTION_READ_ALL, char *buf, int size) — syslog(2): as much of the end of the kernel's log as fits, or
 * a negative errno
 */
export function readKernelLog(size: number): string | number {
  const buffer = new Uint8Array(size)
  const length = runtime.syscall(SYS_syslog, 3, buffer, size)
  return length < 0 ? length : runtime.text(buffer, 0, length)
}

/** int reboot(int magic, int magic2, int op, void *arg) — reboot(2) */
export const reboot = (op: number): number =>
  runtime.syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, op, 0)

/** int finit_module(int fd, const char *parameters, int flags) — init_module(2) */
export const loadModule = (fd: number): number => runtime.syscall(SYS_finit_module, fd, '', 0)

/** int ioctl(int fd, unsigned long request, …) — ioctl(2) */
export const ioctl = (fd: number, request: number, argument: Argument = 0): number =>
  runtime.syscall(SYS_ioctl, fd, request, argument)

// ---- sockets ----

/** int socket(int domain, int type, int protocol) — socket(2) */
export const socket = (domain: number, type: number, protocol: number): number =>
  runtime.syscall(SYS_socket, domain, type, protocol)

/** int bind(int fd, const struct sockaddr *address, socklen_t length) — bind(2) */
export const bind = (fd: number, address: Memory): number =>
  runtime.syscall(SYS_bind, fd, address, address.length)

/** int setsockopt(int fd, int level, int option, const void *value, socklen_t length) — setsockopt(2), with an int */
export function setsockopt(fd: number, level: number, option: number, value: number): number {
  return runtime.syscall(SYS_setsockopt, fd, level, option, Uint32Array.of(value), 4)
}

/** ssize_t sendto(int fd, const void *buf, size_t length, int flags, …) — send(2), to the socket's default peer */
export const send = (fd: number, message: Memory, length = message.length): number =>
  runtime.syscall(SYS_sendto, fd, message, length, 0, 0, 0)

/** ssize_t recvfrom(int fd, void *buf, size_t length, int flags, …) — recv(2); with MSG_TRUNC, the datagram's whole length */
export const receive = (fd: number, into: Memory, flags: number): number =>
  runtime.syscall(SYS_recvfrom, fd, into, into.length, flags, 0, 0)
