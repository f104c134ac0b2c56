/** The lean build's entry: the host object that `host.c` puts into the global scope, and `main`, for it to call. */

import { main } from '../../main.ts'
import type { Runtime } from '../../sys/port.ts'

declare const host: Runtime

export const start = (): never => main(host)
