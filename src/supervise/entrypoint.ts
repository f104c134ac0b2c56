/** The entrypoint: where it is, and whether it is an init. `explain.ts` says why it can't be executed. */

import type { Mode } from '../config/machine.ts'
import type { Bytes } from '../lib/bytes.ts'
import { isInit } from '../lib/inits.ts'
import { quote } from '../lib/text.ts'
import { describeErrno, EACCES } from '../sys/errno.ts'
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
    return check(absolute(init, cwd))
  }
  let refused: Missing | undefined
  for (const directory of path.split(':')) {
    // POSIX: an empty entry is the current directory.
    const found = check(`${absolute(directory, cwd)}/${init}`)
    if ('path' in found) return found
    if (found.code === 126) refused ??= found
  }
  return (
    refused ?? { code: 127, message: `entrypoint ${quote(init)} is in no directory of PATH (${quote(path)})` }
  )
}

function absolute(path: string, cwd: string): string {
  if (path.startsWith('/')) return path
  const base = cwd === '/' ? '' : cwd
  return path === '' ? base : `${base}/${path}`
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

/**
 * Whether PID 1 is handed over. `auto`: only to what is an init beyond doubt, since an application that is PID 1 and
 * exits makes the kernel panic.
 * @param args the entrypoint's, without its own name
 */
export function wantsPid1(mode: Mode, path: string, args: readonly string[]): boolean {
  if (mode !== 'auto') return mode === 'exec'
  return isInit(
    path,
    () => finalTarget(path),
    args,
    () => {
      const head = readHead(path)
      return text(head, 0, head.length)
    },
  )
}

function finalTarget(path: string): string {
  let at = path
  for (let depth = 0; depth < 8; depth++) {
    const target = readlink(at)
    if (typeof target === 'number') return at
    at = target.startsWith('/') ? target : `${at.slice(0, at.lastIndexOf('/'))}/${target}`
  }
  return at
}

/** A file's beginning: enough for an ELF header with its segments, or a `#!` line. */
export function readHead(path: string): Bytes {
  const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (fd < 0) return new Uint8Array(0)
  const bytes = new Uint8Array(4096)
  const count = pread(fd, bytes, 0)
  close(fd)
  return bytes.slice(0, Math.max(0, count))
}
