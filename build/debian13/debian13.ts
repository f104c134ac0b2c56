/** `npm run test:debian13`: what a newcomer does on a minimal Debian 13, done in one that is made for it and thrown away. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { cached, cacheRoot } from '../cache.ts'
import { BuildError, freshLog, run } from '../command.ts'
import { ownSources } from '../debian/apt-files.ts'
import { codename, ensurePackages } from '../debian/system.ts'
import { ROOT } from '../paths.ts'
import { command, heading, note, step } from '../progress.ts'

const HELP = `npm run test:debian13 [-- --quick | --all]

Makes a minimal Debian 13 with Debian's own Node and npm, and in it, with a copy of this tree:

  npm ci
  npm start
  zmachine run, by root and by an ordinary user, on Debian's Node
  npm test, without the node build, the faults and the images

Needs root and half an hour; the first time twice that, since Debian 13's compiler makes a kernel of its own.

  --quick   without npm test
  --all     with all of npm test
  --help    this text

Nothing is left behind but the cache: $XDG_CACHE_HOME/zmachine-init (~/.cache/zmachine-init).
`

const RELEASE = 'trixie'

/** Raised when the root is made in another way, since it is cached. */
const FORMAT = '1'

/** What the README asks for, and nothing more: no compiler, no sudo, no certificates. */
const PACKAGES = ['nodejs', 'npm']

/** apt's settings without which this machine may not reach its archive. */
const NETWORK_SETTING = /^Acquire::(?:https?|ftp|Check-Valid-Until|Check-Date|ForceIPv[46])\b.* "..*";$/

/** Files by which this machine reaches the network; the root gets copies. */
const NETWORK_FILES = ['/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs/ca-certificates.crt']

/** Variables by which it does. */
const NETWORK_VARIABLES = /^(?:(?:https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i

/** An ordinary user, not even in a group that may open /dev/kvm. */
const USER = 'visitor'

interface Stage {
  readonly name: string
  /** Run by sh in the copy of this tree. */
  readonly script: string
}

/** `code` is the entrypoint's; the file proves that the guest writes to the root as its owner. */
const runRoot = (copy: string): string =>
  `cp -r dist/demo/root ${copy}
   code=0; node -- dist/zmachine.js run ${copy} -- /bin/sh -c 'touch /written; exit 42' || code=$?
   [ $code = 42 ] && [ -O ${copy}/written ]`

const asUser = (script: string): string =>
  `useradd --create-home ${USER}\nsu ${USER} -s /bin/sh -c 'set -e; ${script.replaceAll("'", `'\\''`)}'`

const QUICK: readonly Stage[] = [
  { name: 'npm ci', script: 'npm ci' },
  { name: 'npm start', script: 'npm start' },
  { name: 'zmachine run, by root', script: runRoot('/root/copy') },
  { name: 'zmachine run, by an ordinary user', script: asUser(runRoot(`/home/${USER}/copy`)) },
]

const SUITES: Stage = { name: 'npm test: unit, kernel, boot', script: 'npm test -- --only unit,kernel,boot' }
const ALL: Stage = { name: 'npm test', script: 'npm test' }

/** The root as a tarball: minimal, of the archive that this machine is set up for. */
async function tarball(): Promise<string> {
  const sources = ownSources(await codename(), { name: 'debian13', type: 'deb', release: RELEASE })
  if (sources.length === 0) {
    throw new BuildError(
      'apt on this machine is set up for no Debian archive',
      'Run this on Debian 12 or 13.',
    )
  }
  const settings = (await run('apt-config', ['dump']))
    .toString()
    .split('\n')
    .filter((line) => NETWORK_SETTING.test(line))
  const texts = sources.map(({ text }) => text)
  const folder = await cached('debian13', [FORMAT, ...PACKAGES, ...settings, ...texts], async (fresh) => {
    const files = sources.map(({ extension }, at) => join(fresh, `${at}.${extension}`))
    for (const [at, file] of files.entries()) await writeFile(file, texts[at] ?? '')
    const options = ['--variant=minbase', `--include=${PACKAGES.join(',')}`]
    const aptOptions = settings.map((line) => `--aptopt=${line}`)
    await run('mmdebstrap', [...options, ...aptOptions, RELEASE, join(fresh, 'root.tar.zst'), ...files], {
      log: freshLog('debian13'),
      advice: 'Check that this machine reaches its Debian archive: apt-get update',
    })
  })
  return join(folder, 'root.tar.zst')
}

/** Unpacks the root into `folder`, with a copy of this tree and of what it takes to reach the network. */
async function furnish(folder: string): Promise<void> {
  await run('tar', ['--zstd', '-xpf', await tarball(), '-C', folder])
  const source = join(folder, 'src')
  await mkdir(source)
  const archive = await run('tar', [
    ...['.git', 'node_modules', 'dist'].map((name) => `--exclude=./${name}`),
    ...['-C', ROOT, '-cf', '-', '.'],
  ])
  await run('tar', ['--no-same-owner', '-xf', '-', '-C', source], { input: archive })
  const extra = process.env['NODE_EXTRA_CA_CERTS']
  for (const file of [...NETWORK_FILES, ...(extra?.startsWith('/') ? [extra] : [])]) {
    if (!existsSync(file)) continue
    await mkdir(dirname(join(folder, file)), { recursive: true })
    copyFileSync(file, join(folder, file))
  }
  const npmrc = process.env['NPM_CONFIG_USERCONFIG'] ?? join(homedir(), '.npmrc')
  if (existsSync(npmrc)) copyFileSync(npmrc, join(folder, 'root/.npmrc'))
}

/** Its environment: a login's, and the variables by which this machine reaches the network. */
function environment(): Record<string, string> {
  const network = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && NETWORK_VARIABLES.test(name) ? [[name, value] as const] : [],
  )
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return {
    HOME: '/root',
    PATH: path,
    LANG: 'C.UTF-8',
    TERM: process.env['TERM'] ?? 'dumb',
    ...Object.fromEntries(network),
  }
}

/** Runs a stage in the root with its output on ours. */
async function inside(root: string, { name, script }: Stage): Promise<void> {
  heading(`Debian 13: ${name}`)
  const caches = await Promise.all(['', 'debian13-npm', 'debian13-archives'].map(cacheFolder))
  const enter = join(ROOT, 'build/debian13/enter.sh')
  const { promise, resolve } = Promise.withResolvers<string>()
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', 'sh', enter, root, ...caches],
      ...['sh', '-ec', script],
    ],
    { env: environment(), stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const stop = (): void => void child.kill('SIGKILL')
  process.on('SIGINT', stop).on('SIGTERM', stop)
  child.on('error', (error) => resolve(error.message))
  child.on('close', (code, signal) => resolve(code === 0 ? '' : (signal ?? `exit code ${code}`)))
  const failure = await promise
  process.off('SIGINT', stop).off('SIGTERM', stop)
  if (failure !== '') throw new BuildError(`Debian 13: ${name}: ${failure}`)
}

/** A folder of the cache. */
async function cacheFolder(name: string): Promise<string> {
  const folder = join(cacheRoot(), name)
  await mkdir(folder, { recursive: true })
  return folder
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, all: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  if (values.help) return void process.stdout.write(HELP)
  if (process.getuid?.() !== 0) {
    throw new BuildError(
      'npm run test:debian13 needs root: it makes a root directory with its owners and devices',
    )
  }
  await ensurePackages(['debian13'])
  await step('a minimal Debian 13', tarball)
  // Named as the cache names what is not complete: what a killed run leaves behind, a later build removes.
  const root = await mkdtemp(join(await cacheFolder(''), 'debian13-root.new-'))
  try {
    await step('its root directory', () => furnish(root))
    for (const stage of [...QUICK, ...(values.quick ? [] : [values.all ? ALL : SUITES])])
      await inside(root, stage)
  } finally {
    await rm(root, { recursive: true, force: true, maxRetries: 5 })
  }
  heading('result')
  note('Debian 13: everything passes')
}

await command(main)
