/** Programs that want to be PID 1. Pure: PID 1 asks it of the running root, `zmachine inspect` of one that does not run. */

/** By the name of the file that the entrypoint's symlinks lead to. */
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
 * Whether an entrypoint is an init beyond doubt.
 * @param path the entrypoint's
 * @param target gives the file that its symlinks lead to; asked only where the path does not decide
 * @param args the entrypoint's, without its own name
 * @param head gives the file's beginning as text; asked only where the name does not decide
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
  // s6-overlay's is a script of its own kind; other images call anything /init. Version 3 names itself in its last lines.
  const start = head()
  return start.includes('execlineb') || start.includes('s6-overlay')
}
