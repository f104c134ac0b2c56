/** The npm package, installed into an empty folder as somebody else would: the command, the library, its types. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { ROOT } from '../../../build/paths.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { temporaryFolder } from '../../host/plan/plan-helpers.ts'
import { probeProgram, writeTree } from '../lib/files.ts'

const folder = temporaryFolder()
const project = join(folder, 'project')
const root = join(folder, 'root')
const npmQuiet = { npm_config_update_notifier: 'false', npm_config_audit: 'false', npm_config_fund: 'false' }

beforeAll(async () => {
  writeTree(project, { 'package.json': '{ "name": "somebody-elses", "type": "module" }' })
  writeTree(root, { probe: { copy: await probeProgram() } })
  // Built already, as `npm test` begins with that; prepack would build it once more.
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    env: npmQuiet,
  })
  const [{ filename }] = JSON.parse(packed.toString()) as [{ filename: string }]
  // It depends on nothing, so that no registry is asked.
  await run('npm', ['install', '--offline', join(folder, filename)], { cwd: project, env: npmQuiet })
})

/** The machine's own Node where there is one: the package promises Node 20. */
const node = findProgram('/usr/bin/node') ?? process.execPath

test('npx zmachine run boots a root', async () => {
  const command = join(project, 'node_modules/.bin/zmachine')
  const output = await run(node, [command, 'run', root, '--', '/probe', 'cat', '/proc/self/cmdline'], {
    cwd: project,
    env: { XDG_STATE_HOME: folder },
  })
  expect(output.toString()).toContain('probe: cat /proc/self/cmdline: /probe')
})

test('the node build is too large for the package, which says where it is', async () => {
  const command = join(project, 'node_modules/.bin/zmachine')
  const refused = run(node, [command, 'run', '--pid1', 'node', root, '--', '/probe'], { cwd: project })
  await expect(refused).rejects.toThrow(/--pid1 node: .* does not exist\n.*npm run build:node makes it/)
})

const PROGRAM = `
import { boot, containerExit, encodeSeed, type MachineOptions, readTimeline, seedImage } from 'zmachine-init'
import { writeFileSync } from 'node:fs'

const seed = encodeSeed({ environment: { A: 'b' }, entrypoint: { init: '/probe', args: ['exit', '3'] } })
writeFileSync('seed.img', seedImage(seed))
const options: MachineOptions = {
  root: { kind: 'virtiofs', directory: ${JSON.stringify(root)} },
  disks: [{ file: 'seed.img', readOnly: true }],
  cmdline: 'zmachine.on_exit=poweroff zmachine.timeline',
  timeout: 60,
}
const machine = await boot(options)
const { reason, console: log } = await machine.exited
console.log(JSON.stringify({ reason, code: containerExit(log)?.code, steps: readTimeline(log).steps.length }))
`

test('a program in TypeScript boots a machine with the library, by the types that come with it', async () => {
  writeFileSync(join(project, 'program.ts'), PROGRAM)
  const options = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    outDir: 'out',
  }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['program.ts'] }),
  )
  await run(join(ROOT, 'node_modules/.bin/tsc'), [], { cwd: project })
  const output = await run(node, ['out/program.js'], { cwd: project })
  const told: unknown = JSON.parse(output.toString())
  expect(told).toMatchObject({ reason: 'powerdown', code: 3 })
  expect((told as { steps: number }).steps).toBeGreaterThan(5)
})
