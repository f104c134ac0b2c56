import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { rootKind } from '../../../src/host/image/root-kind.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
let roots = 0

type Content = string | { readonly link: string } | 'DIRECTORY' | 'FIFO'

/** A root with files, symlinks, directories and FIFOs. */
function make(content: Readonly<Record<string, Content>>): string {
  const root = join(folder, String(roots++))
  mkdirSync(root)
  for (const [path, what] of Object.entries(content)) {
    const place = join(root, path)
    mkdirSync(dirname(place), { recursive: true })
    if (typeof what === 'object') symlinkSync(what.link, place)
    else if (what === 'DIRECTORY') mkdirSync(place)
    else if (what === 'FIFO') execFileSync('mkfifo', [place])
    else writeFileSync(place, what)
  }
  return root
}

test('a root without any of the files is a container', () => {
  const kind = rootKind(make({ '/sbin/init': '' }))
  expect(kind.kind).toBe('container')
  expect(kind.why[0]).toMatch(/neither \/image\.raw nor \/boot\/vmlinuz is there/)
  expect(kind.files.map(({ state }) => state)).toEqual(['absent', 'absent', 'absent'])
})

test('/image.raw makes it a disk image, and a kernel beside it does not count', () => {
  const root = make({ '/image.raw': 'disk', '/boot/vmlinuz': 'k' })
  const kind = rootKind(root)
  expect(kind).toMatchObject({ kind: 'vm', image: join(root, 'image.raw') })
  expect(kind.why).toContain('/boot/vmlinuz is there and not used: /image.raw decides')
  expect(kind.files[0]?.state).toBe('a file of 4 bytes')
})

test('/boot/vmlinuz makes it a kernel, with and without an initrd', () => {
  const root = make({ '/boot/vmlinuz': 'k' })
  expect(rootKind(root)).toMatchObject({ kind: 'kernel', kernel: join(root, 'boot/vmlinuz') })
  expect(rootKind(root)).not.toHaveProperty('initrd')
  const both = make({ '/boot/vmlinuz': 'k', '/boot/initrd.img': 'i' })
  expect(rootKind(both)).toMatchObject({ kind: 'kernel', initrd: join(both, 'boot/initrd.img') })
})

test('an initrd alone is nothing', () => {
  const kind = rootKind(make({ '/boot/initrd.img': 'i' }))
  expect(kind.kind).toBe('container')
  expect(kind.why).toContain('/boot/initrd.img is there and not used: it counts only beside /boot/vmlinuz')
})

test('symlinks are followed inside the root', () => {
  const root = make({
    '/boot/vmlinuz': { link: 'vmlinuz-6.1' },
    '/boot/vmlinuz-6.1': 'kernel',
    '/boot/initrd.img': { link: '../lib/initrd' },
    '/lib/initrd': 'i',
  })
  const kind = rootKind(root)
  expect(kind).toMatchObject({ kernel: join(root, 'boot/vmlinuz-6.1'), initrd: join(root, 'lib/initrd') })
  expect(kind.files[1]?.state).toBe('a link to vmlinuz-6.1, a file of 6 bytes')
})

test('an absolute symlink begins at the root, with a word on what a host would do', () => {
  const root = make({ '/boot/vmlinuz': { link: '/boot/k' }, '/boot/k': 'kernel' })
  const kind = rootKind(root)
  expect(kind).toMatchObject({ kind: 'kernel', kernel: join(root, 'boot/k') })
  expect(kind.files[1]?.state).toMatch(/the link is absolute, and a zos host would look .* make it relative/)
})

test('a dangling symlink is absent, as for a host', () => {
  const kind = rootKind(make({ '/boot/vmlinuz': { link: 'gone' }, '/image.raw': { link: '/etc/passwd' } }))
  expect(kind.kind).toBe('container')
  expect(kind.files.slice(0, 2).map(({ state }) => state)).toEqual([
    'absent: a link to /etc/passwd, which is not in the root',
    'absent: a link to gone, which is not in the root',
  ])
})

test.each<[string, Readonly<Record<string, Content>>, RegExp]>([
  [
    'a directory',
    { '/image.raw': 'DIRECTORY' },
    /\/image\.raw of the root: it is a directory; a zos host refuses/,
  ],
  [
    'a directory without a say',
    { '/boot/initrd.img': 'DIRECTORY' },
    /initrd\.img of the root: it is a directory/,
  ],
  ['a FIFO', { '/boot/vmlinuz': 'FIFO' }, /not a regular file/],
  ['a link to a directory', { '/boot/vmlinuz': { link: '.' } }, /it is a directory/],
  ['a link to itself', { '/boot/vmlinuz': { link: 'vmlinuz' } }, /its symlinks go round/],
  [
    'a link that leads out',
    { '/boot/vmlinuz': { link: '../../k' } },
    /"\.\.\/\.\.\/k", which leads out of the root/,
  ],
  ['a file for /boot', { '/boot': 'file' }, /\/boot\/vmlinuz of the root: .*ENOTDIR/],
])('%s in a file’s place is refused', (_, content, message) => {
  expect(() => rootKind(make(content))).toThrow(UsageError)
  expect(() => rootKind(make(content))).toThrow(message)
})

test('a file that is not ours to read is refused, with what to do', () => {
  const root = make({ '/image.raw': 'disk' })
  chmodSync(join(root, 'image.raw'), 0)
  // A process of its own, since root reads everything, and access(2) asks for the real user.
  for (let each = root; each !== tmpdir(); each = dirname(each)) chmodSync(each, 0o755)
  const module = new URL('../../../src/host/image/root-kind.ts', import.meta.url).href
  const script = `import { rootKind } from ${JSON.stringify(module)}
    if (process.getuid() === 0) process.setuid(65534)
    try { rootKind(process.argv[1]) } catch (error) { console.log(error.message) }`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script, root])
  expect(said.toString()).toMatch(/cannot be read \(EACCES\)/)
})
