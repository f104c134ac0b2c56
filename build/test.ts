/** `npm test`: builds, checks and tests everything, and says in the end what failed. `--images`: only the images. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { buildAll, buildDebianCloud, buildNode } from './build.ts'
import { ensurePackages } from './debian/system.ts'
import { ROOT } from './paths.ts'
import { command, note } from './progress.ts'

interface Check {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
}

/** Cheap ones first. Programs are those of node_modules/.bin, which npm puts into PATH. */
const CHECKS: readonly Check[] = [
  { name: 'format and lint', program: 'biome', args: ['check'] },
  { name: 'types of what is in the lean binary', program: 'tsc', args: ['-p', 'tsconfig.lean.json'] },
  { name: 'types of everything else', program: 'tsc', args: ['-p', 'tsconfig.json'] },
  { name: 'unit tests', program: 'vitest', args: ['run', '--project', 'unit'] },
  { name: 'tests on this kernel', program: 'vitest', args: ['run', '--project', 'kernel'] },
  { name: 'boots in QEMU', program: 'vitest', args: ['run', '--project', 'boot'] },
  { name: 'boots of the node build', program: 'vitest', args: ['run', '--project', 'boot-node'] },
  { name: 'faults', program: 'vitest', args: ['run', '--project', 'faults'] },
]

/** Programs that nobody here wrote; also by themselves, as `npm run test:images`. */
const IMAGES: Check = { name: 'images', program: 'vitest', args: ['run', '--project', 'images'] }

function heading(text: string): void {
  process.stdout.write(`\n${text}\n${'─'.repeat(text.length)}\n`)
}

/** Runs a check with its output on ours; whether it passed. */
function passes({ name, program, args }: Check): Promise<boolean> {
  heading(name)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', (error) => {
    process.stdout.write(
      `${program} cannot be started: ${error.message}\nRun this as npm test, after npm ci.\n`,
    )
    resolve(false)
  })
  child.on('close', (code, signal) => {
    // Somebody pressed Ctrl-C: the rest is not wanted either.
    if (signal === 'SIGINT') process.exit(128 + constants.signals.SIGINT)
    resolve(code === 0)
  })
  return promise
}

function sayWhatNeedsRoot(): void {
  if (process.getuid?.() === 0) return
  note(
    'not root: tests that make device nodes, or mount what a user namespace may not, are skipped and say so',
  )
}

await command(async () => {
  heading('build')
  const onlyImages = process.argv.includes('--images')
  await ensurePackages(onlyImages ? ['build', 'run', 'images'] : ['build', 'run', 'demo', 'test', 'images'])
  sayWhatNeedsRoot()
  await buildAll()
  if (!onlyImages) {
    await buildNode()
    await buildDebianCloud()
  }

  const failed: string[] = []
  for (const check of onlyImages ? [IMAGES] : [...CHECKS, IMAGES])
    if (!(await passes(check))) failed.push(check.name)
  heading('result')
  if (failed.length === 0) return note('everything passes')
  for (const name of failed) note(`failed: ${name}`)
  process.exitCode = 1
})
