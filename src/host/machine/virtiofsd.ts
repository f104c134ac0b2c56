/** One virtiofsd for one directory. */

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectStderr, endOf, failure } from '../lib/child.ts'
import { spawnGuarded } from '../lib/guard.ts'
import { findVirtiofsd, type Virtiofsd } from '../lib/programs.ts'
import { listenAt } from './listening.ts'

export interface SharedDirectory {
  readonly directory: string
  /** Where it listens, or the descriptor that it inherits; it serves one connection and ends with it. */
  readonly socket: string | number
  readonly readOnly: boolean
}

/** How long it may take to end by itself once its machine is gone. */
const LAST_WORDS = 1000

export interface RunningVirtiofsd {
  /** Resolves when it has ended, with the error to show if that was before its machine ran. */
  readonly ended: Promise<Error>
  /** Sees it end. */
  stop(): Promise<void>
  /** Ends it at once, while its machine runs: the guest gets no more answers. */
  kill(): void
}

/**
 * It gets its socket as its standard input. Node's sockets do not block, and virtiofsd's accept(2) has to: of a child's
 * descriptors libuv makes the standard streams blocking, and only them.
 */
const SOCKET_FD = 0

/** Starts a virtiofsd for a directory. Its socket takes connections at once. */
export async function startVirtiofsd(
  directory: string,
  socket: string,
  readOnly: boolean,
): Promise<RunningVirtiofsd> {
  if (!existsSync(directory)) throw new Error(`can't share ${directory}: it does not exist`)
  const program = findVirtiofsd()
  const shared = { directory, socket: SOCKET_FD, readOnly }
  const [path, ...args] = virtiofsdCommand(program, shared, process.getuid?.() === 0)
  const listening = await listenAt(socket)
  const child = spawnGuarded(path, args, [listening.fd, 'ignore', 'pipe'])
  listening.release()
  const stderr = collectStderr(child)
  const end = endOf(child)
  return {
    ended: end.then(() => failure(path, args, stderr(), hint(program))),
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
 * The guest's `trusted.*` attributes are `user.virtiofs.trusted.*` on the host; every other attribute keeps its name. An
 * overlay whose upper layer is in the root needs `trusted.*` (Docker's overlay2), and virtiofsd drops the CAP_SYS_ADMIN
 * that setting them takes.
 *
 * `trusted.overlay.origin` is refused, which overlayfs accepts. It would hold virtiofsd's number of an inode, which names
 * another file in the next boot: a file of the upper layer whose origin is then of another type can't be looked up.
 */
const XATTR_MAP =
  ':bad:all:trusted.overlay.origin:user.virtiofs.trusted.overlay.origin::map:trusted.:user.virtiofs.:'

/**
 * The arguments of either version. Caching as zos hosts have it: the directory is the guest's own. Read-only is not among
 * them, since only the one in Rust can do it, from 1.11 on: see `virtiofsdCommand`.
 */
export function virtiofsdArgs(program: Virtiofsd, { directory, socket }: SharedDirectory): string[] {
  const listen = typeof socket === 'number' ? `--fd=${socket}` : `--socket-path=${socket}`
  if (program.kind === 'c') {
    return [listen, '-o', `source=${directory}`, '-o', 'cache=auto', '-o', `xattrmap=${XATTR_MAP}`, '-f']
  }
  return [listen, `--shared-dir=${directory}`, '--cache=auto', '--xattr', `--xattrmap=${XATTR_MAP}`]
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
  const { readOnly } = shared
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
    return 'see its message above; it needs to read the directory, and a kernel with namespaces'
  }
  return 'see its message above; this version needs root, or subordinate ids: apt-get install uidmap, and a line for you in /etc/subuid and /etc/subgid'
}
