/** What a signal to PID 1 asks for. Pure. */

import { SIGINT, SIGPWR, SIGTERM } from '../../sys/flags.ts'

/** What a stop ends in. */
export type StopPower = 'poweroff' | 'reboot'

/** Undefined for a signal that is no request to stop. Ctrl-Alt-Del is SIGINT (reboot(2), LINUX_REBOOT_CMD_CAD_OFF). */
export function stopOf(signal: number): StopPower | undefined {
  if (signal === SIGINT) return 'reboot'
  return signal === SIGTERM || signal === SIGPWR ? 'poweroff' : undefined
}
