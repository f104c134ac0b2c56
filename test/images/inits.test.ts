/** Images with an init of their own: PID 1 becomes it, and it runs its services and ends the machine by itself. */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { type Entry, type Tree, writeTree } from '../qemu/lib/files.ts'
import { unpackRoot } from './debian.ts'
import { foreign, readMarker, WRITE_MARKER } from './marker.ts'
import { INITS, OPENRC } from './roots.ts'
import { describeAsRoot, start } from './zmachine.ts'

interface Init {
  readonly name: string
  /** The program of process 1. */
  readonly process: RegExp
  /** Instead of what is in the image. */
  readonly files: Tree
  /** Where it is not /sbin/init. */
  readonly entrypoint?: readonly string[]
}

/** A service that tells what it finds, and then switches the machine off. It stays, as its supervisor would start it again. */
const service = (powerOff: string): Entry => ({
  text: `#!/bin/sh\n${WRITE_MARKER}${powerOff}\nexec sleep 60\n`,
  mode: 0o755,
})

const INIT: readonly Init[] = [
  {
    name: 'runit',
    process: /\/runit$/,
    files: {
      'etc/sv/marker/run': service('init 0'),
      'etc/runit/runsvdir/marker/marker': { link: '/etc/sv/marker' },
      'etc/runit/default.runsvdir': 'marker\n',
      // Without the scripts of System V, whose hundreds of processes take a minute under TCG (README-flagfiles).
      'etc/runit/native.boot.run': '',
      'etc/runit/no.emulate.sysv': '',
      'etc/runit/boot-run': { directory: true },
      'etc/runit/shutdown-run': { directory: true },
    },
  },
  {
    name: 'finit',
    process: /\/finit$/,
    files: {
      'usr/sbin/init': { link: 'finit' },
      'etc/finit.d/marker.conf': 'task [2345] /usr/local/bin/marker -- A marker\n',
      'usr/local/bin/marker': service('/usr/lib/finit/initctl poweroff'),
    },
  },
  {
    name: 's6',
    process: /\/s6-svscan$/,
    // As the whole init: https://skarnet.org/software/s6/s6-svscan-1.html
    files: {
      'etc/s6/marker/run': service('s6-svscanctl -t /etc/s6'),
      'etc/s6/.s6-svscan/finish': {
        text: '#!/bin/sh\nsync\necho o > /proc/sysrq-trigger\nsleep 60\n',
        mode: 0o755,
      },
    },
    entrypoint: ['--', 's6-svscan', '/etc/s6'],
  },
]

describeAsRoot('an init of the image', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  beforeAll(() => unpackRoot(INITS, root))

  for (const { name, process, files, entrypoint = [] } of INIT) {
    test(`${name} is PID 1, with nothing of ours beside it`, async () => {
      for (const path of ['marker', ...Object.keys(files)]) {
        rmSync(join(root, path), { recursive: true, force: true })
      }
      writeTree(root, files)
      const { code } = await start(folder, '--hostname', 'initial', root, ...entrypoint).ended
      const marker = readMarker(root)
      expect(marker?.machine).toBe('initial')
      expect(marker?.programs[0]).toMatch(process)
      expect(marker && foreign(root, marker)).toEqual([])
      expect(code).toBe(0)
    })
  }
})

/** Debian's scripts of System V in OpenRC's runlevels are a minute or two under TCG; these are what OpenRC itself is about. */
const OPENRC_SERVICES = ['cgroups', 'rc', 'rcS']

const OPENRC_MARKER = `#!/sbin/openrc-run
start() {
${WRITE_MARKER}grep cgroup /proc/mounts > /cgroups
}
`

describeAsRoot('OpenRC behind the init of System V', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  const etc = join(root, 'etc')

  beforeAll(async () => {
    await unpackRoot(OPENRC, root)
    const scripts = readdirSync(join(etc, 'init.d')).filter((name) => !OPENRC_SERVICES.includes(name))
    const links = readdirSync(join(etc, 'runlevels'), { recursive: true, encoding: 'utf8' })
    for (const path of scripts.map((name) => join('init.d', name))) rmSync(join(etc, path))
    for (const path of links.filter((name) => name.includes('/'))) rmSync(join(etc, 'runlevels', path))
    const inittab = readFileSync(join(etc, 'inittab'), 'utf8')
    writeTree(root, {
      'etc/runlevels/sysinit/cgroups': { link: '/etc/init.d/cgroups' },
      'etc/runlevels/default/marker': { link: '/etc/init.d/marker' },
      'etc/init.d/marker': { text: OPENRC_MARKER, mode: 0o755 },
      // Debian's only has terminals that a machine without a screen does not have.
      'etc/inittab': inittab.replace('#T0:', 'T0:'),
    })
  })

  test('mounts cgroups in its own way, and a login is on the console', async () => {
    const running = start(folder, '--hostname', 'initial', root)
    await running.waitFor(/initial login:/)
    running.kill()
    const marker = readMarker(root)
    expect(marker?.programs[0]).toMatch(/\/init$/)
    expect(marker && foreign(root, marker)).toEqual([])
    expect(readFileSync(join(root, 'cgroups'), 'utf8').split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/^cgroup_root \/sys\/fs\/cgroup tmpfs /),
      expect.stringMatching(/^openrc \/sys\/fs\/cgroup\/openrc cgroup /),
      expect.stringMatching(/^none \/sys\/fs\/cgroup\/unified cgroup2 /),
    ])
  })
})
