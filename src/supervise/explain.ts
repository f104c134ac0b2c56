/** Why an entrypoint that exists can't be executed, and how to fix it. */

import { listNames } from '../boot/io/files.ts'
import { type Bytes, u16 } from '../lib/bytes.ts'
import type { Missing } from '../lib/entrypoint.ts'
import { EM_X86_64, interpreterSegment, isElf, machineName, shebang } from '../lib/executable.ts'
import { nearest, quote } from '../lib/text.ts'
import { describeErrno, E2BIG, EACCES, ENOENT, ENOEXEC, EPERM, ETXTBSY } from '../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../sys/flags.ts'
import { close, open, pread, text } from '../sys/linux.ts'
import { readHead } from './entrypoint.ts'

/** Why execve refused a file that exists, judged by its first bytes, and the exit code for it. */
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
    return cannot('it is not a valid ELF binary for this kernel')
  }
  if (errno === EACCES)
    return cannot(
      `${describeErrno(result)}: its mode, the mode of a parent directory or a noexec mount forbids it`,
    )
  if (errno === E2BIG) return cannot(`${describeErrno(result)}: arguments and environment are too large`)
  if (errno === ETXTBSY) return cannot(`${describeErrno(result)}: it is open for writing`)
  if (errno === EPERM || errno !== ENOENT) return cannot(describeErrno(result))
  return { code: 127, message: `entrypoint ${name}: ${describeErrno(result)}` }
}

/** How many names of a directory are compared: an image may have very many. */
const MOST_NAMES = 5000

/**
 * The end of the error about an entrypoint that does not exist: a program of nearly this name in the same directory or in
 * PATH, or nothing.
 */
export function nearPrograms(init: string, cwd: string, path: string): string {
  const slash = init.lastIndexOf('/')
  const own =
    slash < 0
      ? path.split(':')
      : [init.startsWith('/') ? init.slice(0, slash) : `${cwd === '/' ? '' : cwd}/${init.slice(0, slash)}`]
  const name = init.slice(slash + 1)
  // The most likely mistake is the right name in the wrong directory.
  for (const directories of slash < 0 ? [own] : [own, path.split(':')]) {
    const places = new Map<string, string>()
    for (const directory of directories) {
      for (const each of (listNames(directory === '' ? '/' : directory) ?? []).slice(0, MOST_NAMES)) {
        if (!places.has(each)) places.set(each, directory)
      }
    }
    const near = nearest(name, Array.from(places.keys()))
    if (near !== undefined) return `; did you mean ${quote(`${places.get(near)}/${near}`)}?`
  }
  return ''
}

/** The path in an ELF file's PT_INTERP segment. */
function elfInterpreter(path: string, head: Bytes): string | undefined {
  const segment = interpreterSegment(head)
  const fd = segment === undefined ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if (segment === undefined || fd < 0) return undefined
  const bytes = new Uint8Array(segment.size)
  const count = pread(fd, bytes, segment.offset)
  close(fd)
  const end = bytes.indexOf(0)
  return count <= 0 ? undefined : text(bytes, 0, end < 0 ? count : end)
}
