/** Says what a path is that leads to no folder and to no archive: an image's name, a disk image, another archive. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { shellWord } from '../../lib/shell.ts'
import { identify } from '../../lib/superblock.ts'
import { readAt } from '../lib/input.ts'
import { UsageError } from '../lib/usage.ts'

/**
 * Refuses a name that leads nowhere. One that could be an image's is told from a slip of the pen by its tag, its digest
 * or its registry.
 */
export function refuseMissingRoot(path: string): never {
  const layout = path.slice(0, path.lastIndexOf(':'))
  if (layout !== '' && existsSync(join(layout, 'oci-layout'))) {
    throw new UsageError(
      `the root ${JSON.stringify(path)} is a tag of an OCI image layout, not a root directory`,
      unpackLayout(shellWord(path)),
    )
  }
  const image = path.replace(/^docker:\/\//, '')
  const missing = `the root ${JSON.stringify(path)} does not exist`
  if (!IMAGE_REFERENCE.test(image) || ARCHIVE_NAME.test(image))
    throw new UsageError(missing, 'name a folder, or an archive of one')
  const hasRegistry = image.slice(0, Math.max(0, image.indexOf('/'))).includes('.')
  const isImage = image !== path || hasRegistry || /[:@]/.test(image)
  const name = image.replace(/^.*\//, '').replace(/[@:].*$/, '')
  const pull = `docker export "$(docker create ${image})" > ${name}.tar && zmachine run ${name}.tar -- COMMAND`
  const skopeo = `skopeo copy docker://${image} oci:image:latest && ${unpackLayout('image:latest')} -- COMMAND`
  if (!isImage) throw new UsageError(missing, `name a folder or an archive; to run an image: ${pull}`)
  throw new UsageError(
    `${missing}; it looks like the name of an image, and zmachine cannot pull images yet`,
    `${pull}\n   or: ${skopeo}`,
  )
}

/** `nginx`, `registry.example/nginx:1.25`, `nginx@sha256:…`: names are in lower case, and never begin with a dot. */
const IMAGE_REFERENCE =
  /^[a-z0-9][a-z0-9._-]*(?::\d+)?(?:\/[a-z0-9][a-z0-9._-]*)*(?::\w[\w.-]*)?(?:@sha256:[0-9a-f]+)?$/

/** What nobody calls an image. */
const ARCHIVE_NAME = /\.(tar|tgz|tar\.\w+)$/

interface FileKind {
  readonly magic: string
  readonly what: string
  readonly advice: (named: string) => string
}

const FILE_KINDS: readonly FileKind[] = [
  {
    magic: 'QFI\xfb',
    what: 'a QCOW2 disk image',
    advice: (named) => `mkdir vm && qemu-img convert -O raw ${named} vm/image.raw && zmachine run vm`,
  },
  {
    magic: 'PK\x03\x04',
    what: 'a ZIP archive',
    advice: (named) => `unzip -d root ${named} && zmachine run root`,
  },
  {
    magic: 'SQLite format 3\0',
    what: 'an flist or another database, without files',
    advice: (named) => `rfs unpack --meta ${named} root && zmachine run root`,
  },
]

/** What a file is that is neither a folder nor an archive, for an error; undefined if it is nothing known. */
export function mistakenFile(fd: number, path: string): UsageError | undefined {
  const named = shellWord(path)
  const refused = (what: string, advice: string): UsageError =>
    new UsageError(`the root ${JSON.stringify(path)} is ${what}, not a root directory`, advice)
  const head = Buffer.from(readAt(fd, 0, 512)).toString('latin1')
  const kind = FILE_KINDS.find(({ magic }) => head.startsWith(magic))
  if (kind !== undefined) return refused(kind.what, kind.advice(named))
  const type = identify((offset, length) => readAt(fd, offset, length))?.type
  if (type !== undefined) {
    return refused(`an image of ${type}`, `mount -o loop,ro ${named} /mnt && zmachine run --read-only /mnt`)
  }
  if (!head.endsWith('\x55\xaa')) return undefined
  return refused('a disk image', `mkdir vm && mv ${named} vm/image.raw && zmachine run vm`)
}

/** The way from an image in an OCI layout (`FOLDER:TAG`) to a machine. */
export const unpackLayout = (image: string): string => {
  const rootless = process.getuid?.() === 0 ? '' : ' --rootless'
  return `umoci unpack --image ${image}${rootless} bundle && zmachine run bundle/rootfs`
}
