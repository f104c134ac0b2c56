/**
 * How often a boot may reach an emulated device: no more often than test/bench/budget.json has it. The numbers are of one
 * version of QEMU, whose firmware makes a part of them. If a change needs more for a good reason, write the new number
 * there, and the reason in the commit message; if it needs less, write that as well.
 */

import { expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { privateFolder } from '../../../src/host/lib/guard.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import budget from '../../bench/budget.json' with { type: 'json' }
import { budgetOf, countExits, MACHINES } from '../../bench/exits.ts'

/** The console has times of various lengths, and two boots differ by up to 2 %. */
const SERIAL_SLACK = 1.03
/** All else is the same each time, but that a very busy computer may add a few. */
const OTHERS_SLACK = 16

const version = (await run(needProgram('qemu-system-x86_64', 'qemu-system-x86'), ['--version'])).toString()
const isRecorded = version.includes(`version ${budget.qemu}.`)

test.skipIf(!isRecorded).each(MACHINES)(`exits of $name (QEMU ${budget.qemu})`, async (machine) => {
  const { path: folder, remove } = privateFolder()
  try {
    const recorded = new Map(Object.entries(budget.exits)).get(machine.name)
    const found = budgetOf(await countExits(folder, machine))
    const advice = `${JSON.stringify(found)}, recorded ${JSON.stringify(recorded)}. By device and stage: npm run bench -- --quick exits`
    expect(found.others, advice).toBeLessThanOrEqual((recorded?.others ?? 0) + OTHERS_SLACK)
    expect(found.serial, advice).toBeLessThanOrEqual(Math.floor((recorded?.serial ?? 0) * SERIAL_SLACK))
  } finally {
    remove()
  }
})
