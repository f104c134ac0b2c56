/** Recognises what users take for a root and is none: images in other formats, bundles, source code; says what to do. */

import { accessSync, constants, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { shellWord } from '../../lib/shell.ts'
import { errorCode } from '../lib/input.ts'
import { member, readJson, textOf } from '../lib/json.ts'
import { UsageError } from '../lib/usage.ts'
import { unpackLayout } from './mistaken-path.ts'

/** What something is instead of a root, and how to get a root out of it. */
interface Mistake {
  readonly what: string
  readonly advice: string
}

interface Place {
  /** Where the files are: the folder itself, or the one that an archive was unpacked to. */
  readonly folder: string
  /** What the user named, as a word for a shell. */
  readonly named: string
  readonly isArchive: boolean
  /** The file names in the folder. */
  readonly names: ReadonlySet<string>
}

/**
 * Refuses a folder that is not a root, before anything is written to it.
 * @param named what the user named: the folder itself, or the archive that was unpacked to it
 * @throws UsageError also if the folder can't be read
 */
export function refuseMistakenRoot(folder: string, named = folder): void {
  const isArchive = named !== folder
  const names = new Set(namesIn(folder))
  const place = { folder, named: shellWord(named), isArchive, names }
  for (const recognise of RECOGNISED) {
    const mistake = recognise(place)
    if (mistake !== undefined) throw refusal(named, isArchive, mistake)
  }
}

const refusal = (named: string, isArchive: boolean, { what, advice }: Mistake): UsageError =>
  new UsageError(`the ${isArchive ? 'archive' : 'folder'} ${JSON.stringify(named)} ${what}`, advice)

/** As PID 1's file server reads it: its files are listed and looked up. */
function namesIn(folder: string): string[] {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK)
    return readdirSync(folder)
  } catch (error) {
    throw new UsageError(
      `the root ${JSON.stringify(folder)}: cannot be read (${errorCode(error)})`,
      `chmod u+rwx ${shellWord(folder)}, or be root`,
    )
  }
}

/** The first that recognises a folder counts. What marks an image is looked at first: a boot may have left `etc` in it. */
const RECOGNISED: readonly ((place: Place) => Mistake | undefined)[] = [
  empty,
  ociLayout,
  dockerSave,
  skopeoDirectory,
  bundle,
  flist,
  ownHome,
  rootInside,
  sourceCode,
]

function empty({ names, isArchive }: Place): Mistake | undefined {
  if (names.size > 0) return undefined
  return {
    what: 'is empty',
    advice: isArchive ? ARCHIVE_OF_IMAGE : 'a root holds at least the program to run',
  }
}

const ARCHIVE_OF_IMAGE = 'docker export "$(docker create IMAGE)" > root.tar'

/** OCI image layout, also as an archive (`skopeo copy … oci-archive:`); recent versions of `docker save` write one, too. */
function ociLayout({ folder, named, isArchive, names }: Place): Mistake | undefined {
  if (!['oci-layout', 'index.json', 'blobs'].every((name) => names.has(name))) return undefined
  if (isArchive) {
    const kind = names.has('manifest.json') ? 'docker-archive' : 'oci-archive'
    return {
      what: "holds an image's layers, not a root directory",
      advice: fromArchive(kind, named, folder),
    }
  }
  const tag = tagOfLayout(folder) ?? 'TAG'
  return { what: 'is an OCI image layout, not a root directory', advice: unpackLayout(`${named}:${tag}`) }
}

/** `docker save`, by its manifest: an array of images with their layers. */
function dockerSave({ folder, named, isArchive, names }: Place): Mistake | undefined {
  if (!names.has('manifest.json')) return undefined
  const manifest = readJson(join(folder, 'manifest.json'))
  if (!Array.isArray(manifest) || member(manifest, 0, 'Layers') === undefined) return undefined
  const what = "holds an image's layers (docker save), not a root directory"
  if (isArchive) return { what, advice: fromArchive('docker-archive', named, folder) }
  return { what, advice: `tar -C ${named} -cf image.tar . && docker load -i image.tar, then docker export` }
}

/** `skopeo copy … dir:FOLDER`. */
function skopeoDirectory({ folder, named, isArchive, names }: Place): Mistake | undefined {
  if (isArchive || !names.has('manifest.json') || !names.has('version')) return undefined
  if (member(readJson(join(folder, 'manifest.json')), 'schemaVersion') === undefined) return undefined
  return {
    what: "holds an image's layers (skopeo's dir:), not a root directory",
    advice: `skopeo copy dir:${named} oci:image:latest\n  and: ${unpackLayout('image:latest')}`,
  }
}

/** A bundle for runc or crun, as umoci unpacks one: the root is below it. */
function bundle({ folder, named, isArchive, names }: Place): Mistake | undefined {
  if (!names.has('config.json')) return undefined
  const config = readJson(join(folder, 'config.json'))
  if (member(config, 'ociVersion') === undefined) return undefined
  const root = String(member(config, 'root', 'path') ?? 'rootfs')
  const args = listOf(member(config, 'process', 'args'))
  const command = args.map((arg) => shellWord(String(arg))).join(' ')
  const run = (path: string): string =>
    `zmachine run ${shellWord(path)}${command === '' ? '' : ` -- ${command}`}`
  const what = `is a bundle of the OCI runtime specification; its root directory is ${JSON.stringify(root)} in it`
  if (!isArchive) return { what, advice: run(join(named, root)) }
  return { what, advice: `tar -xf ${named} && ${run(root)}` }
}

/** The archives that zos hubs call flists hold a database of where the files are, and no files. */
function flist({ named, isArchive, names }: Place): Mistake | undefined {
  if (!isArchive || names.size !== 1 || !names.has('flistdb.sqlite3')) return undefined
  return {
    what: 'is an flist: a list of files, without their contents',
    advice: `rfs unpack --meta ${named} root && zmachine run root`,
  }
}

/** What only a root has at its top: source code may have a `bin` and a `lib`. The last ones are for zos hosts. */
const ROOT_NAMES = ['dev', 'etc', 'proc', 'sbin', 'sys', 'usr', 'image.raw', '.startup.toml', '.zosrc']

const looksLikeRoot = (names: ReadonlySet<string>): boolean => ROOT_NAMES.some((name) => names.has(name))

function ownHome({ folder, isArchive, names }: Place): Mistake | undefined {
  if (isArchive || resolve(folder) !== resolve(homedir()) || looksLikeRoot(names)) return undefined
  return { what: 'is your home directory, not a root directory', advice: 'name the folder of a root' }
}

/** `tar -cf root.tar rootfs` instead of `tar -C rootfs -cf root.tar .`, or the folder above the root. */
function rootInside({ folder, named, isArchive, names }: Place): Mistake | undefined {
  if (looksLikeRoot(names)) return undefined
  const [only, ...others] = [...names]
  const name = names.has('rootfs') ? 'rootfs' : others.length === 0 ? only : undefined
  if (name === undefined || !isRootBelow(join(folder, name))) return undefined
  const what = `is not a root directory, but holds one: ${JSON.stringify(name)}`
  if (!isArchive) return { what, advice: `zmachine run ${join(named, name)}` }
  return { what, advice: `tar -xf ${named} && zmachine run ${shellWord(name)}` }
}

function isRootBelow(folder: string): boolean {
  try {
    const names = readdirSync(folder)
    return ['bin', 'etc', 'usr'].every((name) => names.includes(name))
  } catch {
    return false
  }
}

const SOURCE_NAMES =
  '.git Dockerfile Containerfile Makefile CMakeLists.txt package.json Cargo.toml go.mod pyproject.toml pom.xml'.split(
    ' ',
  )

function sourceCode({ named, isArchive, names }: Place): Mistake | undefined {
  if (isArchive || looksLikeRoot(names)) return undefined
  const found = SOURCE_NAMES.find((name) => names.has(name))
  if (found === undefined) return undefined
  return {
    what: `looks like source code, not a root directory: it has ${found}, and neither etc nor usr`,
    advice: `docker build -t app ${named} && docker export "$(docker create app)" > app.tar\n   or: mkdir ${join(named, 'etc')}, if it is a root`,
  }
}

function fromArchive(kind: 'docker-archive' | 'oci-archive', named: string, folder: string): string {
  const copy = `skopeo copy ${kind}:${named} oci:image:latest && ${unpackLayout('image:latest')}`
  if (kind === 'oci-archive') return copy
  const image = shellWord(savedName(folder) ?? 'IMAGE')
  return `docker load -i ${named} && docker export "$(docker create ${image})" > root.tar\n   or: ${copy}`
}

const savedName = (folder: string): string | undefined =>
  textOf(member(readJson(join(folder, 'manifest.json')), 0, 'RepoTags', 0))

/** The only tag of a layout; with several the user has to choose. */
function tagOfLayout(folder: string): string | undefined {
  const manifests = listOf(member(readJson(join(folder, 'index.json')), 'manifests'))
  const tags = manifests.map((each) =>
    textOf(member(each, 'annotations', 'org.opencontainers.image.ref.name')),
  )
  return tags.length === 1 ? tags[0] : undefined
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
