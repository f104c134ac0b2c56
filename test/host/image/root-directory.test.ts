import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { rootDirectory } from '../../../src/host/image/root-directory.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const isRoot = process.getuid?.() === 0
let caches = 0
let roots = ''

beforeEach(() => {
  const cache = join(folder, `cache${caches++}`)
  roots = join(cache, 'zmachine/roots')
  vi.stubEnv('XDG_CACHE_HOME', cache)
})
afterAll(() => {
  vi.unstubAllEnvs()
  // Without root's rights, a directory without write permission keeps its files.
  spawnSync('chmod', ['-R', 'u+rwx', folder])
})

interface Member {
  readonly name: string
  readonly type?: 'file' | 'hard link' | 'symlink' | 'device' | 'directory'
  readonly link?: string
  readonly text?: string
  readonly mode?: number
}

const TYPES = { file: '0', 'hard link': '1', symlink: '2', device: '3', directory: '5' }

/** tar(5): an archive of whatever members, as no tar program would write it. */
function tarOf(...members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, type = 'file', link = '', text = '', mode = 0o644 }) => {
    const header = Buffer.alloc(512)
    const octal = (value: number, at: number, length: number): unknown =>
      header.write(value.toString(8).padStart(length - 1, '0'), at)
    header.write(name, 0)
    octal(mode, 100, 8)
    octal(process.getuid?.() ?? 0, 108, 8)
    octal(process.getgid?.() ?? 0, 116, 8)
    octal(text.length, 124, 12)
    octal(1_700_000_000, 136, 12)
    header.write(' '.repeat(8), 148)
    header.write(TYPES[type], 156)
    header.write(link, 157)
    header.write('ustar\x0000', 257)
    octal(1, 329, 8)
    octal(3, 337, 8)
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    )
    const content = Buffer.alloc(Math.ceil(text.length / 512) * 512)
    content.write(text)
    return [header, content]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function archive(name: string, content: Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function unpack(path: string, options = {}): Promise<{ directory: string; told: string[] }> {
  const told: string[] = []
  const { directory, unpacked, release } = await rootDirectory(path, (text) => told.push(text), options)
  expect(unpacked).toBe(true)
  release()
  return { directory, told }
}

const PLAIN = tarOf(
  { name: './', type: 'directory', mode: 0o755 },
  { name: './etc/', type: 'directory', mode: 0o555 },
  { name: './etc/name', text: 'content' },
  { name: './app', text: '#!/bin/sh\n', mode: 0o4755 },
  { name: './lib', type: 'symlink', link: '/usr/lib' },
)

test('a directory is taken as it is', async () => {
  expect(await rootDirectory(folder, () => {})).toMatchObject({ directory: folder, unpacked: false })
})

describe('an archive', () => {
  const compressed: readonly (readonly [string, () => Buffer])[] = [
    ['as it is', () => PLAIN],
    ['by gzip', () => gzipSync(PLAIN)],
    ['by zstd', () => execFileSync('zstd', ['-qc'], { input: PLAIN })],
    ['by xz', () => execFileSync('xz', ['-c'], { input: PLAIN })],
  ]
  const usable = compressed.filter(
    ([how]) => !how.startsWith('by ') || findProgram(how.slice(3)) !== undefined,
  )

  it.each(usable)('is told by its content and unpacked: %s', async (how, content) => {
    const { directory } = await unpack(archive(`any name ${how.replace(' ', '')}.bin`, content()))
    expect(readFileSync(join(directory, 'etc/name'), 'utf8')).toBe('content')
    expect(statSync(join(directory, 'app')).mode & 0o7777).toBe(0o4755)
    expect(statSync(join(directory, 'etc')).mode & 0o777).toBe(0o555)
    expect(statSync(directory).mode & 0o777).toBe(0o755)
    expect(lstatSync(join(directory, 'lib')).isSymbolicLink()).toBe(true)
  })

  it('lies in the cache, named after itself and its content, closed to others', async () => {
    const { directory, told } = await unpack(archive('my root.tar.gz', gzipSync(PLAIN)))
    expect(directory).toMatch(/\/zmachine\/roots\/my_root-[0-9a-f]{16}$/)
    expect(statSync(roots).mode & 0o777).toBe(0o700)
    expect(readdirSync(roots)).toHaveLength(1)
    expect(told[0]).toBe(`unpacking my root.tar.gz to ${directory}`)
    expect(told.some((line) => line.startsWith('not root'))).toBe(!isRoot)
  })

  it('is unpacked once, and what was written stays, until it is wanted fresh', async () => {
    const path = archive('once.tar', PLAIN)
    const { directory } = await unpack(path)
    writeFileSync(join(directory, 'written'), '')
    expect(await unpack(path)).toEqual({ directory, told: [] })
    expect(existsSync(join(directory, 'written'))).toBe(true)
    const fresh = await unpack(path, { fresh: true })
    expect(fresh.directory).toBe(directory)
    expect(existsSync(join(directory, 'written'))).toBe(false)
    expect(readdirSync(roots)).toHaveLength(1)
  })

  it('is another one when its content is', async () => {
    const first = await unpack(archive('same.tar', PLAIN))
    const second = await unpack(archive('same.tar', tarOf({ name: 'etc/name', text: 'other' })))
    expect(second.directory).not.toBe(first.directory)
  })

  it('may be unpacked by two runs at once', async () => {
    const path = archive('twice.tar', PLAIN)
    const [first, second] = await Promise.all([unpack(path), unpack(path)])
    expect(first.directory).toBe(second.directory)
    expect(readdirSync(roots)).toHaveLength(1)
  })

  it('has a root for all users where it says nothing of it', async () => {
    const { directory } = await unpack(archive('no-dot.tar', tarOf({ name: 'etc/name', text: 'x' })))
    expect(statSync(directory).mode & 0o777).toBe(0o755)
  })

  it('is not changed by the user’s options for tar', async () => {
    vi.stubEnv('TAR_OPTIONS', '--exclude=*')
    const { directory } = await unpack(archive('options.tar', PLAIN))
    expect(readdirSync(directory)).toContain('app')
  })

  it('tells how far it is, at most four times a second', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const start = Date.now()
    // Each look at the clock takes 0.1 s.
    let looks = 0
    const now = vi.spyOn(Date, 'now').mockImplementation(() => start + 100 * looks++)
    const text = 'x'.repeat(4 << 20)
    const { told } = await unpack(archive('large.tar', tarOf({ name: 'large', text })))
    now.mockRestore()
    vi.useRealTimers()
    const percent = told.filter((line) => /^unpacking large\.tar: \d+ %$/.test(line))
    expect(percent.length).toBeGreaterThan(2)
    expect(percent.length).toBeLessThan((looks * 100) / 250)
  })
})

describe('a sparse file', () => {
  const MEGABYTE = 1 << 20
  const source = join(folder, 'sparse-source')
  /** Noise, then zeros, then noise. */
  const write = (name: string, megabytes: number): Buffer => {
    const noise = randomBytes(MEGABYTE + 100)
    const content = Buffer.concat([noise, Buffer.alloc(megabytes * MEGABYTE), noise])
    writeFileSync(join(source, name), content)
    return content
  }
  const used = (file: string): number => statSync(file).blocks * 512

  it.each([
    ['kept as such by its archive', '--sparse'],
    ['written in full by its archive', '--format=gnu'],
  ])('%s takes its data only', async (_, option) => {
    mkdirSync(source, { recursive: true })
    const content = write('database', 8)
    const dense = write('dense', 0)
    const path = join(folder, `sparse${option}.tar`)
    execFileSync('tar', ['-C', source, option, '-cf', path, '.'], {
      env: { ...process.env, TAR_OPTIONS: '' },
    })
    const { directory } = await unpack(path)
    const file = join(directory, 'database')
    expect(readFileSync(file).equals(content)).toBe(true)
    expect(used(file)).toBeLessThan(3 * MEGABYTE)
    expect(used(file)).toBeGreaterThanOrEqual(2 * MEGABYTE)
    expect(readFileSync(join(directory, 'dense')).equals(dense)).toBe(true)
  })
})

describe('a hostile archive', () => {
  const outside = join(folder, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'secret'), 'secret')
  const evil = { text: 'evil' }

  it.each<[string, RegExp, readonly Member[]]>([
    [
      'names with ..',
      /contains '\.\.'/,
      [
        { name: '../x', ...evil },
        { name: 'a/../../x', ...evil },
      ],
    ],
    [
      'a file through a symlink that leads out',
      /link\/x: Cannot open/,
      [
        { name: 'link', type: 'symlink', link: outside },
        { name: 'link/x', ...evil },
      ],
    ],
    [
      'a file through a chain of symlinks',
      /two\/x: Cannot open/,
      [
        { name: 'one', type: 'symlink', link: '../../../../outside' },
        { name: 'two', type: 'symlink', link: 'one' },
        { name: 'two/x', ...evil },
      ],
    ],
    [
      'a hard link out',
      /Cannot hard link/,
      [
        { name: 'link', type: 'hard link', link: join(outside, 'secret') },
        { name: 'link', ...evil },
      ],
    ],
    [
      'a hard link upwards',
      /Cannot hard link/,
      [{ name: 'link', type: 'hard link', link: '../../outside/secret' }],
    ],
  ])('with %s is refused, with tar’s words', async (name, words, members) => {
    const path = archive(
      `${name.replaceAll(' ', '-')}.tar`,
      tarOf({ name: 'bin/good', text: 'x' }, ...members),
    )
    await expect(unpack(path)).rejects.toThrow(UsageError)
    await expect(unpack(path)).rejects.toThrow(words)
    expect(readdirSync(roots)).toEqual([])
    expect(readdirSync(outside)).toEqual(['secret'])
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })

  it('with absolute names stays inside', async () => {
    const { directory } = await unpack(archive('abs.tar', tarOf({ name: join(outside, 'x'), ...evil })))
    expect(readFileSync(join(directory, outside, 'x'), 'utf8')).toBe('evil')
    expect(readdirSync(outside)).toEqual(['secret'])
  })

  it('with a hard link to a symlink that leads out writes nothing there', async () => {
    const members: Member[] = [
      { name: 'link', type: 'symlink', link: join(outside, 'secret') },
      { name: 'hard', type: 'hard link', link: 'link' },
      { name: 'hard', ...evil },
    ]
    await unpack(archive('hard-symlink.tar', tarOf(...members))).catch(() => {})
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
  })
})

describe('what is no good archive', () => {
  const failing = async (path: string): Promise<UsageError> => {
    const error: unknown = await unpack(path).catch((error: unknown) => error)
    if (!(error instanceof UsageError)) throw error
    expect(existsSync(roots) ? readdirSync(roots) : []).toEqual([])
    return error
  }
  // Random enough that gzip does not make it small.
  const noise = Array.from({ length: 200_000 }, (_, at) => ((at * 7919) % 65_521).toString(36)).join('')
  const large = tarOf({ name: 'a', text: noise }, { name: 'b', text: noise })

  it('is refused when it is truncated, and nothing is left', async () => {
    const path = archive('truncated.tar', large)
    truncateSync(path, large.length / 2)
    const { message, hint } = await failing(path)
    expect(message).toMatch(/truncated\.tar" cannot be unpacked\n {2}tar: Unexpected EOF/)
    expect(hint).toMatch(/get the archive again/)
    const zipped = gzipSync(large)
    const error = await failing(archive('truncated.tgz', zipped.subarray(0, zipped.length / 2)))
    expect(error.message).toMatch(/unexpected end of file/)
  })

  it.each([
    'tar: ./bin/big: Wrote only 3584 of 10240 bytes',
    'tar: ./bin/8: Cannot open: No space left on device',
    'tar: ./bin: Cannot mkdir: Disk quota exceeded',
  ])('is not blamed for a full cache: %s', async (words) => {
    const programs = join(folder, 'programs')
    mkdirSync(programs, { recursive: true })
    const tar = `#!/bin/sh\ntest "$1" = --version && echo "tar (GNU tar)" && exit\necho '${words}' >&2; exit 2\n`
    writeFileSync(join(programs, 'tar'), tar, { mode: 0o755 })
    vi.stubEnv('PATH', `${programs}:${process.env['PATH']}`)
    const { message, hint } = await failing(archive('full.tar', PLAIN))
    vi.unstubAllEnvs()
    expect(message).toContain(words)
    expect(hint).toBe('zmachine cache prune --all, or XDG_CACHE_HOME=/some/other/folder zmachine …')
  })

  it('is refused when it is corrupt', async () => {
    const zipped = gzipSync(large)
    zipped.fill(0xff, 5000, 6000)
    expect((await failing(archive('corrupt.tgz', zipped))).message).toMatch(
      /corrupt\.tgz" cannot be unpacked/,
    )
  })

  it.each([
    ['text.tar', Buffer.from('hello '.repeat(200))],
    ['empty.tar', Buffer.alloc(0)],
    ['zeros.tar', Buffer.alloc(10_240)],
    ['other.tar', Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(600)])],
  ])('is refused whatever its name: %s', async (name, content) => {
    const { message, hint } = await failing(archive(name, content))
    expect(message).toMatch(/is neither a directory nor an archive/)
    expect(hint).toMatch(/docker export/)
  })

  it('is refused when it is compressed and no archive', async () => {
    const { message } = await failing(archive('text.gz', gzipSync('hello '.repeat(200))))
    expect(message).toMatch(/does not look like a tar archive/)
    const empty = await failing(archive('empty.tgz', gzipSync(Buffer.alloc(10_240))))
    expect(empty.message).toMatch(/is empty/)
  })

  it('is refused as an image of layers, with what to do', async () => {
    const save = tarOf(
      { name: 'manifest.json', text: '[{"Layers":["blobs/sha256/0"],"RepoTags":["app:1"]}]' },
      { name: 'blobs/sha256/0', text: 'x' },
    )
    const { message, hint } = await failing(archive('save.tar', save))
    expect(message).toMatch(/docker save/)
    expect(hint).toMatch(
      /^docker load -i \S+save\.tar && docker export "\$\(docker create app:1\)" > root\.tar/,
    )
  })

  it('is refused when it is missing, a FIFO or a device', async () => {
    expect((await failing(join(folder, 'none'))).message).toMatch(/does not exist/)
    execFileSync('mkfifo', [join(folder, 'fifo')])
    expect((await failing(join(folder, 'fifo'))).message).toMatch(/nor a regular file/)
    expect((await failing('/dev/null')).message).toMatch(/nor a regular file/)
  })

  it('needs its program, and says which', async () => {
    const path = archive('needs.tar.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]))
    vi.stubEnv('PATH', join(folder, 'no-programs'))
    const error: unknown = await unpack(path).catch((error: unknown) => error)
    vi.unstubAllEnvs()
    // Programs in sbin folders are found without a PATH.
    expect(String(error)).toMatch(/compressed with zstd, which is not installed/)
  })
})

describe('what a killed run left', () => {
  /** A process that is gone. */
  const deadPid = (): number => spawnSync('true').pid

  it('is removed by the next, and what a living one is at is not', async () => {
    mkdirSync(roots, { recursive: true })
    const name = 'root-0123456789abcdef'
    const dead = join(roots, `${name}.new-${deadPid()}-abcdef`)
    const living = join(roots, `${name}.new-${process.pid}-abcdef`)
    const others = [join(roots, `${name}`), join(roots, 'mine.new-1-abcdef'), join(roots, 'x')]
    for (const path of [dead, living, ...others]) mkdirSync(path)
    mkdirSync(join(dead, 'closed'))
    writeFileSync(join(dead, 'closed/file'), '')
    chmodSync(join(dead, 'closed'), 0o555)
    symlinkSync(folder, join(dead, 'link'))
    await unpack(archive('sweep.tar', PLAIN))
    expect([dead, living, ...others].map((path) => existsSync(path))).toEqual([false, true, true, true, true])
  })

  it('is complete or not there, whenever it is killed', async () => {
    const path = archive(
      'killed.tar',
      tarOf({ name: 'a', text: 'x'.repeat(32 << 20) }, { name: 'z', text: 'end' }),
    )
    const module = JSON.stringify(new URL('../../../src/host/image/root-directory.ts', import.meta.url).href)
    const script = `import(${module}).then((m) => m.rootDirectory(${JSON.stringify(path)}, () => console.log('busy')))`
    for (const after of ['0', '0.02', '0.1']) {
      const kill = `"$0" -e "$1" | (read -r busy; sleep ${after}; kill -9 $(cat "$2"))`
      const pidFile = join(folder, 'pid')
      const whole = `require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));${script}`
      spawnSync('sh', ['-c', kill, process.execPath, whole, pidFile], { stdio: 'ignore' })
      for (const name of readdirSync(roots)) {
        if (!name.includes('.new-')) expect(existsSync(join(roots, name, 'z'))).toBe(true)
      }
    }
    const { directory } = await unpack(path)
    expect(readFileSync(join(directory, 'z'), 'utf8')).toBe('end')
    expect(readdirSync(roots)).toHaveLength(1)
  })
})

/** Runs it as a user without rights: as the tests' own, or by setpriv. */
function asUser(path: string, cache: string): string {
  const module = JSON.stringify(new URL('../../../src/host/image/root-directory.ts', import.meta.url).href)
  const script = `import(${module}).then((m) => m.rootDirectory(process.argv[1], (text) => console.log(text)))
    .then(({ directory }) => console.log(directory), (error) => console.log(error.message))`
  const drop = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
  const [program = '', ...args] = [...drop, process.execPath, '-e', script, path]
  return spawnSync(program, args, { env: { ...process.env, XDG_CACHE_HOME: cache }, encoding: 'utf8' }).stdout
}

test('without root, devices are left out and ownership is lost, and both are said once', () => {
  const cache = join(folder, 'users-cache')
  mkdirSync(cache)
  chmodSync(cache, 0o777)
  chmodSync(folder, 0o755)
  const closed: Member = { name: 'closed', type: 'directory', mode: 0 }
  const device: Member = { name: 'dev/null', type: 'device' }
  const text = { name: 'bin/sh', text: 'x' }
  const path = archive('devices.tar', tarOf(closed, { name: 'closed/in', text: 'x' }, device, text))
  const lines = asUser(path, cache).trim().split('\n')
  expect(lines.slice(1, -1)).toEqual([
    "not root: the archive's owners are lost, and every file is yours",
    '1 device nodes left out, since they need root; PID 1 mounts its own /dev',
  ])
  expect(readdirSync(lines.at(-1) ?? '').sort()).toEqual(['bin', 'closed', 'dev'])
  // What is refused is removed, closed directories and all.
  const bad = archive('bad.tar', tarOf(closed, { name: 'closed/in', text: 'x' }, { name: '../x', text: 'x' }))
  expect(asUser(bad, cache)).toMatch(/contains '\.\.'/)
  expect(readdirSync(join(cache, 'zmachine/roots'))).toHaveLength(1)
})
