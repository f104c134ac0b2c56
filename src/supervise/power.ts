/** The power states that reboot(2) knows, and the watchdog that asks for one where PID 1 can't. */

import { startWatchdog } from '../boot/io/watchdog.ts'
import {
  LINUX_REBOOT_CMD_HALT,
  LINUX_REBOOT_CMD_POWER_OFF,
  LINUX_REBOOT_CMD_RESTART,
  LINUX_REBOOT_MAGIC1,
  LINUX_REBOOT_MAGIC2,
} from '../sys/flags.ts'
import { SYS_reboot } from '../sys/linux.ts'
import { failure, formatOutcome, type Outcome } from './outcome.ts'
import type { PowerState } from './state.ts'

export const REBOOT_COMMANDS = {
  reboot: LINUX_REBOOT_CMD_RESTART,
  poweroff: LINUX_REBOOT_CMD_POWER_OFF,
  halt: LINUX_REBOOT_CMD_HALT,
} as const

/** Starts the watchdog: where PID 1 hangs, it prints this outcome as the last line and ends the machine. */
export function armWatchdog(power: PowerState, outcome: Outcome = failure(125)): void {
  startWatchdog((uptime) => formatOutcome(outcome, uptime), {
    number: SYS_reboot,
    args: [LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, REBOOT_COMMANDS[power], 0],
    name: 'reboot',
  })
}
