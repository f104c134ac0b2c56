import fs, {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { adopt, removeAdopted } from '../../../src/host/adopt/adopt.ts'
import { adoptCommand } from '../../../src/host/adopt/adopt-command.ts'
import { rootKind } from '../../../src/host/image/root-kind.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { run, temporaryFolder } from '../plan/plan-helpers.ts'

interface Failure {
  /** A rename to a path that ends so fails, the first time. */
  readonly rename?: string
  /** What fsync(2) fails with. */
  readonly write?: string
  readonly isFull?: boolean
  /** What creating a file fails with. */
  readonly create?: string
}

/** Calls fail while something runs. */
function failing<T>({ rename, write, create, isFull = false }: Failure, run: () => T): T {
  const { renameSync, fsyncSync, openSync, statfsSync } = fs
  const failure = (code: string): Error => Object.assign(new Error(code), { code })
  let left = rename
  vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
    if (left === undefined || !String(to).endsWith(left)) return renameSync(from, to)
    left = undefined
    throw failure('EIO')
  })
  vi.spyOn(fs, 'fsyncSync').mockImplementation((fd) => {
    if (write !== undefined) throw failure(write)
    fsyncSync(fd)
  })
  vi.spyOn(fs, 'openSync').mockImplementation((path, flags, mode) => {
    if (create !== undefined && flags === 'wx') throw failure(create)
    return openSync(path, flags, mode)
  })
  if (isFull)
    vi.spyOn(fs, 'statfsSync').mockImplementation((path) => ({
      ...statfsSync(path),
      blocks: 9,
      bavail: 1,
      bsize: 4096,
    }))
  syncBuiltinESMExports()
  try {
    return run()
  } finally {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
  }
}

const folder = temporaryFolder()
let made = 0

/** A file in it is text; a link begins with `->`, a directory ends with a slash. */
function make(content: Readonly<Record<string, string>> = {}): string {
  const root = join(folder, `root${made++}`)
  mkdirSync(join(root, 'etc'), { recursive: true })
  for (const [path, text] of Object.entries(content)) {
    const place = join(root, path)
    mkdirSync(path.endsWith('/') ? place : dirname(place), { recursive: true })
    if (text.startsWith('->')) symlinkSync(text.slice(2), place)
    else if (!path.endsWith('/')) writeFileSync(place, text)
  }
  return root
}

/** Sources in place of the package's, which unit tests do not build. */
function sources(text: string): { readonly kernel: string; readonly initramfs: string } {
  const kernel = join(folder, `kernel-${text}`)
  const initramfs = join(folder, `initramfs-${text}`)
  writeFileSync(kernel, `kernel ${text}`)
  writeFileSync(initramfs, `initramfs ${text}`)
  return { kernel, initramfs }
}

const one = sources('one')
const two = sources('two')

/** All of a root: names with content, targets of links, nothing of directories. */
function treeOf(root: string, below = ''): Record<string, string> {
  const tree: Record<string, string> = {}
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = `${below}/${name}`
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) Object.assign(tree, { [`${path}/`]: '' }, treeOf(root, path))
    else
      tree[path] = stat.isSymbolicLink()
        ? `->${readlinkSync(join(root, path))}`
        : readFileSync(join(root, path), 'utf8')
  }
  return tree
}

function refusal(act: () => unknown): string {
  try {
    act()
    return 'none'
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
}

const KERNEL = '/boot/vmlinuz'
const INITRD = '/boot/initrd.img'
const MARKER = '/boot/zmachine.json'

describe('adopt', () => {
  test('puts kernel and initramfs there, and a marker by which they are known', () => {
    const root = make()
    expect(adopt(root, one)).toMatchObject({ action: 'added', before: undefined, warning: undefined })
    const tree = treeOf(root)
    expect(Object.keys(tree)).toEqual(['/boot/', INITRD, KERNEL, MARKER, '/etc/'])
    expect([tree[KERNEL], tree[INITRD]]).toEqual(['kernel one', 'initramfs one'])
    expect(lstatSync(join(root, KERNEL)).mode & 0o777).toBe(0o644)
    expect(rootKind(root)).toMatchObject({
      kind: 'kernel',
      adoption: { version: expect.stringMatching(/^\d/) },
    })
  })

  test('changes nothing where they are there already', () => {
    const root = make()
    adopt(root, one)
    utimesSync(join(root, KERNEL), 1, 1)
    const { ino } = lstatSync(join(root, KERNEL))
    expect(adopt(root, one).action).toBe('unchanged')
    expect(lstatSync(join(root, KERNEL))).toMatchObject({ ino, mtimeMs: 1000 })
  })

  test('updates an older version, which the marker knows', () => {
    const root = make()
    adopt(root, one)
    expect(adopt(root, two)).toMatchObject({ action: 'updated' })
    expect(treeOf(root)).toMatchObject({ [KERNEL]: 'kernel two', [INITRD]: 'initramfs two' })
    expect(Object.keys(treeOf(root))).toHaveLength(5)
    expect(rootKind(root)).toHaveProperty('adoption')
  })

  test('goes on after it was cut off: the marker is of the old version, a file of the new', () => {
    const root = make()
    adopt(root, one)
    writeFileSync(join(root, INITRD), 'initramfs two')
    expect(adopt(root, two).action).toBe('updated')
    const fresh = make({ [INITRD]: 'initramfs two' })
    expect(adopt(fresh, two).action).toBe('added')
  })

  test('follows symlinks inside the root, and warns where a host would not', () => {
    const near = make({ boot: '->usr/lib/boot', 'usr/lib/': '' })
    expect(adopt(near, one).warning).toBeUndefined()
    expect(treeOf(near)['/usr/lib/boot/vmlinuz']).toBe('kernel one')
    const outside = join(folder, 'outside')
    for (const link of [outside, `../../../../../../../../..${outside}`]) {
      const root = make({ boot: `->${link}` })
      expect(adopt(root, one).warning).toMatch(/the link \/boot is absolute or leads out of the root/)
      expect(existsSync(outside)).toBe(false)
      expect(readFileSync(join(root, outside, 'vmlinuz'), 'utf8')).toBe('kernel one')
    }
  })

  const OTHER: Readonly<Record<string, Record<string, string>>> = {
    'a kernel of the distribution': { [KERNEL]: 'Debian', '/boot/vmlinuz-6.1': 'Debian' },
    'a link to one': { [KERNEL]: '->vmlinuz-6.1', '/boot/vmlinuz-6.1': 'Debian' },
    'a link to nothing': { [KERNEL]: '->vmlinuz-6.1' },
    'an initramfs alone': { [INITRD]: 'Debian' },
    'a directory': { [`${KERNEL}/`]: '' },
    'a file of another program under the marker’s name': { [MARKER]: '{"format":2}' },
    'a link under the marker’s name': { [MARKER]: '->/etc/passwd' },
    'a marker that is none': {
      [MARKER]: '{"format":1,"version":"1","files":{"/boot/vmlinuz":{"bytes":"x"}}}',
    },
    'a disk image': { '/image.raw': 'disk' },
    'links that go round': { boot: '->boot' },
    'a file for /boot': { boot: 'file' },
  }

  test.each(Object.keys(OTHER))('leaves %s alone', (what) => {
    const root = make(OTHER[what])
    const before = treeOf(root)
    expect(refusal(() => adopt(root, one))).toMatch(/root/)
    expect(treeOf(root)).toEqual(before)
    if (what === 'a disk image') return
    expect(refusal(() => removeAdopted(root))).toMatch(/root/)
    expect(treeOf(root)).toEqual(before)
  })

  test.each([KERNEL, INITRD])('leaves %s alone where it was changed after it', (path) => {
    const root = make()
    adopt(root, one)
    writeFileSync(join(root, path), readFileSync(join(root, path), 'utf8').toUpperCase())
    const before = treeOf(root)
    expect(refusal(() => adopt(root, two))).toContain(`${path} of the root is a file of`)
    expect(refusal(() => removeAdopted(root))).toContain(`${path} of the root is a file of`)
    expect(treeOf(root)).toEqual(before)
    expect(rootKind(root)).not.toHaveProperty('adoption')
  })
})

describe('a failure leaves the root as it was', () => {
  const FAILURES: readonly (readonly [what: string, failure: Failure])[] = [
    ['the kernel’s rename', { rename: '/vmlinuz' }],
    ['the initramfs’ rename', { rename: '/initrd.img' }],
    ['the marker’s rename', { rename: '/zmachine.json' }],
    ['a full disk', { write: 'ENOSPC' }],
    ['too little room', { isFull: true }],
  ]

  test.each(FAILURES)('%s', (_, failure) => {
    for (const isUpdate of [false, true]) {
      const root = make()
      if (isUpdate) adopt(root, one)
      const before = treeOf(root)
      const message = failing(failure, () => refusal(() => adopt(root, two)))
      expect(message).toMatch(/nothing has changed|free/)
      expect(treeOf(root)).toEqual(before)
    }
  })

  test('of a removal', () => {
    const root = make()
    adopt(root, one)
    const before = treeOf(root)
    expect(failing({ rename: '.part' }, () => refusal(() => removeAdopted(root)))).toMatch(
      /EIO.*nothing has changed/,
    )
    expect(treeOf(root)).toEqual(before)
  })

  // Root may write everywhere, so the kernel's answer to others is made up.
  test('of permissions', () => {
    const root = make({ '/boot/': '' })
    expect(failing({ create: 'EACCES' }, () => refusal(() => adopt(root, one)))).toMatch(/EACCES/)
    expect(readdirSync(join(root, 'boot'))).toEqual([])
  })
})

test('what a killed adoption left goes, after ten minutes, and nothing else', () => {
  const part = '/boot/.zmachine-abcdefghijkl.part'
  const others = { '/boot/.zmachine.part': 'x', '/boot/.zmachine-abcdefghijkl.part.bak': 'x' }
  const root = make({ [part]: 'half', ...others })
  adopt(root, one)
  expect(treeOf(root)).toHaveProperty([part])
  const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 700_000)
  try {
    expect(adopt(root, one).action).toBe('unchanged')
    expect(treeOf(root)).not.toHaveProperty([part])
    expect(treeOf(root)).toMatchObject(others)
  } finally {
    now.mockRestore()
  }
})

describe('--remove', () => {
  test('leaves the root as it was before', () => {
    for (const content of [{}, { '/boot/': '' }, { '/boot/grub/grub.cfg': 'x', '/etc/hosts': 'y' }]) {
      const root = make(content)
      const before = treeOf(root)
      adopt(root, one)
      adopt(root, two)
      expect(removeAdopted(root)).toMatchObject({ action: 'removed', files: [KERNEL, INITRD, MARKER] })
      expect(treeOf(root)).toEqual(before)
      expect(removeAdopted(root)).toMatchObject({ action: 'nothing', files: [] })
    }
  })

  test('keeps a /boot that somebody else uses meanwhile', () => {
    const root = make()
    adopt(root, one)
    writeFileSync(join(root, 'boot/notes'), 'mine')
    removeAdopted(root)
    expect(Object.keys(treeOf(root))).toEqual(['/boot/', '/boot/notes', '/etc/'])
  })

  test('takes what is left where a part is gone', () => {
    const root = make()
    adopt(root, one)
    rmSync(join(root, KERNEL))
    expect(removeAdopted(root).files).toEqual([INITRD, MARKER])
    expect(Object.keys(treeOf(root))).toEqual(['/etc/'])
  })
})

describe('zmachine adopt', () => {
  test('--help tells everything', () => {
    const { code, out } = run('adopt', '--help')
    expect(code).toBe(0)
    for (const part of ['--remove', '--format json', '/boot/vmlinuz', 'Exit code', 'Examples'])
      expect(out).toContain(part)
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
  })

  test.each([
    [[], /ROOT is missing/],
    [['/'], /that of this computer/],
    [['none'], /does not exist/],
    [[import.meta.filename], /is not a directory\n {2}try: mkdir root && tar -C root -xf /],
    [['--format', 'jsno', folder], /did you mean json\?/],
    [['--remvoe', folder], /did you mean --remove\?/],
    [[join(import.meta.dirname, '../../..')], /looks like source code/],
  ])('%j is refused', (args, message) => {
    const { code, out, errors } = run('adopt', ...args)
    expect([code, out]).toEqual([2, ''])
    expect(errors).toMatch(message)
  })

  test('--remove says what it took away, for people and for programs', () => {
    const remove = (root: string, ...args: readonly string[]): string => {
      let out = ''
      const write = (bytes: Uint8Array): void => {
        out += Buffer.from(bytes).toString()
      }
      expect(adoptCommand(['--remove', ...args, root], { colours: false, write }, () => {})).toBe(0)
      return out
    }
    const root = make()
    adopt(root, one)
    expect(JSON.parse(remove(root, '--format', 'json'))).toMatchObject({
      version: 1,
      directory: root,
      action: 'removed',
      files: [{ path: KERNEL }, { path: INITRD }, { path: MARKER }],
    })
    expect(remove(root)).toBe(`${root} carries no kernel of ours; nothing has changed\n`)
    adopt(root, one)
    expect(remove(root)).toMatch(
      /^removed \/boot\/vmlinuz\nremoved .*\nremoved .*\nA zos host boots .* again\.\n$/,
    )
  })
})
