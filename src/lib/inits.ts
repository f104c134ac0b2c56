/** Recognizes programs that want to be PID 1. Pure: PID 1 asks about its own root, `zmachine inspect` about one on disk. */

/** Names of the file that the entrypoint's symlinks lead to. */
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

/** Inits that expect their file systems to be mounted; the others find what the kernel itself leaves. */
const GUESTS: readonly string[] = ['zinit', 's6-svscan']

const isSystemPath = (path: string): boolean => path === '/sbin/init' || path === '/usr/sbin/init'

const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/**
 * Whether an init mounts /sys/fs/cgroup itself, in a way of its own that fails if something is mounted there (OpenRC, finit).
 * @param target the file that its symlinks lead to
 */
export function mountsCgroups(path: string, target: string): boolean {
  const file = fileName(target)
  return !GUESTS.includes(file) && (isSystemPath(path) || INITS.includes(file))
}

/**
 * Whether the entrypoint is certainly an init.
 * @param path the entrypoint's path
 * @param target returns the file that its symlinks lead to; called only if the path does not decide
 * @param args the entrypoint's arguments, without its own name
 * @param head returns the beginning of the file; called only if the name does not decide
 */
export function isInit(
  path: string,
  target: () => string,
  args: readonly string[],
  head: () => string,
): boolean {
  if (isSystemPath(path)) return true
  const file = fileName(target())
  if (INITS.includes(file)) return true
  if (file === 'zinit') return args[0] === 'init'
  if (path !== '/init') return false
  // Images call anything /init. s6-overlay's is a script; version 3 names itself in its last lines.
  const start = head()
  return start.includes('execlineb') || start.includes('s6-overlay')
}
