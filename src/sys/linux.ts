/**
 * The system calls that PID 1 makes, typed. Each returns the kernel's answer: a negative errno on failure
 * (`must` turns it into an error where it is one). Paths and texts are byte strings (see `port.ts`).
 *
 * Absent on purpose: everything that allocates a stream, a thread or a callback. There is one thread, one loop
 * and one blocking call, ppoll.
 */

import { i32, putU16, putU32, putU64, u16, u32, u64 } from '../lib/bytes.ts'
import {
  AT_FDCWD,
  CLOCK_BOOTTIME,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
  RESOLVE_IN_ROOT,
} from './flags.ts'
import type { Argument, Memory, Runtime } from './port.ts'

/** Numbers of the x86-64 table (arch/x86/entry/syscalls/syscall_64.tbl). */
export const SYS = {
  read: 0,
  write: 1,
  close: 3,
  lseek: 8,
  rt_sigprocmask: 14,
  ioctl: 16,
  pread64: 17,
  getpid: 39,
  socket: 41,
  sendto: 44,
  recvfrom: 45,
  bind: 49,
  setsockopt: 54,
  execve: 59,
  wait4: 61,
  kill: 62,
  fsync: 74,
  chdir: 80,
  fchmod: 91,
  fchown: 93,
  setuid: 105,
  setgid: 106,
  setsid: 112,
  setgroups: 116,
  chroot: 161,
  statfs: 137,
  sync: 162,
  mount: 165,
  umount2: 166,
  reboot: 169,
  sethostname: 170,
  getdents64: 217,
  clock_gettime: 228,
  openat: 257,
  mkdirat: 258,
  newfstatat: 262,
  unlinkat: 263,
  renameat: 264,
  symlinkat: 266,
  readlinkat: 267,
  ppoll: 271,
  signalfd4: 289,
  dup3: 292,
  prlimit64: 302,
  finit_module: 313,
  getrandom: 318,
  openat2: 437,
} as const

let runtime: Runtime

/** Chooses the host that makes the calls; once, before anything else. */
export function useRuntime(host: Runtime): void {
  runtime = host
}

export function currentRuntime(): Runtime {
  return runtime
}

/** A system call by number, for the few that have no typed function of their own. */
export function syscall(number: number, ...args: readonly Argument[]): number {
  return runtime.syscall(number, ...args)
}

export const text = (memory: Memory, offset: number, length: number): string =>
  runtime.text(memory, offset, length)

// ---- files ----

/** int openat(int dirfd, const char *path, int flags, mode_t mode) — open(2) */
export const open = (path: string, flags: number, mode = 0, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS.openat, dirfd, path, flags, mode)

/**
 * int openat2(int dirfd, const char *path, const struct open_how *how, size_t size) — openat2(2), with
 * RESOLVE_IN_ROOT: `dirfd` is `/` for the path and for every symlink on it.
 */
export function openInRoot(dirfd: number, path: string, flags: number): number {
  const how = new Uint8Array(24)
  putU32(how, 0, flags)
  how[16] = RESOLVE_IN_ROOT
  return runtime.syscall(SYS.openat2, dirfd, path, how, how.length)
}

/** int close(int fd) — close(2) */
export const close = (fd: number): number => runtime.syscall(SYS.close, fd)

/** ssize_t read(int fd, void *buf, size_t count) — read(2) */
export const read = (fd: number, into: Memory): number => runtime.syscall(SYS.read, fd, into, into.length)

/** ssize_t pread(int fd, void *buf, size_t count, off_t offset) — pread(2) */
export const pread = (fd: number, into: Memory, offset: number): number =>
  runtime.syscall(SYS.pread64, fd, into, into.length, offset)

/** ssize_t write(int fd, const void *buf, size_t count) — write(2) */
export const write = (fd: number, from: Memory, length = from.length): number =>
  runtime.syscall(SYS.write, fd, from, length)

/** int fsync(int fd) — fsync(2) */
export const fsync = (fd: number): number => runtime.syscall(SYS.fsync, fd)

/** int mkdirat(int dirfd, const char *path, mode_t mode) — mkdir(2) */
export const mkdir = (path: string, mode: number, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS.mkdirat, dirfd, path, mode)

/** int unlinkat(int dirfd, const char *path, int flags) — unlink(2) */
export const unlink = (path: string, flags = 0, dirfd = AT_FDCWD): number =>
  runtime.syscall(SYS.unlinkat, dirfd, path, flags)

/** int renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath) — rename(2) */
export const rename = (from: string, to: string): number =>
  runtime.syscall(SYS.renameat, AT_FDCWD, from, AT_FDCWD, to)

/** int symlinkat(const char *target, int newdirfd, const char *linkpath) — symlink(2) */
export const symlink = (target: string, path: string): number =>
  runtime.syscall(SYS.symlinkat, target, AT_FDCWD, path)

/** int fchmod(int fd, mode_t mode) — chmod(2) */
export const fchmod = (fd: number, mode: number): number => runtime.syscall(SYS.fchmod, fd, mode)

/** ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size) — readlink(2). A negative errno or the text. */
export function readlink(path: string): string | number {
  const buffer = new Uint8Array(4096)
  const length = runtime.syscall(SYS.readlinkat, AT_FDCWD, path, buffer, buffer.length)
  return length < 0 ? length : runtime.text(buffer, 0, length)
}

export interface Stat {
  readonly dev: number
  readonly ino: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
}

/** int fstatat(int dirfd, const char *path, struct stat *st, int flags) — stat(2). A negative errno or the status. */
export function stat(path: string, flags = 0, dirfd = AT_FDCWD): Stat | number {
  const buffer = new Uint8Array(144)
  const result = runtime.syscall(SYS.newfstatat, dirfd, path, buffer, flags)
  if (result < 0) return result
  return {
    dev: u64(buffer, 0),
    ino: u64(buffer, 8),
    mode: u32(buffer, 24),
    uid: u32(buffer, 28),
    gid: u32(buffer, 32),
    rdev: u64(buffer, 40),
    size: u64(buffer, 48),
  }
}

/** int statfs(const char *path, struct statfs *buf) — statfs(2): f_type, or a negative errno. */
export function statfsType(path: string): number {
  const buffer = new Uint8Array(120)
  const result = runtime.syscall(SYS.statfs, path, buffer)
  return result < 0 ? result : u64(buffer, 0)
}

export interface DirEntry {
  readonly name: string
  /** DT_DIR and its like; 0 (DT_UNKNOWN) where the file system does not say. */
  readonly type: number
}

/** ssize_t getdents64(int fd, void *dirp, size_t count) — getdents64(2): all entries but `.` and `..`, or a negative errno. */
export function readDirectory(fd: number): DirEntry[] | number {
  const buffer = new Uint8Array(8192)
  const entries: DirEntry[] = []
  for (;;) {
    const length = runtime.syscall(SYS.getdents64, fd, buffer, buffer.length)
    if (length < 0) return length
    if (length === 0) return entries
    for (let at = 0; at < length; at += u16(buffer, at + 16)) {
      const start = at + 19
      let end = start
      while (buffer[end] !== 0) end++
      const name = runtime.text(buffer, start, end - start)
      if (name !== '.' && name !== '..') entries.push({ name, type: buffer[at + 18] ?? 0 })
    }
  }
}

// ---- mounts ----

/** int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data) — mount(2) */
export const mount = (source: string, target: string, type: string, flags: number, data = ''): number =>
  runtime.syscall(SYS.mount, source, target, type, flags, data === '' ? 0 : data)

/** int umount2(const char *target, int flags) — umount(2) */
export const umount = (target: string, flags = 0): number => runtime.syscall(SYS.umount2, target, flags)

/** int chdir(const char *path) — chdir(2) */
export const chdir = (path: string): number => runtime.syscall(SYS.chdir, path)

/** int chroot(const char *path) — chroot(2) */
export const chroot = (path: string): number => runtime.syscall(SYS.chroot, path)

// ---- processes and signals ----

export const getpid = (): number => runtime.syscall(SYS.getpid)

/** int kill(pid_t pid, int sig) — kill(2) */
export const kill = (pid: number, signal: number): number => runtime.syscall(SYS.kill, pid, signal)

export interface Waited {
  /** 0 where no child has ended yet (WNOHANG), or a negative errno. */
  readonly pid: number
  /** As wait(2) encodes it. */
  readonly status: number
}

/** pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) — wait4(2) */
export function wait4(pid: number, options: number): Waited {
  const status = new Uint8Array(4)
  return { pid: runtime.syscall(SYS.wait4, pid, status, options, 0), status: i32(status, 0) }
}

/** The kernel's sigset_t with these signals in it (64 bits, signal 1 in bit 0). */
export function signalSet(signals: readonly number[]): Memory {
  const set = new Uint8Array(8)
  for (const signal of signals)
    set[(signal - 1) >> 3] = (set[(signal - 1) >> 3] ?? 0) | (1 << ((signal - 1) & 7))
  return set
}

/** int sigprocmask(int how, const sigset_t *set, sigset_t *old) — sigprocmask(2) */
export const sigprocmask = (how: number, set: Memory): number =>
  runtime.syscall(SYS.rt_sigprocmask, how, set, 0, 8)

/** int signalfd(int fd, const sigset_t *mask, int flags) — signalfd(2) */
export const signalfd = (set: Memory, flags: number): number =>
  runtime.syscall(SYS.signalfd4, -1, set, 8, flags)

export interface PollFd {
  readonly fd: number
  readonly events: number
}

/**
 * int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask) — poll(2)
 * @param milliseconds how long to wait; negative: for ever
 * @returns each descriptor's revents, or a negative errno
 */
export function poll(fds: readonly PollFd[], milliseconds: number): number[] | number {
  const memory = new Uint8Array(fds.length * 8)
  fds.forEach(({ fd, events }, index) => {
    putU32(memory, index * 8, fd)
    putU16(memory, index * 8 + 4, events)
  })
  const timeout = milliseconds < 0 ? 0 : timespec(milliseconds)
  const result = runtime.syscall(SYS.ppoll, memory, fds.length, timeout, 0, 8)
  return result < 0 ? result : fds.map((_, index) => u16(memory, index * 8 + 6))
}

function timespec(milliseconds: number): Memory {
  const memory = new Uint8Array(16)
  const seconds = Math.floor(milliseconds / 1000)
  putU64(memory, 0, seconds)
  putU64(memory, 8, Math.round((milliseconds - seconds * 1000) * 1e6))
  return memory
}

// ---- the machine ----

/** int clock_gettime(clockid_t clock, struct timespec *tp) — clock_gettime(2), in milliseconds with fractions. */
export function uptime(): number {
  const memory = new Uint8Array(16)
  runtime.syscall(SYS.clock_gettime, CLOCK_BOOTTIME, memory)
  return u64(memory, 0) * 1000 + u64(memory, 8) / 1e6
}

/** int sethostname(const char *name, size_t length) — sethostname(2) */
export const setHostname = (name: string): number => runtime.syscall(SYS.sethostname, name, name.length)

/** void sync(void) — sync(2) */
export const sync = (): number => runtime.syscall(SYS.sync)

/** int reboot(int magic, int magic2, int op, void *arg) — reboot(2) */
export const reboot = (op: number): number =>
  runtime.syscall(SYS.reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, op, 0)

/** int finit_module(int fd, const char *parameters, int flags) — init_module(2) */
export const loadModule = (fd: number): number => runtime.syscall(SYS.finit_module, fd, '', 0)

/** int ioctl(int fd, unsigned long request, …) — ioctl(2) */
export const ioctl = (fd: number, request: number, argument: Argument = 0): number =>
  runtime.syscall(SYS.ioctl, fd, request, argument)

// ---- sockets ----

/** int socket(int domain, int type, int protocol) — socket(2) */
export const socket = (domain: number, type: number, protocol: number): number =>
  runtime.syscall(SYS.socket, domain, type, protocol)

/** int bind(int fd, const struct sockaddr *address, socklen_t length) — bind(2) */
export const bind = (fd: number, address: Memory): number =>
  runtime.syscall(SYS.bind, fd, address, address.length)

/** int setsockopt(int fd, int level, int option, const void *value, socklen_t length) — setsockopt(2), with an int */
export function setsockopt(fd: number, level: number, option: number, value: number): number {
  const memory = new Uint8Array(4)
  putU32(memory, 0, value)
  return runtime.syscall(SYS.setsockopt, fd, level, option, memory, 4)
}

/** ssize_t sendto(int fd, const void *buf, size_t length, int flags, …) — send(2), to the socket's default peer */
export const send = (fd: number, message: Memory, length = message.length): number =>
  runtime.syscall(SYS.sendto, fd, message, length, 0, 0, 0)

/** ssize_t recvfrom(int fd, void *buf, size_t length, int flags, …) — recv(2); with MSG_TRUNC the whole length */
export const receive = (fd: number, into: Memory, flags: number): number =>
  runtime.syscall(SYS.recvfrom, fd, into, into.length, flags, 0, 0)
