/**
 * A cpio archive in the "newc" format, which is what the kernel unpacks as an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Pure: the same entries give the same bytes,
 * so there is no time, no owner and no inode of the machine that builds.
 */

export type Entry =
  | { readonly path: string; readonly type: 'directory'; readonly mode: number }
  | { readonly path: string; readonly type: 'file'; readonly mode: number; readonly data: Uint8Array }
  | { readonly path: string; readonly type: 'symlink'; readonly target: string }
  | {
      readonly path: string
      readonly type: 'character' | 'block'
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

/** stat(2)'s S_IFMT bits. */
const TYPE_BITS = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
}

const TRAILER = 'TRAILER!!!'
const ALIGN = 4

/**
 * The archive of `entries`, sorted by path so that folders come before what is in them. Paths are relative to the
 * root, without a leading slash. Throws on a path that is given twice or whose folder is missing: the kernel
 * would skip such an entry without a word.
 */
export function cpio(entries: readonly Entry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  checkPaths(sorted)
  const parts = sorted.flatMap((entry, index) => record(entry, index + 1))
  return Buffer.concat([...parts, ...trailer()])
}

function record(entry: Entry, inode: number): Buffer[] {
  const data = content(entry)
  const mode = entry.type === 'symlink' ? 0o777 : entry.mode
  const device = 'major' in entry ? entry : { major: 0, minor: 0 }
  const fields = [
    inode,
    TYPE_BITS[entry.type] | mode,
    0, // uid
    0, // gid
    entry.type === 'directory' ? 2 : 1, // links
    0, // mtime
    data.length,
    0, // major and minor of the device that the file is on
    0,
    device.major,
    device.minor,
  ]
  return [header(fields, entry.path), padded(data)]
}

function trailer(): Buffer[] {
  return [header([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], TRAILER)]
}

/** Magic, thirteen numbers of eight hexadecimal digits, and the name; the last number, a checksum, is 0 in newc. */
function header(fields: readonly number[], path: string): Buffer {
  const name = Buffer.from(`${path}\0`)
  const numbers = [...fields, name.length, 0].map((value) =>
    value.toString(16).padStart(8, '0').toUpperCase(),
  )
  return padded(Buffer.concat([Buffer.from(`070701${numbers.join('')}`), name]))
}

function content(entry: Entry): Uint8Array {
  if (entry.type === 'file') return entry.data
  if (entry.type === 'symlink') return Buffer.from(entry.target)
  return new Uint8Array(0)
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (ALIGN - 1))])
}

function checkPaths(sorted: readonly Entry[]): void {
  const folders = new Set([''])
  const seen = new Set<string>()
  for (const { path, type } of sorted) {
    const folder = path.slice(0, Math.max(path.lastIndexOf('/'), 0))
    if (path === '' || path.startsWith('/')) throw new Error(`cpio: ${path}: not a path below the root`)
    if (seen.has(path)) throw new Error(`cpio: ${path}: given twice`)
    if (!folders.has(folder)) throw new Error(`cpio: ${path}: its folder ${folder} is not in the archive`)
    seen.add(path)
    if (type === 'directory') folders.add(path)
  }
}
