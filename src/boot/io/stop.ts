/** Which signals to PID 1 are requests to stop the machine. Pure. */

import { SIGINT, SIGPWR, SIGTERM } from '../../sys/flags.ts'

/** The power state that a stop ends in. */
export type StopPower = 'poweroff' | 'reboot'

/** Undefined for a signal that isn't a request to stop. Ctrl-Alt-Del is SIGINT (reboot(2), LINUX_REBOOT_CMD_CAD_OFF). */
export function stopOf(signal: number): StopPower | undefined {
  if (signal === SIGINT) return 'reboot'
  return signal === SIGTERM || signal === SIGPWR ? 'poweroff' : undefined
}
