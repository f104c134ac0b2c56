/**
 * The entrypoint's file in a root that does not run: what PID 1 will find, and whether the kernel can execute it. The
 * rules are those of `supervise/entrypoint.ts` and `supervise/explain.ts`, which ask the running system.
 */

import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Bytes, u16, u32, u64 } from '../lib/bytes.ts'
import { quote } from '../lib/text.ts'
import { fromByteText, toByteText } from './byte-text.ts'
import { readAt } from './input.ts'
import { resolveInRoot } from './root-reader.ts'

export interface EntrypointFile {
  /** Where PID 1 finds it, before symlinks are followed; undefined: it finds none. From the root, as all paths here. */
  readonly path?: string
  /** Where the symlinks lead to. */
  readonly target?: string
  /** `unknown`: neither, or not readable by this user. */
  readonly format?: 'elf' | 'script' | 'unknown'
  /** An ELF file's: `x86-64`, `arm64`, … */
  readonly machine?: string
  /** An ELF file's dynamic loader, or a script's interpreter; undefined where there is none, or it is not known. */
  readonly interpreter?: Interpreter
  /** Whether `zmachine.mode=auto` hands PID 1 over to it. */
  readonly init: boolean
  /** Why it would not be started; undefined: nothing is known against it. */
  readonly refusal?: string
}

export interface Interpreter {
  readonly path: string
  readonly found: boolean
}

/** What the lookup needs of the configuration; byte strings. */
export interface Lookup {
  readonly init: string
  readonly args: readonly string[]
  readonly cwd: string
  /** The variable. */
  readonly path: string
}

export function inspectEntrypoint(root: string, lookup: Lookup): EntrypointFile {
  const found = find(root, lookup)
  if ('refusal' in found) return { init: false, refusal: found.refusal }
  const { path } = found
  const target = fromRoot(root, found.place)
  const init = isInit(root, path, target, lookup.args)
  return { path, target, init, ...formatOf(root, found.place, `entrypoint ${quote(path)}`, 0) }
}

interface Found {
  readonly path: string
  /** On this computer. */
  readonly place: string
}

interface Refused {
  readonly refusal: string
}

/** As execvp(3): one with a slash in it is a path, from `cwd` where it is relative; a bare name is one of PATH's. */
function find(root: string, { init, cwd, path }: Lookup): Found | Refused {
  if (init.includes('/')) return check(root, absolute(init, cwd))
  let refused: Refused | undefined
  for (const directory of path.split(':')) {
    const candidate = `${absolute(directory, cwd)}/${init}`
    const found = check(root, candidate)
    if ('place' in found) return found
    if (resolveInRoot(root, onDisk(candidate)) !== undefined) refused ??= found
  }
  return refused ?? { refusal: `entrypoint ${quote(init)} is in no directory of PATH (${quote(path)})` }
}

function absolute(path: string, cwd: string): string {
  if (path.startsWith('/')) return path
  const base = cwd === '/' ? '' : cwd
  return path === '' ? base : `${base}/${path}`
}

function check(root: string, path: string): Found | Refused {
  const name = `entrypoint ${quote(path)}`
  const place = resolveInRoot(root, onDisk(path))
  if (place === undefined) return { refusal: `${name} is not in the root${danglingLink(root, path)}` }
  const stat = lstatSync(place)
  if (stat.isDirectory()) return { refusal: `${name} is a directory` }
  if (!stat.isFile()) return { refusal: `${name} is no regular file` }
  if ((stat.mode & 0o111) === 0) {
    return { refusal: `${name} is not executable: no x in its mode; chmod +x it in the image` }
  }
  return { path, place }
}

function danglingLink(root: string, path: string): string {
  const end = path.lastIndexOf('/')
  const folder = resolveInRoot(root, onDisk(path.slice(0, end)))
  if (folder === undefined) return ''
  try {
    const isLink = lstatSync(join(folder, onDisk(path.slice(end + 1)))).isSymbolicLink()
    return isLink ? ': it is a symlink to what does not exist there' : ''
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
    // PID 1 is root, and will read it.
    return { format: 'unknown' }
  }
  try {
    const head = readAt(fd, 0, 4096)
    const interpreter = shebang(head)
    if (interpreter !== undefined) return scriptOf(root, interpreter, name, depth)
    if (u32(head, 0) === ELF_MAGIC) return elfOf(root, fd, head, name)
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
  const found = check(root, path)
  if ('refusal' in found) return cannot(`its interpreter: ${found.refusal.replace('entrypoint ', '')}`)
  if (depth >= MOST_SCRIPTS) return cannot('its interpreter is a script of a script, too many times')
  const { refusal } = formatOf(root, place, `the interpreter ${quote(path)} of ${name}`, depth + 1)
  return refusal === undefined ? script : { ...script, refusal }
}

/** As the kernel reads it (fs/binfmt_script.c). A carriage return is a part of the name. */
function shebang(head: Bytes): string | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined
  const [line = ''] = Buffer.from(head.subarray(2, 256)).toString('latin1').split('\n')
  return line.split(/[ \t]/).find((word) => word !== '') ?? ''
}

const ELF_MAGIC = 0x464c457f
const EM_386 = 3
const EM_X86_64 = 62
const PT_INTERP = 3

/** Of `e_machine`, elf(5), by the names that `supervise/explain.ts` has for them. */
const MACHINES: Readonly<Record<number, string>> = {
  [EM_386]: 'i386',
  8: 'MIPS',
  21: 'ppc64',
  22: 's390',
  40: '32-bit ARM',
  [EM_X86_64]: 'x86-64',
  183: 'arm64',
  243: 'RISC-V',
  258: 'LoongArch',
}

function elfOf(root: string, fd: number, head: Bytes, name: string): Format {
  const number = u16(head, 18)
  const machine = MACHINES[number] ?? `ELF machine ${number}`
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

/** elf(5): the path in the PT_INTERP segment; of 64-bit files only. */
function elfInterpreter(fd: number, head: Bytes): string | undefined {
  if (head[4] !== 2) return undefined
  const table = u64(head, 32)
  const size = u16(head, 54)
  for (let i = 0; i < u16(head, 56) && i < 64; i++) {
    const at = table + i * size
    if (at + 56 > head.length || u32(head, at) !== PT_INTERP) continue
    const offset = u64(head, at + 8)
    if (!Number.isSafeInteger(offset)) return undefined
    const bytes = readAt(fd, offset, Math.min(256, u64(head, at + 32)))
    const [path = ''] = Buffer.from(bytes).toString('latin1').split('\0')
    return path === '' ? undefined : path
  }
  return undefined
}

/** As `INITS` of `supervise/entrypoint.ts`; the tests compare them. */
export const INITS: readonly string[] = [
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

/** As `wantsPid1` there, for `auto`. */
function isInit(root: string, path: string, target: string, args: readonly string[]): boolean {
  if (path === '/sbin/init' || path === '/usr/sbin/init') return true
  const file = target.slice(target.lastIndexOf('/') + 1)
  if (INITS.includes(file)) return true
  if (file === 'zinit') return args[0] === 'init'
  return path === '/init' && readsLikeS6(join(root, onDisk(target)))
}

function readsLikeS6(place: string): boolean {
  try {
    const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const start = Buffer.from(readAt(fd, 0, 4096)).toString('latin1')
      return start.includes('execlineb') || start.includes('s6-overlay')
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
