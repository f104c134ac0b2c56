/** One virtiofsd for one directory. */

import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectStderr, endOf, failure } from '../lib/child.ts'
import { spawnGuarded } from '../lib/guard.ts'
import { findVirtiofsd, type Virtiofsd } from '../lib/programs.ts'

export interface SharedDirectory {
  readonly directory: string
  /** Where virtiofsd listens; it serves one connection and ends with it. */
  readonly socket: string
  readonly readOnly?: boolean
}

/** How long a virtiofsd may take to listen, in milliseconds. It needs some 10. */
const PATIENCE = 10_000

/** How long it may take to end by itself once its machine is gone. */
const LAST_WORDS = 1000

export interface RunningVirtiofsd {
  /** Sees it end. */
  stop(): Promise<void>
  /** Ends it at once, while its machine runs: the guest gets no more answers. */
  kill(): void
}

/** Starts virtiofsd and waits until it listens. */
export async function startVirtiofsd(shared: SharedDirectory): Promise<RunningVirtiofsd> {
  if (!existsSync(shared.directory)) throw new Error(`no directory to share at ${shared.directory}`)
  const program = findVirtiofsd()
  const [path, ...args] = virtiofsdCommand(program, shared, process.getuid?.() === 0)
  const child = spawnGuarded(path, args, ['ignore', 'ignore', 'pipe'])
  const stderr = collectStderr(child)
  const end = endOf(child)
  let ended = false
  end.then(() => {
    ended = true
  })
  for (const start = Date.now(); !listens(shared.socket); ) {
    if (ended || Date.now() - start > PATIENCE) {
      child.kill('SIGKILL')
      throw failure(path, args, stderr(), hint(program))
    }
    await Promise.race([end, sleep(2)])
  }
  return {
    async stop() {
      // It ends with its connection; so its last writes are done, and it leaves no process of its sandbox behind.
      await Promise.race([end, sleep(LAST_WORDS, undefined, { ref: false })])
      child.kill('SIGKILL')
      await end
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

/**
 * Whether somebody listens there: the file is there a moment before. Not by connecting, since virtiofsd serves only its
 * first connection. Lines of /proc/net/unix (proc(5)) are `Num RefCount Protocol Flags Type St Inode Path`.
 */
function listens(socket: string): boolean {
  const entry = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .find((line) => line.endsWith(` ${socket}`))
  const flags = Number.parseInt(entry?.split(/\s+/)[3] ?? '0', 16)
  return (flags & SO_ACCEPTCON) !== 0
}

/** linux/net.h: the socket listens. */
const SO_ACCEPTCON = 1 << 16

/**
 * The arguments of either version. Caching as zos hosts have it: the directory is the guest's own. Read-only is not among
 * them, since only the one in Rust can do it, from 1.11 on: see `virtiofsdCommand`.
 */
export function virtiofsdArgs(program: Virtiofsd, { directory, socket }: SharedDirectory): string[] {
  if (program.kind === 'c') {
    return [`--socket-path=${socket}`, '-o', `source=${directory}`, '-o', 'cache=auto,xattr', '-f']
  }
  return [`--socket-path=${socket}`, `--shared-dir=${directory}`, '--cache=auto', '--xattr']
}

/**
 * The command of either version. Without root the one in C gets a user namespace, where it is root and where the
 * user's further ids (subuid(5)) are those of the guest's users, and a /run of its own for the file it insists on.
 * What is read-only is so in a mount namespace of its own: neither version need know, and the guest can't undo it.
 */
export function virtiofsdCommand(
  program: Virtiofsd,
  shared: SharedDirectory,
  isRoot: boolean,
): [string, ...string[]] {
  const args = virtiofsdArgs(program, shared)
  const readOnly = shared.readOnly === true
  const asUser = !isRoot && (program.kind === 'c' || readOnly)
  if (!asUser && !readOnly) return [program.path, ...args]
  const user = asUser ? ['--user', '--map-root-user', '--map-auto'] : []
  const setUp = [
    ...(asUser && program.kind === 'c' ? ['mount -t tmpfs none /run'] : []),
    ...(readOnly ? ['mount --rbind -- "$1" "$1"', 'mount -o remount,bind,ro -- "$1"'] : []),
    // Becoming another user clears the death signal, so it is set again.
    'shift && exec setpriv --pdeathsig KILL "$@"',
  ]
  const shell = ['sh', '-c', setUp.join(' && '), 'sh', shared.directory]
  return ['unshare', ...user, '--mount', ...shell, program.path, ...args]
}

function hint(program: Virtiofsd): string {
  if (program.kind === 'rust' || process.getuid?.() === 0) {
    return 'look at its words above; a directory that may be read and a kernel with namespaces are all it needs'
  }
  return 'this version needs further ids of yours (apt-get install uidmap; a line in /etc/subuid and /etc/subgid), or root'
}
