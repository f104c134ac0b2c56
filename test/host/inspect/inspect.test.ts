import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it, test, vi } from 'vitest'
import { describe as describeFile, formatMarker } from '../../../src/host/image/adoption.ts'
import { type InspectDocument, inspectCommand } from '../../../src/host/inspect/inspect.ts'
import { inspectEntrypoint } from '../../../src/host/inspect/inspect-entrypoint.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { anyBytes } from '../../bytes.ts'
import { type Ran, temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
afterAll(() => vi.unstubAllEnvs())

async function inspectAs(colours: boolean, ...args: readonly string[]): Promise<Ran> {
  const chunks: Uint8Array[] = []
  let errors = ''
  const write = (bytes: Uint8Array): unknown => chunks.push(bytes)
  const code = await inspectCommand(args, { colours, write }, (text) => {
    errors += `${text}\n`
  })
  return { code, out: Buffer.concat(chunks).toString(), errors }
}

const inspect = (...args: readonly string[]): Promise<Ran> => inspectAs(false, ...args)

async function documentOf(root: string): Promise<InspectDocument> {
  const { out } = await inspect(root, '--json')
  return JSON.parse(out)
}

/** An ELF file as far as it is looked at: its machine and the path of its loader. */
function elf(machine = 62, loader = ''): Buffer {
  const file = Buffer.alloc(200)
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1')
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(machine, 18)
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(loader === '' ? 0 : 1, 56)
  file.writeUInt32LE(3, 64)
  file.writeBigUInt64LE(120n, 64 + 8)
  file.writeBigUInt64LE(BigInt(loader.length + 1), 64 + 32)
  file.write(loader, 120)
  return file
}

type Content = string | Buffer | { readonly link: string }

let roots = 0

/** A root with executable files and symlinks; an `etc` file is not executable. */
function make(content: Readonly<Record<string, Content>>): string {
  const root = join(folder, `root${roots++}`)
  mkdirSync(root)
  for (const [path, what] of Object.entries(content)) {
    const place = join(root, path)
    mkdirSync(dirname(place), { recursive: true })
    if (typeof what === 'object' && 'link' in what) symlinkSync(what.link, place)
    else writeFileSync(place, what, { mode: path.startsWith('/etc') ? 0o644 : 0o755 })
  }
  return root
}

const startup = (name: string, args: readonly string[] = [], env = ''): string =>
  `[startup.entry]\nname = "core.system"\nargs = { name = ${JSON.stringify(name)}, args = ${JSON.stringify(args)}, env = {${env}} }\n`

test('the text of a container with all of its files', async () => {
  const root = make({
    '/.startup.toml': startup('/sbin/zinit', ['init'], 'LANG = "de", GREETING = "hello, \'world\'"'),
    '/.zosrc': "export LANG='fr'\nexport OWN='1'\n",
    '/etc/environment': 'LANG=C\nTZ=UTC\nnonsense\n',
    '/sbin/zinit': elf(62, '/lib64/ld.so'),
    '/lib64/ld.so': { link: '/lib/ld.so' },
    '/lib/ld.so': elf(),
  })
  const { code, out, errors } = await inspect(root)
  expect([code, errors]).toEqual([0, ''])
  const stable = out.replaceAll(root, 'ROOT').replace(/size {4}.* in/, 'size    … in')
  await expect(stable).toMatchFileSnapshot(join(import.meta.dirname, 'plans/inspect-container.txt'))
})

describe('a root with a kernel of its own', () => {
  const describeText = (text: string) => describeFile(Buffer.from(text))
  const marker = formatMarker({
    version: '0.0.9',
    kernel: '6.6.6-zmachine',
    files: new Map([
      ['/boot/vmlinuz', describeText('kernel')],
      ['/boot/initrd.img', describeText('initramfs')],
    ]),
    madeFolder: true,
  })
  const ours = { '/boot/vmlinuz': 'kernel', '/boot/initrd.img': 'initramfs', '/boot/zmachine.json': marker }

  it('is ours if the marker of some version of ours fits the files: PID 1 starts the entrypoint', async () => {
    const root = make({ ...ours, '/sbin/init': elf() })
    const { out } = await inspect(root)
    expect(out).toContain('its own kernel, which is ours (zmachine-init 0.0.9 with Linux 6.6.6-zmachine)\n')
    expect(out).toMatch(/^ {2}mode +auto takes it for an init/m)
    const adopted = { version: '0.0.9', kernel: '6.6.6-zmachine' }
    expect(await documentOf(root)).toMatchObject({ kind: 'kernel', adopted, boots: true })
  })

  it('would not boot without an entrypoint if it is ours; of another kernel that is not known', async () => {
    expect(await documentOf(make(ours))).toMatchObject({ boots: false })
    expect(await documentOf(make({ '/boot/vmlinuz': 'k' }))).toMatchObject({ boots: true, adopted: null })
  })

  it.each([
    ['another kernel', { ...ours, '/boot/vmlinuz': 'KERNEL' }],
    ['another initramfs', { ...ours, '/boot/initrd.img': 'other' }],
    ['a link', { ...ours, '/boot/vmlinuz': { link: 'k' }, '/boot/k': 'kernel' }],
    ['a marker that is not one', { ...ours, '/boot/zmachine.json': '{"format":1}' }],
  ])('is not ours with %s', async (_, content) => {
    expect(await documentOf(make(content))).toMatchObject({ kind: 'kernel', adopted: null })
  })
})

describe('where values come from', () => {
  it('is a file of the root: a host puts the variables of .startup.toml into the seed, and PID 1 reads the rest', async () => {
    const root = make({
      '/.startup.toml': startup('/app', [], 'A = "toml"'),
      '/.zosrc': "export A='rc'\nexport B='rc'\ninit='/rc'\nset -- 'x'\n",
      '/etc/environment': 'A=etc\nB=etc\nC=etc\n',
      '/app': elf(),
    })
    const { entrypoint, environment } = await documentOf(root)
    expect(entrypoint?.program).toEqual({ value: '/rc', from: '/.zosrc' })
    expect(entrypoint?.arguments).toEqual({ value: ['x'], from: '/.zosrc' })
    const from = new Map(environment?.map(({ name, value, from }) => [name, `${value} ${from}`]))
    expect([from.get('A'), from.get('B'), from.get('C')]).toEqual([
      'toml /.startup.toml',
      'rc /.zosrc',
      'etc /etc/environment',
    ])
    expect(from.get('TERM')).toBe('linux default')
  })

  it('is the default where no file says anything', async () => {
    const { entrypoint } = await documentOf(make({ '/sbin/init': elf() }))
    expect(entrypoint).toMatchObject({ program: { value: '/sbin/init', from: 'default' }, mode: 'exec' })
  })
})

describe('the entrypoint’s file', () => {
  const fileOf = async (content: Readonly<Record<string, Content>>, name = '/app', args: string[] = []) => {
    const { entrypoint, boots, refusals } = await documentOf(
      make({ '/.startup.toml': startup(name, args), ...content }),
    )
    return { ...entrypoint?.file, mode: entrypoint?.mode, boots, refusal: refusals.join('\n') }
  }

  it.each<[string, Record<string, Content>, object]>([
    [
      'a static binary',
      { '/app': elf() },
      { format: 'elf', machine: 'x86-64', interpreter: null, boots: true },
    ],
    [
      'a binary with its loader',
      { '/app': elf(62, '/lib/ld.so'), '/lib/ld.so': elf() },
      { interpreter: { path: '/lib/ld.so', found: true }, boots: true },
    ],
    [
      'a script',
      { '/app': '#! /bin/sh -e\n', '/bin/sh': { link: 'busybox' }, '/bin/busybox': elf() },
      { format: 'script', interpreter: { path: '/bin/sh', found: true }, boots: true },
    ],
    [
      'a symlink, as after a chroot',
      { '/app': { link: '/opt/real' }, '/opt/real': elf() },
      { path: '/app', target: '/opt/real', boots: true },
    ],
  ])('is %s', async (_, content, expected) => {
    expect(await fileOf(content)).toMatchObject(expected)
  })

  it.each<[string, Record<string, Content>, RegExp]>([
    ['missing', {}, /\.startup\.toml: entrypoint '\/app' is not in the root$/],
    ['a dangling link', { '/app': { link: '/gone' } }, /it is a symlink to something that does not exist/],
    ['a directory', { '/app/x': 'x' }, /is a directory/],
    ['without x', { '/etc/app': elf(), '/app': { link: 'etc/app' } }, /is not executable: chmod \+x/],
    ['for another machine', { '/app': elf(183) }, /it is built for arm64, and a zos host is x86-64/],
    [
      'without its loader',
      { '/app': elf(62, '/lib/ld-musl.so') },
      /loader '\/lib\/ld-musl\.so' is not in the root/,
    ],
    [
      'without its interpreter',
      { '/app': '#!/bin/bash\n' },
      /interpreter '\/bin\/bash' \(from its #! line\) is not/,
    ],
    ['with a carriage return', { '/app': '#!/bin/sh\r\n', '/bin/sh': elf() }, /interpreter '\/bin\/sh\\x0d'/],
    [
      'with a foreign interpreter',
      { '/app': '#!/bin/sh\n', '/bin/sh': elf(40) },
      /\/bin\/sh.* built for 32-bit ARM/,
    ],
    ['a script of itself', { '/app': '#!/app\n' }, /too many times/],
    ['empty', { '/app': '' }, /the file is empty/],
    ['text', { '/app': 'echo hello\n' }, /neither an ELF binary nor a script/],
  ])('that is %s would not boot', async (_, content, reason) => {
    expect(await fileOf(content)).toMatchObject({ boots: false, refusal: expect.stringMatching(reason) })
  })

  it('is looked for in PATH where its name has no slash', async () => {
    expect(await fileOf({ '/usr/bin/app': elf() }, 'app')).toMatchObject({
      path: '/usr/bin/app',
      boots: true,
    })
    expect(await fileOf({}, 'app')).toMatchObject({
      refusal: expect.stringMatching(/is in no directory of PATH/),
    })
    const notExecutable = { '/etc/app': elf(), '/usr/bin/app': { link: '/etc/app' } }
    expect((await fileOf(notExecutable, 'app')).refusal).toMatch(/'\/usr\/bin\/app' is not executable/)
  })

  it.each<[string, Record<string, Content>, string, string[], string]>([
    ['/sbin/init', { '/sbin/init': elf() }, '/sbin/init', [], 'exec'],
    ['a link to systemd', { '/app': { link: '/lib/systemd' }, '/lib/systemd': elf() }, '/app', [], 'exec'],
    ['zinit init', { '/zinit': elf() }, '/zinit', ['init'], 'exec'],
    ['zinit list', { '/zinit': elf() }, '/zinit', ['list'], 'supervise'],
    ['s6-overlay', { '/init': '#!/bin/sh\n# s6-overlay\n', '/bin/sh': elf() }, '/init', [], 'exec'],
    ['another /init', { '/init': elf() }, '/init', [], 'supervise'],
    ['an application', { '/app': elf() }, '/app', [], 'supervise'],
  ])('is an init or not: %s', async (_, content, name, args, mode) => {
    expect(await fileOf(content, name, args)).toMatchObject({ mode, boots: true })
  })

  it('may be of any bytes', () => {
    const root = make({ '/app': '' })
    const lookup = { init: '/app', args: [], cwd: '/', path: '' }
    const start = fc.constantFrom('', '#!', '#! /', elf(62, '/x').toString('latin1').slice(0, 64))
    fc.assert(
      fc.property(start, anyBytes(100), (head, rest) => {
        writeFileSync(join(root, 'app'), head + rest, 'latin1')
        expect(inspectEntrypoint(root, lookup).path).toBe('/app')
      }),
    )
  })

  it.each([
    ...['systemd', 'openrc-init', 'runit', 'runit-init', 's6-svscan', 's6-linux-init', 'finit', 'dinit'],
    ...['dinit-init', 'shepherd'],
  ])('is an init where its symlinks lead to %s, as PID 1 knows it', (name) => {
    const root = make({ [`/lib/${name}`]: '', '/app': { link: `lib/${name}` } })
    const lookup = { init: '/app', args: [], cwd: '/', path: '' }
    expect(inspectEntrypoint(root, lookup).init).toBe(true)
  })
})

describe('the kind', () => {
  it('of a disk image says nothing of an entrypoint', async () => {
    const root = make({ '/image.raw': 'disk' })
    const document = await documentOf(root)
    expect(document).toMatchObject({
      version: 1,
      kind: 'vm',
      boots: true,
      image: join(root, 'image.raw'),
      entrypoint: null,
      environment: null,
    })
    expect((await inspect(root)).out).toMatch(/kind +disk image/)
  })

  it('of a kernel says what PID 1 would start, without a refusal', async () => {
    const root = make({ '/boot/vmlinuz': 'k', '/boot/initrd.img': 'i' })
    const document = await documentOf(root)
    expect(document).toMatchObject({ kind: 'kernel', boots: true, initrd: join(root, 'boot/initrd.img') })
    expect(document.problems).toEqual([expect.stringMatching(/'\/sbin\/init' is not in the root/)])
  })

  it('that a host refuses is told, and is exit code 1', async () => {
    const root = make({ '/boot/vmlinuz/x': 'k', '/sbin/init': elf() })
    const { code, out } = await inspect(root)
    expect(code).toBe(1)
    expect(out).toMatch(/it would not boot\n {2}root: \/boot\/vmlinuz of the root: it is a directory/)
    expect((await documentOf(root)).kind).toBe(null)
  })
})

test('a .startup.toml that a host refuses is a refusal; one that is odd is a problem', async () => {
  const bad = await documentOf(make({ '/.startup.toml': 'x = \n', '/sbin/init': elf() }))
  expect(bad).toMatchObject({
    boots: false,
    refusals: [expect.stringMatching(/^\/\.startup\.toml:1:5: expected a value/)],
  })
  const folder = await documentOf(make({ '/.startup.toml/x': '', '/sbin/init': elf() }))
  expect(folder).toMatchObject({
    boots: false,
    refusals: [expect.stringMatching(/not a regular file; a zos host refuses/)],
  })
  const odd = await documentOf(make({ '/.startup.toml': '[startup.x]\n', '/sbin/init': elf() }))
  expect(odd).toMatchObject({ boots: true, problems: [expect.stringMatching(/no \[startup\.entry\]/)] })
})

test('an archive is unpacked, and inspected as a folder', async () => {
  const root = make({ '/sbin/init': elf() })
  const archive = join(folder, 'root.tar')
  execFileSync('tar', ['-cf', archive, '-C', root, '.'])
  const { code, out, errors } = await inspect(archive)
  expect(code).toBe(0)
  expect(out).toMatch(/roots\/root-[0-9a-f]{16} \(out of the archive\)/)
  expect(errors).toMatch(/^unpacking root\.tar to /)
  expect(await documentOf(archive)).toMatchObject({ unpacked: true, boots: true })
})

test('what users wrote cannot command a terminal, and is whole in JSON', async () => {
  const root = make({ '/etc/environment': 'A=\x1b[2J\nB=\xff\n', '/sbin/init': elf() })
  writeFileSync(join(root, 'etc/environment'), Buffer.from('A=\x1b[2J\nB=\xff\n', 'latin1'))
  const { out } = await inspect(root)
  expect(out).not.toContain('\x1b')
  const { environment } = await documentOf(root)
  expect(environment?.find(({ name }) => name === 'B')?.value).toEqual({ bytes: '/w==' })
  expect((await inspectAs(true, root)).out).toContain('\x1b[1mroot\x1b[0m')
})

test('the size is of the files on the disk, and says where it is not all', async () => {
  const root = make({ '/sbin/init': elf(), '/large': Buffer.alloc(3_000_000, 1) })
  const { size } = await documentOf(root)
  expect(size).toMatchObject({ files: 3, complete: true })
  expect(size.bytes).toBeGreaterThan(3_000_000)
  if (process.getuid?.() === 0) return
  chmodSync(join(root, 'sbin'), 0)
  expect((await documentOf(root)).size.complete).toBe(false)
  chmodSync(join(root, 'sbin'), 0o755)
})

describe('usage', () => {
  it('--help tells everything', async () => {
    const { code, out } = await inspect('--help')
    expect(code).toBe(0)
    for (const word of ['ROOT', '--json', '/image.raw', '/.startup.toml', 'Exit code', 'Examples']) {
      expect(out).toContain(word)
    }
    expect(out.split('\n').every((line) => line.length <= 100)).toBe(true)
  })

  it.each<[RegExp, string[]]>([
    [/ROOT is missing: a folder, or an archive of one/, []],
    [/zmachine inspect takes no argument "b", only ROOT and options/, ['a', 'b']],
    [/unknown option --jsn; did you mean --json\?/, ['a', '--jsn']],
    [/"\/none" does not exist/, ['/none']],
    [/neither a directory nor an archive/, [import.meta.filename]],
  ])('is wrong: %s', async (message, args) => {
    await expect(inspect(...args)).rejects.toThrow(UsageError)
    await expect(inspect(...args)).rejects.toThrow(message)
  })
})
