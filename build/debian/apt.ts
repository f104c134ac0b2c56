/**
 * Debian's archive without touching the machine's own apt: a private set of package lists in the cache, for a
 * suite of our choice, from the archive that this machine is set up for. Needs no root. apt verifies signatures.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../cache.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { ETC, ownSources } from './apt-files.ts'
import type { Want } from './apt-sources.ts'
import { codename } from './system.ts'

/** A private apt, ready for `apt-get` and `apt-cache` with `options`. */
export interface Apt {
  readonly options: readonly string[]
  readonly log: string
  /** What `apt-cache` answers; remembered, since it is slow and the same until the lists change. */
  ask(...args: readonly string[]): Promise<string>
  /** Throws the lists away, for when they name a version that the archive has no more. */
  forget(): Promise<void>
}

/** Opens the private apt for what is wanted; the first time, and after `forget`, the lists are fetched. */
export async function openApt(want: Want): Promise<Apt> {
  const sources = await privateSources(want)
  const log = freshLog(`apt-${want.name}`)
  const folder = await cached(`apt-${want.name}`, [sources.file, sources.text], async (fresh) => {
    await mkdir(join(fresh, 'etc'))
    await mkdir(join(fresh, 'lists/partial'), { recursive: true })
    await mkdir(join(fresh, 'cache/archives/partial'), { recursive: true })
    await writeFile(join(fresh, 'etc', sources.file), sources.text)
    await run('apt-get', [...optionsFor(fresh), 'update', '--error-on=any'], {
      log,
      advice: 'Check that this machine reaches its Debian archive: apt-get update',
    })
  })
  return {
    options: optionsFor(folder),
    log,
    ask: async (...args) => {
      const file = join(folder, `answer-${args.join('-')}`)
      if (existsSync(file)) return readFile(file, 'utf8')
      const answer = await run('apt-cache', [...optionsFor(folder), ...args])
      await writeFile(`${file}.${process.pid}`, answer)
      await rename(`${file}.${process.pid}`, file)
      return answer.toString()
    },
    forget: () => rm(folder, { recursive: true, force: true }),
  }
}

function optionsFor(folder: string): string[] {
  const settings = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(folder, 'etc'),
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    // The cache is in a home folder, which apt's own user may not enter.
    'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
    'Acquire::Languages': 'none',
  }
  return [
    '-q',
    ...Object.entries(settings).flatMap(([key, value]) => (value ? ['-o', `${key}=${value}`] : [])),
  ]
}

/** The machine's own sources file for Debian, with another suite or type. */
async function privateSources(want: Want): Promise<{ file: string; text: string }> {
  const [first] = ownSources(await codename(), want)
  if (first !== undefined) return { file: `zmachine.${first.extension}`, text: first.text }
  throw new BuildError(
    `no Debian archive for ${await codename()} main found in ${ETC}/sources.list or ${ETC}/sources.list.d`,
    'The build fetches QuickJS and a kernel from Debian. Run it on Debian 12 or 13, for example in a container.',
  )
}
