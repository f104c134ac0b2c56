/** errno(3): numbers of x86-64 and arm64 (asm-generic), names, and descriptions as strerror(3) gives them. */

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const E2BIG = 7
export const ENOEXEC = 8
export const ECHILD = 10
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ETXTBSY = 26
export const EFBIG = 27
export const ENOSPC = 28
export const EROFS = 30
export const ENOSYS = 38
export const ENOTEMPTY = 39
export const ELOOP = 40
export const ENOBUFS = 105
export const EOPNOTSUPP = 95
export const ETIMEDOUT = 110
export const EBADMSG = 74
export const EUCLEAN = 117

/** One string, not a map: it costs nothing until there is an error to describe. */
const TABLE = `
1 EPERM operation not permitted
2 ENOENT no such file or directory
3 ESRCH no such process
4 EINTR interrupted system call
5 EIO input/output error
6 ENXIO no such device or address
7 E2BIG argument list too long
8 ENOEXEC exec format error
9 EBADF bad file descriptor
10 ECHILD no child processes
11 EAGAIN resource temporarily unavailable
12 ENOMEM cannot allocate memory
13 EACCES permission denied
14 EFAULT bad address
15 ENOTBLK block device required
16 EBUSY device or resource busy
17 EEXIST file exists
18 EXDEV invalid cross-device link
19 ENODEV no such device
20 ENOTDIR not a directory
21 EISDIR is a directory
22 EINVAL invalid argument
23 ENFILE too many open files in system
24 EMFILE too many open files
25 ENOTTY inappropriate ioctl for device
26 ETXTBSY text file busy
27 EFBIG file too large
28 ENOSPC no space left on device
29 ESPIPE illegal seek
30 EROFS read-only file system
31 EMLINK too many links
32 EPIPE broken pipe
33 EDOM numerical argument out of domain
34 ERANGE numerical result out of range
35 EDEADLK resource deadlock avoided
36 ENAMETOOLONG file name too long
37 ENOLCK no locks available
38 ENOSYS function not implemented
39 ENOTEMPTY directory not empty
40 ELOOP too many levels of symbolic links
61 ENODATA no data available
74 EBADMSG bad message
75 EOVERFLOW value too large for defined data type
80 ELIBBAD accessing a corrupted shared library
88 ENOTSOCK socket operation on non-socket
90 EMSGSIZE message too long
92 ENOPROTOOPT protocol not available
93 EPROTONOSUPPORT protocol not supported
95 EOPNOTSUPP operation not supported
97 EAFNOSUPPORT address family not supported by protocol
98 EADDRINUSE address already in use
99 EADDRNOTAVAIL cannot assign requested address
100 ENETDOWN network is down
101 ENETUNREACH network is unreachable
103 ECONNABORTED software caused connection abort
104 ECONNRESET connection reset by peer
105 ENOBUFS no buffer space available
107 ENOTCONN transport endpoint is not connected
110 ETIMEDOUT connection timed out
111 ECONNREFUSED connection refused
112 EHOSTDOWN host is down
113 EHOSTUNREACH no route to host
116 ESTALE stale file handle
117 EUCLEAN structure needs cleaning
122 EDQUOT disk quota exceeded
123 ENOMEDIUM no medium found
124 EMEDIUMTYPE wrong medium type
`

/** `EBUSY (device or resource busy)`; `errno 999` if the number is unknown. The errno may have either sign. */
export function describeErrno(errno: number): string {
  const number = Math.abs(errno)
  const start = TABLE.indexOf(`\n${number} `)
  if (start < 0) return `errno ${number}`
  const name = TABLE.indexOf(' ', start) + 1
  const text = TABLE.indexOf(' ', name)
  return `${TABLE.slice(name, text)} (${TABLE.slice(text + 1, TABLE.indexOf('\n', text))})`
}

/** A system call that failed: `mount proc on /proc: EBUSY (device or resource busy)`. */
export class SysError extends Error {
  /** Positive, as in errno(3). */
  readonly errno: number
  /**
   * @param call what was tried: `mount proc on /proc`
   * @param result the kernel's negative answer
   * @param hint what the kernel said beyond the number, or how to fix it
   */
  constructor(call: string, result: number, hint = '') {
    super(`${call}: ${describeErrno(result)}${hint === '' ? '' : `: ${hint}`}`)
    this.errno = Math.abs(result)
  }
}

/** Throws a SysError for a negative result. `call` is called only then. */
export function must(result: number, call: () => string): number {
  if (result < 0) throw new SysError(call(), result)
  return result
}
