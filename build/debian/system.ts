/** Debian packages that the build and the tests need: found by what they bring, installed where that is allowed. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BuildError, freshLog, run } from '../command.ts'
import { note } from '../progress.ts'

export type Purpose = 'build' | 'kernel' | 'run' | 'demo' | 'test' | 'images' | 'debian13'

interface Package {
  /** The package's name, where it is the same on all releases. */
  readonly name: string
  /** Its name on older releases, by codename. */
  readonly names?: Readonly<Record<string, string>>
  /** Programs (looked up in PATH) or files; the package is there when any of them is. */
  readonly brings: readonly string[]
}

const PACKAGES: Readonly<Record<Purpose, readonly Package[]>> = {
  build: [
    { name: 'gcc', brings: ['gcc'] },
    { name: 'libc6-dev', brings: ['/usr/include/stdio.h'] },
    { name: 'musl-tools', brings: ['musl-gcc'] },
    // The engine's source is an xz tarball, and patched.
    { name: 'xz-utils', brings: ['xz'] },
    { name: 'patch', brings: ['patch'] },
    { name: 'kmod', brings: ['depmod'] },
    // strip and objcopy, for the kernel modules.
    { name: 'binutils', brings: ['objcopy'] },
    // apt reaches an archive by https only with these.
    { name: 'ca-certificates', brings: ['/etc/ssl/certs/ca-certificates.crt'] },
  ],
  // What the kernel's own build needs beside a compiler.
  kernel: [
    { name: 'make', brings: ['make'] },
    { name: 'flex', brings: ['flex'] },
    { name: 'bison', brings: ['bison'] },
    { name: 'bc', brings: ['bc'] },
    { name: 'libelf-dev', brings: ['/usr/include/libelf.h'] },
    { name: 'zstd', brings: ['zstd'] },
  ],
  run: [
    { name: 'qemu-system-x86', brings: ['qemu-system-x86_64'] },
    {
      name: 'virtiofsd',
      names: { bookworm: 'qemu-system-common' },
      brings: ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd'],
    },
  ],
  demo: [
    { name: 'busybox-static', brings: ['busybox'] },
    { name: 'e2fsprogs', brings: ['mkfs.ext4'] },
  ],
  test: [
    { name: 'busybox-static', brings: ['busybox'] },
    { name: 'e2fsprogs', brings: ['mkfs.ext4'] },
    { name: 'btrfs-progs', brings: ['mkfs.btrfs'] },
    { name: 'xfsprogs', brings: ['mkfs.xfs'] },
    { name: 'dosfstools', brings: ['mkfs.vfat'] },
    { name: 'mtools', brings: ['mcopy'] },
    { name: 'erofs-utils', brings: ['mkfs.erofs'] },
    { name: 'squashfs-tools', brings: ['mksquashfs'] },
    { name: 'xorriso', brings: ['xorriso'] },
    { name: 'cpio', brings: ['cpio'] },
    { name: 'lz4', brings: ['lz4'] },
    { name: 'lzop', brings: ['lzop'] },
    { name: 'bzip2', brings: ['bzip2'] },
    { name: 'zstd', brings: ['zstd'] },
    { name: 'iproute2', brings: ['ip'] },
    { name: 'dnsmasq-base', brings: ['dnsmasq'] },
    { name: 'openssh-client', brings: ['ssh-keygen'] },
    { name: 'util-linux', brings: ['unshare'] },
    { name: 'bsdutils', brings: ['script'] },
    { name: 'strace', brings: ['strace'] },
    { name: 'valgrind', brings: ['valgrind'] },
    { name: 'attr', brings: ['setfattr'] },
    // What our kernel is asked for by programs.
    { name: 'nftables', brings: ['nft'] },
    { name: 'iptables', brings: ['iptables-nft'] },
    { name: 'ipset', brings: ['ipset'] },
    { name: 'wireguard-tools', brings: ['wg'] },
    { name: 'dmsetup', brings: ['dmsetup'] },
    // Structure layouts are compared with the kernel's own headers.
    { name: 'linux-libc-dev', brings: ['/usr/include/linux/rtnetlink.h'] },
  ],
  // Roots and disk images of Debian's packages, and who talks to what runs in them.
  images: [
    { name: 'mmdebstrap', brings: ['mmdebstrap'] },
    { name: 'redis-tools', brings: ['redis-benchmark'] },
    { name: 'openssh-client', brings: ['ssh'] },
    { name: 'fdisk', brings: ['sfdisk'] },
    { name: 'dosfstools', brings: ['mkfs.vfat'] },
    { name: 'mtools', brings: ['mcopy'] },
    { name: 'e2fsprogs', brings: ['mkfs.ext4'] },
    { name: 'ovmf', brings: ['/usr/share/OVMF/OVMF_CODE_4M.fd'] },
    { name: 'zstd', brings: ['zstd'] },
  ],
  debian13: [
    { name: 'mmdebstrap', brings: ['mmdebstrap'] },
    { name: 'util-linux', brings: ['unshare'] },
    { name: 'zstd', brings: ['zstd'] },
  ],
}

/** Debian 12's virtiofsd wants to be root, of a user namespace at least; newuidmap gives it one with all its users. */
const UNPRIVILEGED: readonly Package[] = [{ name: 'uidmap', brings: ['newuidmap'] }]

const isRoot = (): boolean => process.getuid?.() === 0

/** Programs for the administrator are not in an ordinary user's PATH, but mkfs needs no privilege. */
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/**
 * Sees to it that everything for these purposes is there: installs it by apt-get as root or by `sudo -n`. Where
 * neither is possible, throws with the command to run. Adds the sbin folders to PATH for what runs later.
 */
export async function ensurePackages(purposes: readonly Purpose[]): Promise<void> {
  const path = searchPath()
  process.env['PATH'] = [...path, ...SBIN.filter((folder) => !path.includes(folder))].join(':')
  const missing = await missingPackages(purposes)
  if (missing.length === 0) return

  const byHand = `sudo apt-get update && sudo apt-get install --no-install-recommends ${missing.join(' ')}`
  const sudo = await privilege(byHand, missing)
  const log = freshLog('apt-install')
  note(`installing by apt-get: ${missing.join(', ')}`)
  if (await mustUpdate(missing)) await aptGet(sudo, ['update'], log, byHand)
  await install(sudo, missing, log, byHand)

  const still = await missingPackages(purposes)
  if (still.length > 0) {
    throw new BuildError(`installed, but what it should bring is not there: ${still.join(' ')}`, `See ${log}`)
  }
}

/** The names of the packages that are missing, for this release of Debian. */
export async function missingPackages(purposes: readonly Purpose[]): Promise<string[]> {
  const release = await codename()
  const missing = purposes
    .flatMap((purpose) => [...PACKAGES[purpose], ...(purpose === 'run' && !isRoot() ? UNPRIVILEGED : [])])
    .filter(({ brings }) => !brings.some(isThere))
    .map(({ name, names }) => names?.[release] ?? name)
  return [...new Set(missing)]
}

const searchPath = (): string[] => (process.env['PATH'] ?? '').split(':')

function isThere(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program)
  return [...searchPath(), ...SBIN].some((folder) => existsSync(join(folder, program)))
}

/** `bookworm`, `trixie`, … from os-release(5). */
export async function codename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^VERSION_CODENAME="?([^"\n]+)/m.exec(text)?.[1] ?? 'unknown'
}

/** What to put before apt-get: nothing for root, or sudo where it asks for no password. */
async function privilege(byHand: string, missing: readonly string[]): Promise<string[]> {
  if (isRoot()) return []
  const allowed = await run('sudo', ['-n', 'true']).then(
    () => true,
    () => false,
  )
  if (allowed) return ['sudo', '-n']
  throw new BuildError(
    `these system packages are missing: ${missing.join(' ')}`,
    `Install them:\n\n  ${byHand}`,
  )
}

/** A fresh machine or container has no package lists: then apt knows no candidate. */
async function mustUpdate(names: readonly string[]): Promise<boolean> {
  const policy = (await run('apt-cache', ['policy', ...names])).toString()
  return names.some((name) => !new RegExp(`^${name}:\\n.*\\n\\s*Candidate: [^(]`, 'm').test(policy))
}

async function install(sudo: string[], names: readonly string[], log: string, byHand: string): Promise<void> {
  const args = ['install', '--yes', '--no-install-recommends', ...names]
  // The lists may be older than the archive, whose old versions are gone: then refresh them and try once more.
  await aptGet(sudo, args, log, byHand, names).catch(async () => {
    await aptGet(sudo, ['update'], log, byHand)
    await aptGet(sudo, args, log, byHand, names)
  })
}

async function aptGet(
  sudo: readonly string[],
  args: readonly string[],
  log: string,
  byHand: string,
  names: readonly string[] = [],
): Promise<void> {
  const [program = 'env', ...rest] = [
    ...sudo,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-q',
    ...args,
  ]
  const onLine = (line: string): void => {
    const name = /^Setting up ([^ :]+)/.exec(line)?.[1]
    if (name && names.includes(name)) note(`  ${name}`)
  }
  await run(program, rest, { log, onLine, advice: `To do it by hand:\n\n  ${byHand}` })
}
