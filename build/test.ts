/** `npm test`: builds, checks and tests everything, and says in the end what failed. See --help. */
import { parseArgs } from 'node:util'
import { buildAll, buildDebianCloud, buildNode } from './build.ts'
import { CHECK_NAMES, type CheckName, isCheckName, runChecks, USUAL_CHECKS } from './checks.ts'
import { BuildError } from './command.ts'
import { ensurePackages, type Purpose } from './debian/system.ts'
import { command, heading, note } from './progress.ts'

const HELP = `npm test [-- --only NAME[,NAME...]]

Builds, checks and tests everything. What is missing of Debian's packages is installed first, where that is allowed.

  --only NAMES   some of: ${CHECK_NAMES.join(' ')}
                 (docker runs only where it is named)
  --help         this text
`

/** What is asked for: the usual checks unless some are named. */
function wanted(only: string | undefined): CheckName[] {
  const names = only === undefined ? USUAL_CHECKS : only.split(',')
  return names.map((name) => {
    if (isCheckName(name)) return name
    throw new BuildError(`--only ${name}: no such check`, `It is one of: ${CHECK_NAMES.join(', ')}`)
  })
}

/** The packages that these checks and what they test need. */
function purposes(names: readonly CheckName[]): Purpose[] {
  const ofImages = (name: CheckName): boolean => name === 'images' || name === 'docker'
  const images: Purpose[] = names.some(ofImages) ? ['images'] : []
  const others: Purpose[] = names.every(ofImages) ? [] : ['demo', 'test']
  return ['build', 'run', ...others, ...images]
}

function sayWhatNeedsRoot(): void {
  if (process.getuid?.() === 0) return
  note(
    'not root: tests that make device nodes, or mount what a user namespace may not, are skipped and say so',
  )
}

await command(async () => {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help) return void process.stdout.write(HELP)
  const names = wanted(values.only)
  heading('build')
  await ensurePackages(purposes(names))
  sayWhatNeedsRoot()
  await buildAll()
  if (names.includes('boot-node')) await buildNode()
  if (names.includes('boot')) await buildDebianCloud()
  await runChecks(names, true)
})
