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
  if (path === '/sbin/init' || path === '/usr/sbin/init') return true
  const whole = target()
  const file = whole.slice(whole.lastIndexOf('/') + 1)
  if (INITS.includes(file)) return true
  if (file === 'zinit') return args[0] === 'init'
  if (path !== '/init') return false
  // Images call anything /init. s6-overlay's is a script; version 3 names itself in its last lines.
  const start = head()
  return start.includes('execlineb') || start.includes('s6-overlay')
}
