/**
 * Finds the entrypoint's file in a root that is not running, and tells whether the kernel can execute it. The running
 * system has the same rules in `supervise/explain.ts`.
 */

import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { constants as os } from 'node:os'
import { join, relative } from 'node:path'
import { type Bytes, u16 } from '../../lib/bytes.ts'
import { findEntrypoint, type Lookup, refusalOf } from '../../lib/entrypoint.ts'
import {
  EM_386,
  EM_X86_64,
  interpreterSegment,
  isElf,
  isScript,
  machineName,
  shebang,
} from '../../lib/executable.ts'
import { isInit } from '../../lib/inits.ts'
import { quote } from '../../lib/text.ts'
import { resolveInRoot } from '../image/root-reader.ts'
import { fromByteText, toByteText } from '../lib/byte-text.ts'
import { readAt } from '../lib/input.ts'

export interface EntrypointFile {
  /** Where PID 1 finds it, before symlinks are followed; undefined if it finds none. All paths here start at the root. */
  readonly path?: string
  /** Where the symlinks lead to. */
  readonly target?: string
  /** `unknown`: neither of them, or not readable by this user. */
  readonly format?: 'elf' | 'script' | 'unknown'
  /** Of an ELF file: `x86-64`, `arm64`, … */
  readonly machine?: string
  /** The dynamic loader of an ELF file, or the interpreter of a script; undefined if there is none, or it is unknown. */
  readonly interpreter?: Interpreter
  /** Whether `zmachine.mode=auto` hands PID 1 over to it. */
  readonly init: boolean
  /** Why it would not start; undefined if nothing speaks against it. */
  readonly refusal?: string
}

export interface Interpreter {
  readonly path: string
  readonly found: boolean
}

/** What the look-up needs of the configuration; byte strings. */
export interface Wanted {
  readonly init: string
  readonly args: readonly string[]
  readonly cwd: string
  /** The variable. */
  readonly path: string
}

export function inspectEntrypoint(root: string, wanted: Wanted): EntrypointFile {
  const found = findEntrypoint(wanted.init, wanted.cwd, wanted.path, lookUp(root))
  if ('message' in found) return { init: false, refusal: found.message }
  const { path } = found
  const place = resolveInRoot(root, onDisk(path)) ?? join(root, onDisk(path))
  const target = fromRoot(root, place)
  const init = isInit(
    path,
    () => target,
    wanted.args,
    () => readStart(join(root, onDisk(target))),
  )
  return { path, target, init, ...formatOf(root, place, `entrypoint ${quote(path)}`, 0) }
}

const lookUp = (root: string): Lookup => ({
  mode: (path) => {
    const place = resolveInRoot(root, onDisk(path))
    return place === undefined ? NOT_FOUND : lstatSync(place).mode
  },
  missing: (path) => ({
    code: 127,
    message: `entrypoint ${quote(path)} is not in the root${danglingLink(root, path)}`,
  }),
})

const NOT_FOUND = -os.errno.ENOENT

function danglingLink(root: string, path: string): string {
  const end = path.lastIndexOf('/')
  const folder = resolveInRoot(root, onDisk(path.slice(0, end)))
  if (folder === undefined) return ''
  try {
    const isLink = lstatSync(join(folder, onDisk(path.slice(end + 1)))).isSymbolicLink()
    return isLink ? ': it is a symlink to something that does not exist there' : ''
  } catch {
    return ''
  }
}

/** Node's paths are text. */
const onDisk = (path: string): string => fromByteText(path) ?? path

const fromRoot = (root: string, place: string): string => `/${toByteText(relative(root, place))}`

type Format = Pick<EntrypointFile, 'format' | 'machine' | 'interpreter' | 'refusal'>

/** Scripts may be interpreters of scripts; the kernel follows so many (fs/exec.c, exec_binprm). */
const MOST_SCRIPTS = 5

function formatOf(root: string, place: string, name: string, depth: number): Format {
  let fd: number
  try {
    fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    // PID 1 runs as root and can read it.
    return { format: 'unknown' }
  }
  try {
    const head = readAt(fd, 0, 4096)
    if (isScript(head)) return scriptOf(root, shebang(head) ?? '', name, depth)
    if (isElf(head)) return elfOf(root, fd, head, name)
    const why =
      head.length === 0 ? 'the file is empty' : 'it is neither an ELF binary nor a script that begins with #!'
    return { format: 'unknown', refusal: `${name} can't be executed: ${why}` }
  } finally {
    closeSync(fd)
  }
}

function scriptOf(root: string, path: string, name: string, depth: number): Format {
  const place = path.startsWith('/') ? resolveInRoot(root, onDisk(path)) : undefined
  const script = { format: 'script', interpreter: { path, found: place !== undefined } } as const
  const cannot = (why: string): Format => ({ ...script, refusal: `${name} can't be executed: ${why}` })
  if (place === undefined)
    return cannot(`its interpreter ${quote(path)} (from its #! line) is not in the root`)
  const why = refusalOf(lstatSync(place).mode)
  if (why !== undefined) return cannot(`its interpreter ${quote(path)} ${why}`)
  if (depth >= MOST_SCRIPTS) return cannot('its interpreter is a script of a script, too many times')
  const { refusal } = formatOf(root, place, `the interpreter ${quote(path)} of ${name}`, depth + 1)
  return refusal === undefined ? script : { ...script, refusal }
}

function elfOf(root: string, fd: number, head: Bytes, name: string): Format {
  const number = u16(head, 18)
  const machine = machineName(number)
  const elf = { format: 'elf', machine } as const
  const cannot = (why: string): Pick<Format, 'refusal'> => ({ refusal: `${name} can't be executed: ${why}` })
  // A kernel for x86-64 may well run i386, too.
  if (number !== EM_X86_64 && number !== EM_386) {
    return { ...elf, ...cannot(`it is built for ${machine}, and a zos host is x86-64`) }
  }
  const path = elfInterpreter(fd, head)
  if (path === undefined) return elf
  const found = resolveInRoot(root, onDisk(path)) !== undefined
  const loader = { ...elf, interpreter: { path, found } }
  if (found) return loader
  const why = `its dynamic loader ${quote(path)} is not in the root; is it built for another C library?`
  return { ...loader, ...cannot(why) }
}

/** The path in an ELF file's PT_INTERP segment; of 64-bit files only. */
function elfInterpreter(fd: number, head: Bytes): string | undefined {
  const segment = head[4] === 2 ? interpreterSegment(head) : undefined
  if (segment === undefined) return undefined
  const bytes = readAt(fd, segment.offset, segment.size)
  const [path = ''] = Buffer.from(bytes).toString('latin1').split('\0')
  return path === '' ? undefined : path
}

/** The start of a file as a byte string; empty if it can't be read. */
function readStart(place: string): string {
  try {
    const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      return Buffer.from(readAt(fd, 0, 4096)).toString('latin1')
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}
