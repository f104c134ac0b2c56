/** `npm run soak`: boots random machines one after the other, and checks each. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildAll } from '../../build/build.ts'
import { BuildError } from '../../build/command.ts'
import { ensurePackages } from '../../build/debian/system.ts'
import { ROOT } from '../../build/paths.ts'
import { command, note } from '../../build/progress.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'
import type { Machine } from '../../src/host/machine/machine.ts'
import type { Disk } from '../../src/host/machine/options.ts'
import { type Boot, bootContainer } from '../qemu/lib/boot.ts'
import { makeExt4, writeTree } from '../qemu/lib/files.ts'
import { makeDisk, makeSeed } from '../qemu/lib/images.ts'
import { check } from './check.ts'
import { cmdlineOf, commandsOf, DISKS, makeTrial, seedOf, type Trial } from './trial.ts'

const BOOTS = 500

const HELP = `npm run soak [-- BOOTS [SEED]]

Boots machines with random NICs, disks, shares, seeds, command lines, users and endings, one after the other. Each must
end as planned, and its entrypoint must find what was asked for.

  BOOTS    number of boots; default ${BOOTS}, which takes half an hour
  SEED     seed of the first boot; default 1. Repeat boot N alone with: npm run soak 1 SEED+N

Each failed boot is kept in dist/soak/N: its plan, its serial log, and what went wrong.
`
const KEPT = join(ROOT, 'dist/soak')

/** One image of each type, to copy from. */
async function makeImages(folder: string): Promise<ReadonlyMap<string, string>> {
  const tree = join(folder, 'tree')
  writeTree(tree, { 'hello.txt': 'hello' })
  const images = new Map([['ext4', await makeExt4(join(folder, 'ext4'), { 'hello.txt': 'hello' })]])
  for (const disk of DISKS) images.set(disk.type, await makeDisk(join(folder, disk.type), disk, tree))
  return images
}

async function disksOf(trial: Trial, folder: string, images: ReadonlyMap<string, string>): Promise<Disk[]> {
  const disks: Disk[] = []
  for (const [at, type] of trial.disks.entries()) {
    const file = join(folder, `disk-${at}`)
    await cp(images.get(type) ?? '', file)
    disks.push({ file })
  }
  const seed = seedOf(trial)
  if (seed !== undefined) disks.push(await makeSeed(join(folder, 'seed'), seed, { kind: trial.seedKind }))
  return disks
}

/** Presses the power button while the entrypoint works; with restarts, that may be at any moment. */
async function during({ end }: Trial, machine: Machine): Promise<void> {
  if (end.is !== 'button' && end.is !== 'restart') return
  await machine.console.waitFor('probe: waiting')
  await sleep(end.after)
  await machine.powerdown()
}

async function run(trial: Trial, folder: string, images: ReadonlyMap<string, string>): Promise<Boot> {
  const shares = Array.from({ length: trial.shares }, (_, at) => {
    const directory = join(folder, `share-${at}`)
    mkdirSync(directory)
    return { tag: `tag${at}`, directory }
  })
  return bootContainer(folder, {
    cmdline: cmdlineOf(trial),
    probe: commandsOf(trial),
    disks: await disksOf(trial, folder, images),
    shares,
    nics: trial.nics.map((_, hub) => ({ backend: { kind: 'hub', hub } })),
    // A read-only root needs its mount points.
    files: Object.fromEntries(
      [...trial.disks.map((_, at) => `disks/${at}`), ...shares.map((_, at) => `shares/${at}`)].map((path) => [
        path,
        { directory: true as const },
      ]),
    ),
    during: (machine) => during(trial, machine),
  })
}

/** Boots and checks one machine, and keeps it if it fails. Returns what is wrong. */
async function soak(seed: number, number: number, images: ReadonlyMap<string, string>): Promise<string[]> {
  const trial = makeTrial(seed)
  const folder = privateFolder()
  let log = ''
  let wrong: string[]
  try {
    const boot = await run(trial, folder.path, images)
    log = boot.console
    wrong = check(trial, boot)
  } catch (error) {
    wrong = [error instanceof Error ? error.message : String(error)]
  }
  await folder.remove()
  if (wrong.length > 0) keep(number, { seed, ...trial }, log, wrong)
  return wrong
}

function keep(number: number, trial: object, log: string, wrong: readonly string[]): void {
  const folder = join(KEPT, String(number))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'plan.json'), `${JSON.stringify(trial, null, 2)}\n`)
  writeFileSync(join(folder, 'serial.log'), log)
  writeFileSync(join(folder, 'wrong.txt'), `${wrong.join('\n')}\n`)
}

const minutes = (milliseconds: number): string => `${(milliseconds / 60_000).toFixed(1)} min`

async function main(boots: number, seed: number): Promise<void> {
  await ensurePackages(['build', 'run', 'demo', 'test'])
  await buildAll('flist')
  rmSync(KEPT, { recursive: true, force: true })
  const folder = privateFolder()
  const images = await makeImages(folder.path)
  const began = performance.now()
  let failed = 0
  for (let number = 0; number < boots; number++) {
    const wrong = await soak(seed + number, number, images)
    if (wrong.length > 0) failed++
    for (const each of wrong) console.error(`boot ${number} (seed ${seed + number}): ${each.slice(0, 400)}`)
    const took = performance.now() - began
    const left = (took / (number + 1)) * (boots - number - 1)
    const progress = `${number + 1} of ${boots}, ${failed} failed, ${minutes(left)} left`
    if (process.stdout.isTTY) process.stdout.write(`${progress}   \r`)
    else if ((number + 1) % 50 === 0) note(progress)
  }
  folder.remove()
  const kept = failed > 0 ? ', kept in dist/soak' : ''
  note(`${boots} boots, ${failed} failed${kept}; ${minutes(performance.now() - began)}`)
  process.exitCode = failed === 0 ? 0 : 1
}

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const [boots = BOOTS, seed = 1] = positionals.map(Number)
  if (positionals.length > 2 || !(boots > 0) || !Number.isSafeInteger(boots) || !Number.isSafeInteger(seed))
    throw new BuildError(
      `${positionals.join(' ')}: BOOTS and SEED must be whole numbers`,
      'npm run soak -- --help',
    )
  await main(boots, seed)
})
