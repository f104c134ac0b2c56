/** The engine's source: QuickJS as Debian's archive has it, by checksum, with our patches applied. */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cached } from '../cache.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { type Apt, openApt } from '../debian/apt.ts'
import { ROOT } from '../paths.ts'

/** The upstream release and its tarball. docs/engine.md says how to move to another one. */
export const RELEASE = '2025.04.26'
const TARBALL = `quickjs_${RELEASE}.orig.tar.xz`
export const TARBALL_SHA256 = 'ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe'

/** The Debian release whose archive has it. */
const SUITE = 'trixie'

const PATCHES = join(ROOT, 'src/runtime/quickjs/patches')

/**
 * The folder of the patched source.
 *
 * Debian's own patches change only its Makefile, so the source is the upstream tarball alone: the same for each of Debian's
 * revisions, and a security update of the package does not break the build.
 */
export async function engineSource(): Promise<string> {
  const patches = patchFiles()
  const texts = await Promise.all(patches.map((file) => readFile(file)))
  const folder = await cached('quickjs', [TARBALL_SHA256, ...texts], async (fresh) => {
    await run('tar', ['--extract', '--file', await engineTarball(), '--directory', fresh], {
      log: freshLog('engine-source'),
    })
    await rename(join(fresh, `quickjs-${RELEASE}`), join(fresh, 'source'))
    await applyPatches(join(fresh, 'source'), patches)
  })
  return join(folder, 'source')
}

/** Our patches in the order in which they apply. */
export const patchFiles = (folder: string = PATCHES): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.patch'))
    .sort()
    .map((name) => join(folder, name))

/** Applies patches to a source folder, without fuzz: a hunk whose context has changed must be looked at by somebody. */
export async function applyPatches(source: string, patches: readonly string[]): Promise<void> {
  const log = freshLog('engine-patches')
  const options = ['--batch', '--forward', '--fuzz=0', '--no-backup-if-mismatch', '--strip=1']
  for (const file of patches) {
    await run('patch', [...options, '--directory', source, '--input', file], {
      log,
      advice: `${basename(file)} does not fit this release of QuickJS. docs/engine.md says how to refresh a patch.`,
    })
  }
}

/** Fetches the tarball with apt, which checks Debian's signature, and compares it with the checksum that we know. */
async function engineTarball(): Promise<string> {
  const folder = await cached('quickjs-tarball', [TARBALL_SHA256], async (fresh) => {
    const apt = await openApt({ name: SUITE, type: 'deb-src', suite: SUITE })
    await download(apt, fresh).catch(async (error: unknown) => {
      // The lists may be older than the archive: the next build fetches new ones.
      await apt.forget()
      throw error
    })
    await verify(join(fresh, TARBALL))
  })
  return join(folder, TARBALL)
}

async function download(apt: Apt, folder: string): Promise<void> {
  const answer = await apt.ask('showsrc', '--only-source', 'quickjs')
  const version = chooseVersion(answer)
  if (version === undefined) {
    const found = versionsIn(answer).join(', ') || 'no version'
    throw new BuildError(
      `the archive has ${found} of quickjs in ${SUITE}, and the build needs a revision of ${RELEASE}`,
      'docs/engine.md says how to move to another release.',
    )
  }
  await run('apt-get', [...apt.options, 'source', '--download-only', '--only-source', `quickjs=${version}`], {
    cwd: folder,
    log: apt.log,
    advice: `The build needs Debian's source package quickjs ${version}.`,
  })
}

const versionsIn = (showsrc: string): string[] =>
  [...showsrc.matchAll(/^Version: (.+)$/gm)].map(([, version = '']) => version)

/**
 * A Debian version of the release we know, whichever revision it is: all of them have the same upstream tarball.
 *
 * @param showsrc what `apt-cache showsrc` prints
 */
export const chooseVersion = (showsrc: string): string | undefined =>
  versionsIn(showsrc).findLast((version) => version.startsWith(`${RELEASE}-`))

async function verify(tarball: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(tarball))
    .digest('hex')
  if (found === TARBALL_SHA256) return
  throw new BuildError(
    `${TARBALL}: SHA-256 is ${found}, not ${TARBALL_SHA256}`,
    'This is not the source that was reviewed. Do not build it; find out who changed it.',
  )
}
