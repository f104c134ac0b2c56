/** `npm start`: builds everything and boots a demonstration container, as a zos host of the older generation does. */
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { containerExit } from '../src/host/console/container-exit.ts'
import { findProgram, needProgram } from '../src/host/lib/programs.ts'
import { boot } from '../src/host/machine/machine.ts'
import type { MachineOptions } from '../src/host/machine/options.ts'
import { formatTimeline, readTimeline } from '../src/host/timeline/timeline.ts'
import { buildAll } from './build.ts'
import { BuildError, run } from './command.ts'
import { ensurePackages } from './debian/system.ts'
import { ROOT } from './paths.ts'
import { command } from './progress.ts'

const DEMO = join(ROOT, 'dist/demo')

/** What the container runs. It speaks plainly, since it is the first thing that a newcomer sees of us. */
const ENTRYPOINT = `#!/bin/sh
say() { printf '\\n== %s\\n' "$*"; }
say 'Hello from a container. Its PID 1 is written in TypeScript.'
uname -snrm
ps | grep -v ' [[]'
say 'mounts'
grep -v -e ' /proc' -e ' /sys' -e ' /dev' /proc/mounts
say 'network'
ip addr
ip route
ip -6 route
cat /etc/resolv.conf
say 'environment'
env | sort
say 'a file on the ext4 disk, a file on the virtiofs share'
cat /data/hello.txt '/mnt/share/hello.txt'
echo "written by the container $HOSTNAME" > /mnt/share/from-the-container.txt
say 'memory'
free -m
say 'the end: exit code 0'
exit 0
`

/** The files of the container's root. The environment is where the older generation of hosts has it. */
const FILES = {
  entrypoint: ENTRYPOINT,
  '.zosrc': "export GREETING='hello, world'\nexport NAME='Zoë'\n",
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
}

const CMDLINE = [
  'printk.time=1 zmachine.timeline zmachine.on_exit=poweroff',
  'init=/entrypoint host=demo zmachine.env.HOSTNAME=demo',
  'net_eth0=10.0.2.15/24;fec0::15/64 net_r4=default,10.0.2.2 net_r6=default,fec0::2 net_dns=10.0.2.3',
  'vda=/data qsfs_share=/mnt/share',
].join(' ')

/** Makes the root directory, the share and the disk anew. */
async function makeContainer(): Promise<{ root: string; share: string; disk: string }> {
  await rm(DEMO, { recursive: true, force: true })
  const root = join(DEMO, 'root')
  const share = join(DEMO, 'share')
  const contents = join(DEMO, 'disk')
  const disk = join(DEMO, 'disk.ext4')
  await writeTree(root, FILES)
  await chmod(join(root, 'entrypoint'), 0o755)
  await writeTree(share, { 'hello.txt': 'hello from the host\n' })
  await writeTree(contents, { 'hello.txt': 'hello from an ext4 disk\n' })
  await installBusybox(join(root, 'bin'))
  await writeFile(disk, '')
  await truncate(disk, 16 << 20)
  await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-L', 'data', '-d', contents, disk])
  return { root, share, disk }
}

async function writeTree(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

/** Debian's static busybox and a link for each of its programs. */
async function installBusybox(folder: string): Promise<void> {
  const busybox = findProgram('/usr/bin/busybox', '/bin/busybox')
  if (busybox === undefined)
    throw new BuildError('busybox is not installed', 'apt-get install busybox-static')
  await mkdir(folder, { recursive: true })
  await copyFile(busybox, join(folder, 'busybox'))
  const applets = (await run(busybox, ['--list'])).toString().trim().split('\n')
  for (const applet of applets.filter((name) => name !== 'busybox'))
    await symlink('busybox', join(folder, applet))
}

/** Boots the demonstration with this kernel and initramfs; the entrypoint's exit code. */
export async function demonstrate(kernel: string, initramfs: string): Promise<number> {
  const { root, share, disk } = await makeContainer()
  const log = join(DEMO, 'serial.log')
  const options: MachineOptions = {
    kernel,
    initramfs,
    cmdline: CMDLINE,
    root: { kind: 'virtiofs', directory: root },
    shares: [{ tag: 'share', directory: share }],
    disks: [{ file: disk }],
    nics: [{ backend: { kind: 'user' } }],
    accel: 'auto',
    timeout: 120,
    log,
  }
  const machine = await boot(options)
  console.log('\nThe container:\n')
  for await (const line of machine.console.lines()) if (isContainers(line)) console.log(`  ${line}`)
  const { reason, console: text, duration, qemuError } = await machine.exited

  const exit = containerExit(text)
  const wrote = join(share, 'from-the-container.txt')
  const code = exit === undefined ? `none: it did not come to an end (${reason}) ${qemuError}` : exit.code
  console.log(`
  exit code   ${code}
  duration    ${duration.toFixed(2)} s, kernel and shutdown included; the machine ended by ${reason}
  share       ${existsSync(wrote) ? `the container wrote ${wrote}` : 'the container wrote nothing'}
  serial log  ${log}

How long the boot took:
${formatTimeline(readTimeline(text)).join('\n')}

What to try next:
  edit ENTRYPOINT in build/start.ts and run npm start again
  npm run zmachine -- run ROOT -- PROGRAM   boots a root directory of yours; --help tells the rest
  npm test     boots many more, each for a promise that PID 1 makes
`)
  return exit?.code ?? 125
}

/** Kernel messages start with a time; what PID 1 says of its own steps comes back in the table. */
const isContainers = (line: string): boolean =>
  !/^\[ *\d+\.\d+\] /.test(line) && !line.includes('zmachine: timeline')

if (import.meta.main) {
  await command(async () => {
    await ensurePackages(['build', 'run', 'demo'])
    const { flist } = await buildAll()
    process.exitCode = await demonstrate(flist.kernel, flist.initramfs).catch((error: unknown) => {
      throw new BuildError(error instanceof Error ? error.message : String(error))
    })
  })
}
