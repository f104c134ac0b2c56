/** The lean build's entry: the host object that `host.c` puts into the global scope, and `main`, for it to call. */

import { readSeed } from '../../boot/steps/seed.ts'
import { preload } from '../../lazy.ts'
import { main } from '../../main.ts'
import type { Runtime } from '../../sys/port.ts'

declare const host: Runtime

// What nearly every boot on a zos host needs before its entrypoint is in the heap that the build makes: the seed costs 0.1 M
// instructions there where it is not needed, and saves 0.7 M where it is. The others are loaded when they are needed, the
// supervisor once the entrypoint runs.
preload({ seed: { readSeed } })

export const start = (): never => main(host)
