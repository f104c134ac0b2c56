/** The size of the terminal that shows the console: passed on at the start, and whenever it changes. */

import { expect, test } from 'vitest'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { booted } from '../lib/boot.ts'

/** A shell runs its traps between two commands. */
const SCRIPT = `#!/busybox sh
changed() { echo "size $(/busybox stty size)"; }
trap changed WINCH
trap 'exit 0' TERM
changed
while :; do /busybox sleep 0.05; done
`

const boot = booted({
  window: true,
  init: '/script',
  files: {
    busybox: { copy: needProgram('busybox', 'busybox-static') },
    script: { text: SCRIPT, mode: 0o755 },
  },
  during: async (machine) => {
    machine.resize(91, 37)
    await machine.console.waitFor('size 37 91')
    machine.resize(132, 50)
    await machine.console.waitFor('size 50 132')
    await machine.powerdown()
  },
})

test('is the console’s, and programs hear of a change', () => {
  expect(boot().container).toMatchObject({ code: 0, reason: 'stop' })
  expect(boot().console).toContain('size 50 132')
})
