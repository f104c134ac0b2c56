/** The lean build's entry: the host object that `host.c` puts into the global scope, and `main`, for it to call. */

import { readSeed } from '../../boot/stages/seed.ts'
import { main } from '../../main.ts'
import { provide } from '../../parts.ts'
import { explainExec, nearPrograms, runShell, shutDown, supervise } from '../../supervise/part.ts'
import type { Runtime } from '../../sys/port.ts'

declare const host: Runtime

// What nearly every boot of a zos host needs is in the heap that the build makes. A part there costs 0.1 M instructions where
// it is not needed, and saves 0.7 M where it is (the seed); the others are loaded when they are needed.
provide({
  seed: { readSeed },
  supervise: { explainExec, nearPrograms, runShell, shutDown, supervise },
})

export const start = (): never => main(host)
