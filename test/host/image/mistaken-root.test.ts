import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { rootDirectory } from '../../../src/host/image/root-directory.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const parent = temporaryFolder()
afterEach(() => void vi.unstubAllEnvs())

/** A folder with files, and with folders for names that end in a slash. */
function folderWith(files: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(parent, 'root-'))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true })
    if (name.endsWith('/')) continue
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

/** What the error says and what to do, with `ROOT` for the root's path; nothing where it is taken. */
async function refusal(path: string, options = {}): Promise<string> {
  try {
    await rootDirectory(path, () => {}, options)
    return ''
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return `${error.message}\n  try: ${error.hint}`.replaceAll(path, 'ROOT')
  }
}

const ROOT = { 'bin/': '', 'etc/': '', 'usr/': '' }
const LAYOUT = {
  'oci-layout': { imageLayoutVersion: '1.0.0' },
  'index.json': { manifests: [] },
  'blobs/': '',
}
const tagged = (tag: string) => ({ annotations: { 'org.opencontainers.image.ref.name': tag } })
const SAVED = [{ Config: 'a.json', RepoTags: ['nginx:1.25'], Layers: ['b/layer.tar'] }]
const BUNDLE = {
  ociVersion: '1.0.0',
  root: { path: 'rootfs' },
  process: { args: ['nginx', '-g', 'daemon off;'] },
}

describe('a folder that is no root is refused, with what to do', () => {
  const rootless = process.getuid?.() === 0 ? '' : ' --rootless'

  it.each<[string, Readonly<Record<string, unknown>>, string, string]>([
    ['an empty folder', {}, 'is empty', 'a root holds at least the program to run'],
    [
      'an OCI layout',
      { ...LAYOUT, 'index.json': { manifests: [tagged('1.25')] } },
      'is an OCI image layout, not a root directory',
      `umoci unpack --image ROOT:1.25${rootless} bundle && zmachine run bundle/rootfs`,
    ],
    [
      'an OCI layout of several images',
      { ...LAYOUT, 'index.json': { manifests: [tagged('a'), tagged('b')] } },
      'is an OCI image layout, not a root directory',
      `umoci unpack --image ROOT:TAG${rootless} bundle && zmachine run bundle/rootfs`,
    ],
    [
      'an OCI layout that was booted once',
      { ...LAYOUT, 'dev/': '', 'etc/hostname': 'x' },
      'is an OCI image layout, not a root directory',
      `umoci unpack --image ROOT:TAG${rootless} bundle && zmachine run bundle/rootfs`,
    ],
    [
      'an unpacked docker save',
      { 'manifest.json': SAVED, 'b/layer.tar': '' },
      "holds an image's layers (docker save), not a root directory",
      'tar -C ROOT -cf image.tar . && docker load -i image.tar, then docker export',
    ],
    [
      'a folder of skopeo’s',
      { 'manifest.json': { schemaVersion: 2 }, version: 'Directory Transport Version: 1.1' },
      "holds an image's layers (skopeo's dir:), not a root directory",
      `skopeo copy dir:ROOT oci:image:latest\n  and: umoci unpack --image image:latest${rootless} bundle && zmachine run bundle/rootfs`,
    ],
    [
      'a bundle',
      { 'config.json': BUNDLE, 'rootfs/': '' },
      'is a bundle of the OCI runtime specification; its root directory is "rootfs" in it',
      "zmachine run ROOT/rootfs -- nginx -g 'daemon off;'",
    ],
    [
      'the folder above a root',
      Object.fromEntries(Object.keys(ROOT).map((name) => [`debian/${name}`, ''])),
      'is not a root directory, but holds one: "debian"',
      'zmachine run ROOT/debian',
    ],
    [
      'source code',
      { '.git/': '', 'package.json': {}, 'bin/app': '', 'lib/': '' },
      'looks like source code, not a root directory: it has .git, and neither etc nor usr',
      'docker build -t app ROOT && docker export "$(docker create app)" > app.tar\n   or: mkdir ROOT/etc, if it is a root',
    ],
  ])('%s', async (_, files, what, advice) => {
    const folder = folderWith(files)
    const before = readdirSync(folder)
    expect(await refusal(folder)).toBe(`the folder "ROOT" ${what}\n  try: ${advice}`)
    expect(readdirSync(folder)).toEqual(before)
  })

  test('the home directory', async () => {
    const home = folderWith({ '.profile': '', 'Documents/': '' })
    vi.stubEnv('HOME', home)
    expect(await refusal(home)).toMatch(/is your home directory, not a root directory/)
  })

  test('this computer’s own root, unless nothing is written to it', async () => {
    expect(await refusal('/', { writable: true })).toMatch(/is that of this computer.*\n {2}try: --read-only/)
    expect(await refusal('/tmp/..', { writable: true })).toMatch(/is that of this computer/)
    expect(await refusal('/')).toBe('')
  })

  test('one that this user may not read, and the folder is blamed', () => {
    const folder = folderWith(ROOT)
    chmodSync(folder, 0)
    chmodSync(parent, 0o755)
    const module = JSON.stringify(new URL('../../../src/host/image/root-directory.ts', import.meta.url).href)
    const script = `import(${module}).then((m) => m.rootDirectory(process.argv[1], () => {}))
      .catch((error) => console.log(error.message + '\\n  try: ' + error.hint))`
    const drop =
      process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
    const [program = '', ...args] = [...drop, process.execPath, '-e', script, folder]
    expect(execFileSync(program, args, { encoding: 'utf8' })).toBe(
      `the root "${folder}": cannot be read (EACCES)\n  try: chmod u+rwx ${folder}, or be root\n`,
    )
    chmodSync(folder, 0o755)
  })
})

test.each<[string, Readonly<Record<string, unknown>>]>([
  ['a static binary alone', { app: '' }],
  ['a program in a folder', { 'app/bin/server': '' }],
  ['a root with a manifest of its own', { ...ROOT, 'manifest.json': { name: 'web' }, 'config.json': {} }],
  ['a root that holds its source code', { ...ROOT, 'package.json': {}, '.git/': '' }],
  ['a root with a folder rootfs', { ...ROOT, 'rootfs/etc/': '', 'rootfs/bin/': '', 'rootfs/usr/': '' }],
  ['a disk image', { 'image.raw': 'x' }],
  ['JSON that is none', { app: '', 'manifest.json': '[', 'config.json': 'null', version: '' }],
])('%s is taken for a root', async (_, files) => {
  expect(await refusal(folderWith(files))).toBe('')
})

describe('an archive that is no root is refused, with what to do', () => {
  const rootless = process.getuid?.() === 0 ? '' : ' --rootless'
  const unpack = `umoci unpack --image image:latest${rootless} bundle && zmachine run bundle/rootfs`

  it.each<[string, Readonly<Record<string, unknown>>, string, string]>([
    [
      'docker save',
      { 'manifest.json': SAVED, 'b/layer.tar': '' },
      "holds an image's layers (docker save), not a root directory",
      `docker load -i ROOT && docker export "$(docker create nginx:1.25)" > root.tar\n   or: skopeo copy docker-archive:ROOT oci:image:latest && ${unpack}`,
    ],
    [
      'docker save with an OCI layout',
      { ...LAYOUT, 'manifest.json': SAVED },
      "holds an image's layers, not a root directory",
      `docker load -i ROOT && docker export "$(docker create nginx:1.25)" > root.tar\n   or: skopeo copy docker-archive:ROOT oci:image:latest && ${unpack}`,
    ],
    [
      'an OCI archive',
      LAYOUT,
      "holds an image's layers, not a root directory",
      `skopeo copy oci-archive:ROOT oci:image:latest && ${unpack}`,
    ],
    [
      'a bundle',
      { 'config.json': { ociVersion: '1.0.0' }, 'rootfs/': '' },
      'is a bundle of the OCI runtime specification; its root directory is "rootfs" in it',
      'tar -xf ROOT && zmachine run rootfs',
    ],
    [
      'a root one folder down',
      { 'rootfs/bin/': '', 'rootfs/etc/': '', 'rootfs/usr/': '' },
      'is not a root directory, but holds one: "rootfs"',
      'tar -xf ROOT && zmachine run rootfs',
    ],
    [
      'an flist',
      { 'flistdb.sqlite3': '' },
      'is an flist: a list of files, without their contents',
      'rfs unpack --meta ROOT root && zmachine run root',
    ],
  ])('%s', async (_, files, what, advice) => {
    const cache = join(parent, 'cache')
    vi.stubEnv('XDG_CACHE_HOME', cache)
    const archive = join(mkdtempSync(join(parent, 'archive-')), 'image.tar')
    execFileSync('tar', ['-C', folderWith(files), '-cf', archive, '.'])
    expect(await refusal(archive)).toBe(`the archive "ROOT" ${what}\n  try: ${advice}`)
    expect(readdirSync(join(cache, 'zmachine/roots'))).toEqual([])
  })
})

describe('a name that leads nowhere', () => {
  const docker = (image: string): string => `docker export "\\$\\(docker create ${image}\\)" > nginx\\.tar`

  it.each([
    ['nginx:latest', 'nginx:latest'],
    ['registry.example/nginx', 'registry.example/nginx'],
    ['registry.example:5000/team/nginx:1.25', 'registry.example:5000/team/nginx:1.25'],
    ['nginx@sha256:0123', 'nginx@sha256:0123'],
    ['docker://nginx', 'nginx'],
  ])('%s looks like an image, which cannot be pulled yet', async (name, image) => {
    const said = await rootDirectory(name, () => {}).catch((error: unknown) => error)
    if (!(said instanceof UsageError)) throw said
    expect(said.message).toBe(
      `the root "${name}" does not exist; it looks like the name of an image, and zmachine cannot pull images yet`,
    )
    expect(said.hint).toMatch(new RegExp(`^${docker(image)}`))
    expect(said.hint).toContain(`\n   or: skopeo copy docker://${image} oci:image:latest && umoci unpack`)
  })

  it('that could be both is a folder first', async () => {
    expect(await refusal('nginx')).toMatch(
      /^the root "ROOT" does not exist\n {2}try: name a folder or an archive; to run an image: docker export/,
    )
  })

  it.each([
    './rootfs',
    '/no/such/root',
    'Root Folder',
    'a:b:c:d/',
    'nginx.tar',
    'nginx.tar.zst',
    'nginx.tgz',
  ])('%s is no image', async (name) => {
    expect(await refusal(name)).toBe(
      'the root "ROOT" does not exist\n  try: name a folder, or an archive of one',
    )
  })

  it('is a tag of an OCI layout', async () => {
    const said = await refusal(`${folderWith(LAYOUT)}:v1`)
    expect(said).toMatch(/is a tag of an OCI image layout, .*\n {2}try: umoci unpack --image ROOT /)
  })
})

describe('a file that is no archive is told by its content', () => {
  const file = (name: string, content: Buffer): string => {
    const path = join(parent, name)
    writeFileSync(path, content)
    return path
  }
  const sector = Buffer.alloc(512)
  sector.writeUInt16BE(0x55aa, 510)
  const squashfs = Buffer.concat([Buffer.from('hsqs'), Buffer.alloc(4096)])

  it.each<[string, Buffer, string, string]>([
    [
      'disk.raw',
      sector,
      'is a disk image, not a root directory',
      'mkdir vm && mv ROOT vm/image.raw && zmachine run vm',
    ],
    [
      'vm.qcow2',
      Buffer.from('QFI\xfb', 'latin1'),
      'is a QCOW2 disk image, not a root directory',
      'mkdir vm && qemu-img convert -O raw ROOT vm/image.raw && zmachine run vm',
    ],
    [
      'root.zip',
      Buffer.from('PK\x03\x04'),
      'is a ZIP archive, not a root directory',
      'unzip -d root ROOT && zmachine run root',
    ],
    [
      'root.fl',
      Buffer.from('SQLite format 3\0'),
      'is an flist or another database, without files, not a root directory',
      'rfs unpack --meta ROOT root && zmachine run root',
    ],
    [
      'root.squashfs',
      squashfs,
      'is an image of squashfs, not a root directory',
      'mount -o loop,ro ROOT /mnt && zmachine run --read-only /mnt',
    ],
  ])('%s', async (name, content, what, advice) => {
    expect(await refusal(file(name, content))).toBe(`the root "ROOT" ${what}\n  try: ${advice}`)
  })
})

test('nothing of the cache is made for what is refused', async () => {
  const cache = join(parent, 'unused')
  vi.stubEnv('XDG_CACHE_HOME', cache)
  await refusal('nginx:latest')
  await refusal(folderWith({}))
  expect(existsSync(cache)).toBe(false)
})
