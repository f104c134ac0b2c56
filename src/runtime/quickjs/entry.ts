/** The lean build's entry: the host object that `host.c` puts into the global scope, and `main`, for it to call. */

import { readSeed } from '../../boot/steps/seed.ts'
import { preload } from '../../lazy.ts'
import { main } from '../../main.ts'
import { explainExec, nearPrograms, runShell, shutDown, supervise } from '../../supervise/lazy.ts'
import type { Runtime } from '../../sys/port.ts'

declare const host: Runtime

// What nearly every boot on a zos host needs is in the heap that the build makes: a module there costs 0.1 M instructions
// where it is not needed, and saves 0.7 M where it is (the seed). The others are loaded when they are needed.
preload({
  seed: { readSeed },
  supervise: { explainExec, nearPrograms, runShell, shutDown, supervise },
})

export const start = (): never => main(host)
