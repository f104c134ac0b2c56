/** The entrypoint: found, and why it can't run where it can't. */

import type { Mode } from '../config/machine.ts'
import { type Bytes, u16, u32, u64 } from '../lib/bytes.ts'
import { quote, trim } from '../lib/text.ts'
import { describeErrno, E2BIG, EACCES, ENOENT, ENOEXEC, EPERM, ETXTBSY } from '../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, S_IFDIR, S_IFMT, S_IFREG } from '../sys/flags.ts'
import { close, open, pread, readlink, stat, text } from '../sys/linux.ts'

export interface Found {
  readonly path: string
}

export interface Missing {
  /** 127 not found, 126 not executable */
  readonly code: 126 | 127
  readonly message: string
}

/**
 * Looks an entrypoint up as execvp(3) does: one with a slash in it is a path, from `cwd` where it is relative; a bare
 * name is looked for in PATH's directories.
 */
export function resolveEntrypoint(init: string, cwd: string, path: string): Found | Missing {
  if (init.includes('/')) {
    const absolute = init.startsWith('/') ? init : `${cwd === '/' ? '' : cwd}/${init}`
    return check(absolute)
  }
  let refused: Missing | undefined
  for (const directory of path.split(':')) {
    // POSIX: an empty entry is the current directory.
    const found = check(`${directory === '' ? cwd : directory}/${init}`)
    if ('path' in found) return found
    if (found.code === 126) refused ??= found
  }
  return refused ?? { code: 127, message: `entrypoint ${quote(init)} is in no directory of PATH (${path})` }
}

function check(path: string): Found | Missing {
  const found = stat(path)
  const name = quote(path)
  if (typeof found === 'number') {
    const target = readlink(path)
    const link =
      typeof target === 'string'
        ? `; it is a symlink to ${quote(target)}, which does not exist in the root`
        : ''
    const code = found === -EACCES ? 126 : 127
    return { code, message: `entrypoint ${name}: ${describeErrno(found)}${link}` }
  }
  const type = found.mode & S_IFMT
  if (type === S_IFDIR) return { code: 126, message: `entrypoint ${name} is a directory` }
  if (type !== S_IFREG) return { code: 126, message: `entrypoint ${name} is no regular file` }
  if ((found.mode & 0o111) === 0) {
    return {
      code: 126,
      message: `entrypoint ${name} is not executable: no x in its mode; chmod +x it in the image`,
    }
  }
  return { path }
}

/** Why execve refused a file that is there, from its own first bytes, and the exit code that says so. */
export function explainExec(path: string, result: number): Missing {
  const name = quote(path)
  const cannot = (why: string): Missing => ({
    code: 126,
    message: `entrypoint ${name} can't be executed: ${why}`,
  })
  const errno = -result
  const head = readHead(path)
  const interpreter = shebang(head)
  if (errno === ENOENT && interpreter !== undefined) {
    return cannot(`its interpreter ${quote(interpreter)} (from its #! line) is not in the root`)
  }
  if (errno === ENOENT && isElf(head)) {
    const loader = elfInterpreter(path, head)
    return cannot(
      `its dynamic loader ${quote(loader ?? 'unknown')} is not in the root; is it built for another C library?`,
    )
  }
  if (errno === ENOEXEC) {
    if (head.length === 0) return cannot('the file is empty')
    if (!isElf(head)) return cannot('it is neither an ELF binary nor a script that begins with #!')
    const machine = u16(head, 18)
    if (machine !== EM_X86_64)
      return cannot(`it is built for ${machineName(machine)}, and this machine is x86-64`)
    return cannot('it is no valid ELF binary for this kernel')
  }
  if (errno === EACCES)
    return cannot(`${describeErrno(result)}: its mode, a directory on its way, or a noexec mount forbids it`)
  if (errno === E2BIG) return cannot(`${describeErrno(result)}: arguments and environment are too large`)
  if (errno === ETXTBSY) return cannot(`${describeErrno(result)}: it is open for writing`)
  if (errno === EPERM || errno !== ENOENT) return cannot(describeErrno(result))
  return { code: 127, message: `entrypoint ${name}: ${describeErrno(result)}` }
}

const EM_X86_64 = 62

function machineName(machine: number): string {
  const names: Readonly<Record<number, string>> = {
    3: 'i386',
    8: 'MIPS',
    21: 'ppc64',
    22: 's390',
    40: '32-bit ARM',
    183: 'arm64',
    243: 'RISC-V',
    258: 'LoongArch',
  }
  return names[machine] ?? `ELF machine ${machine}`
}

function readHead(path: string): Bytes {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (fd < 0) return new Uint8Array(0)
  const bytes = new Uint8Array(4096)
  const count = pread(fd, bytes, 0)
  close(fd)
  return bytes.slice(0, Math.max(0, count))
}

const isElf = (head: Bytes): boolean => u32(head, 0) === 0x464c457f

/** A script's interpreter, as the kernel reads it (fs/binfmt_script.c). */
export function shebang(head: Bytes): string | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined
  let line = ''
  for (let at = 2; at < head.length && at < 256 && head[at] !== 0x0a; at++)
    line += String.fromCharCode(head[at] ?? 0)
  const first = trim(line).split(' ')[0]?.split('\t')[0]
  return first === undefined || first === '' ? undefined : first
}

const PT_INTERP = 3

/** elf(5): the path in the PT_INTERP segment of a 64-bit file. */
function elfInterpreter(path: string, head: Bytes): string | undefined {
  const table = u64(head, 32)
  const size = u16(head, 54)
  for (let i = 0; i < u16(head, 56) && i < 64; i++) {
    const at = table + i * size
    if (at + 56 > head.length || u32(head, at) !== PT_INTERP) continue
    const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if (fd < 0) return undefined
    const bytes = new Uint8Array(Math.min(256, u64(head, at + 32)))
    const count = pread(fd, bytes, u64(head, at + 8))
    close(fd)
    const end = bytes.indexOf(0)
    return count <= 0 ? undefined : text(bytes, 0, end < 0 ? count : end)
  }
  return undefined
}

/** Programs that want to be PID 1, by the name of the file that the entrypoint's symlinks lead to. */
const INITS: readonly string[] = [
  'systemd',
  'openrc-init',
  'runit',
  'runit-init',
  's6-svscan',
  's6-linux-init',
  'finit',
  'dinit',
  'dinit-init',
  'shepherd',
]

/**
 * Whether PID 1 is handed over. `auto`: only to what is an init beyond doubt, since an application that is PID 1 and
 * exits makes the kernel panic.
 * @param args the entrypoint's, without its own name
 */
export function wantsPid1(mode: Mode, path: string, args: readonly string[]): boolean {
  if (mode !== 'auto') return mode === 'exec'
  if (path === '/sbin/init' || path === '/usr/sbin/init') return true
  const file = baseName(finalTarget(path))
  if (INITS.includes(file)) return true
  if (file === 'zinit') return args[0] === 'init'
  // s6-overlay's is a script of its own kind; other images call anything /init.
  return path === '/init' && readsLikeS6(path)
}

function readsLikeS6(path: string): boolean {
  const head = readHead(path)
  const start = text(head, 0, Math.min(head.length, 512))
  return start.includes('execlineb') || start.includes('s6-overlay')
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

function finalTarget(path: string): string {
  let at = path
  for (let depth = 0; depth < 8; depth++) {
    const target = readlink(at)
    if (typeof target === 'number') return at
    at = target.startsWith('/') ? target : `${at.slice(0, at.lastIndexOf('/'))}/${target}`
  }
  return at
}
