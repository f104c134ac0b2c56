/**
 * Root directories of Debian's packages, made by mmdebstrap(1) for the release and from the archive that this machine
 * is set up for. They are kept as tarballs outside the tree, and each test unpacks one of its own.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached, isCached } from '../../build/cache.ts'
import { BuildError, freshLog, run } from '../../build/command.ts'
import { ETC, ownSources } from '../../build/debian/apt-files.ts'
import { codename } from '../../build/debian/system.ts'
import { step } from '../../build/progress.ts'
import { needProgram } from '../../src/host/lib/programs.ts'

/** What a root is made of. */
export interface Recipe {
  readonly name: string
  readonly packages: readonly string[]
  /** Files that are there before the packages' own scripts run; where a package has the same one, this one stays. */
  readonly files?: Readonly<Record<string, string>>
}

/** Raised when a root is made in another way, since roots are cached. */
const FORMAT = '1'

/** Nobody in a test reads them, and they are a third of the files. */
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*']

/** This machine's own name and name servers, which mmdebstrap copies. */
const OURS = ['/etc/hostname', '/etc/resolv.conf']

/** Makes the recipe's tarball where the cache has none; its file. */
export async function tarball(recipe: Recipe): Promise<string> {
  const release = await codename()
  const name = `image-${recipe.name}`
  const inputs = [release, recipe.packages.join(' '), JSON.stringify(recipe.files ?? {}), FORMAT]
  const make = (): Promise<string> => cached(name, inputs, (fresh) => bootstrap(recipe, release, fresh))
  const folder = isCached(name, inputs) ? await make() : await step(`a Debian root: ${recipe.name}`, make)
  return join(folder, 'root.tar.zst')
}

async function bootstrap(recipe: Recipe, release: string, fresh: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'zmachine-image-'))
  try {
    const log = freshLog(`image-${recipe.name}`)
    await run(needProgram('mmdebstrap', 'mmdebstrap'), mmdebstrapArgs(recipe, release, scratch, fresh), {
      log,
      advice: 'Check that this machine reaches its Debian archive: apt-get update',
    })
  } finally {
    await rm(scratch, { recursive: true })
  }
}

function mmdebstrapArgs(recipe: Recipe, release: string, scratch: string, fresh: string): string[] {
  const files = join(scratch, 'files')
  for (const [path, text] of Object.entries({ '/etc/': '', ...recipe.files })) writeBelow(files, path, text)
  return [
    '--variant=minbase',
    // A file of the recipe's goes before a package's, without a question.
    '--dpkgopt=force-confold',
    ...LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    `--include=${recipe.packages.join(',')}`,
    `--essential-hook=cp -r ${files}/. "$1"`,
    `--customize-hook=cd "$1" && rm -f ${OURS.map((path) => `.${path}`).join(' ')}`,
    release,
    join(fresh, 'root.tar.zst'),
    ...sources(release, scratch),
  ]
}

function writeBelow(folder: string, path: string, text: string): void {
  mkdirSync(join(folder, path, path.endsWith('/') ? '.' : '..'), { recursive: true })
  if (!path.endsWith('/')) writeFileSync(join(folder, path), text)
}

/** The machine's own archives of its release, without those of third parties: a file for each of apt's own. */
function sources(release: string, scratch: string): string[] {
  const found = ownSources(release, { name: 'images', type: 'deb' })
  if (found.length === 0)
    throw new BuildError(`no Debian archive for ${release} main found in ${ETC}`, 'Run the tests on Debian.')
  return found.map(({ extension, text }, at) => {
    const copy = join(scratch, `${at}.${extension}`)
    writeFileSync(copy, text)
    return copy
  })
}

/** Unpacks a root, with its owners, modes and devices, into a folder that is made. */
export async function unpackRoot(recipe: Recipe, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true })
  await run('tar', ['--zstd', '-xpf', await tarball(recipe), '-C', folder])
  return folder
}

/** The numbers of a user of a root. */
export function userOf(root: string, name: string): { readonly uid: number; readonly gid: number } {
  const line = readFileSync(join(root, 'etc/passwd'), 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error(`no user ${name} in ${root}/etc/passwd`)
  return { uid: Number(uid), gid: Number(gid) }
}
