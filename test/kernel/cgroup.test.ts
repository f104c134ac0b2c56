/**
 * The container's cgroup, in a cgroup of this test's own that looks like the root of all (cgroup_namespaces(7)). Most of
 * the controllers may be missing here; freezing and killing are no controllers.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { killCgroup, noCgroup, openCgroup, readUsage, thawCgroup } from '../../src/supervise/cgroup.ts'
import { ROOT } from '../../src/supervise/workload.ts'
import { must } from '../../src/sys/errno.ts'
import { mount, syscall } from '../../src/sys/linux.ts'
import { enterMountNamespace } from './namespace.ts'

const SYS_unshare = 272
const CLONE_NEWCGROUP = 0x02000000

/** As this computer has it. */
const WHOLE = '/run/cgroup'
const TEST = `${WHOLE}/zmachine-test-${process.pid}`
const OWN = '/sys/fs/cgroup/container'

const known = readFileSync('/proc/filesystems', 'latin1').includes('cgroup2')
const missing = process.getuid?.() !== 0 ? 'needs root' : known ? undefined : 'this kernel has no cgroup2'
const title = missing === undefined ? 'the container’s cgroup' : `the container’s cgroup (${missing})`

const children: ChildProcess[] = []

const cgroup = noCgroup()

/** A process in a cgroup below the container's. */
function member(path: string): ChildProcess & { readonly pid: number } {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  children.push(child)
  const { pid } = child
  if (pid === undefined) throw new Error('sleep can’t be started')
  writeFileSync(`${OWN}/${path}/cgroup.procs`, `${pid}`)
  return Object.assign(child, { pid })
}

const isFrozen = (path: string): boolean =>
  readFileSync(`${OWN}/${path}/cgroup.events`, 'latin1').includes('frozen 1')

async function until(holds: () => boolean): Promise<void> {
  for (const start = Date.now(); !holds() && Date.now() - start < 5000; ) await sleep(5)
  expect(holds()).toBe(true)
}

describe.skipIf(missing !== undefined)(title, () => {
  beforeAll(() => {
    enterMountNamespace()
    mkdirSync(WHOLE)
    must(mount('cgroup2', WHOLE, 'cgroup2', 0), () => `mount cgroup2 on ${WHOLE}`)
    mkdirSync(TEST)
    writeFileSync(`${TEST}/cgroup.procs`, `${process.pid}`)
    must(syscall(SYS_unshare, CLONE_NEWCGROUP), () => 'unshare the cgroup namespace')
    must(mount('cgroup2', '/sys/fs/cgroup', 'cgroup2', 0), () => 'mount cgroup2')
  })

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'close')
      child.kill('SIGKILL')
      await ended
    }
  })

  afterAll(() => {
    writeFileSync(`${WHOLE}/cgroup.procs`, `${process.pid}`)
    const below = readdirSync(TEST, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    )
    for (const { parentPath, name } of below.reverse()) rmdirSync(`${parentPath}/${name}`)
    rmdirSync(TEST)
  })

  test('is made, and its directory stays open', () => {
    openCgroup(cgroup, ROOT)
    const fd = cgroup.directory
    expect(fd).toBeGreaterThanOrEqual(0)
    expect(statSync(`/proc/self/fd/${fd}`).ino).toBe(statSync(OWN).ino)
    expect(statSync(OWN).mode & 0o777).toBe(0o755)
  })

  test('goes on where the container froze itself, in cgroups of its own as well', async () => {
    openCgroup(cgroup, ROOT)
    for (const path of ['a', 'a/b', 'c']) mkdirSync(`${OWN}/${path}`)
    for (const path of ['a/b', 'c']) {
      member(path)
      writeFileSync(`${OWN}/${path}/cgroup.freeze`, '1')
      await until(() => isFrozen(path))
    }
    thawCgroup(cgroup)
    await until(() => !isFrozen('a/b') && !isFrozen('c'))
  })

  test('ends with one write, frozen processes and those of cgroups below among them', async () => {
    openCgroup(cgroup, ROOT)
    if (!existsSync(`${OWN}/a/b`)) mkdirSync(`${OWN}/a/b`, { recursive: true })
    const members = ['.', 'a', 'a/b'].map(member)
    writeFileSync(`${OWN}/a/b/cgroup.freeze`, '1')
    await until(() => isFrozen('a/b'))
    const ended = members.map((each) => once(each, 'close'))
    killCgroup(cgroup)
    expect((await Promise.all(ended)).map(([, signal]) => signal)).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL'])
  })

  test('is made anew, without what a dead session left in it', () => {
    openCgroup(cgroup, ROOT)
    if (!existsSync(`${OWN}/x/y/z`)) mkdirSync(`${OWN}/x/y/z`, { recursive: true })
    const before = statSync(OWN).ino
    openCgroup(cgroup, ROOT)
    expect(existsSync(`${OWN}/x`)).toBe(false)
    expect(statSync(OWN).ino).not.toBe(before)
  })

  test('belongs to the user of the container, as systemd delegates it', () => {
    openCgroup(cgroup, { uid: 1000, gid: 1001, groups: [], home: '/', name: 'somebody' })
    const owners = (name: string): number[] => {
      const { uid, gid } = statSync(`${OWN}/${name}`)
      return [uid, gid]
    }
    for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'])
      expect(owners(name)).toEqual([1000, 1001])
    expect(owners('cgroup.kill')).toEqual([0, 0])
    openCgroup(cgroup, ROOT)
    expect(owners('cgroup.procs')).toEqual([0, 0])
  })

  test('tells what it used, as far as the kernel counts it', async () => {
    openCgroup(cgroup, ROOT)
    expect(readUsage(cgroup).oomKills).toBe(0)
    const child = spawn('sh', ['-c', 'read go; while :; do :; done'], { stdio: ['pipe', 'ignore', 'ignore'] })
    children.push(child)
    writeFileSync(`${OWN}/cgroup.procs`, `${child.pid}`)
    child.stdin.end('go\n')
    await until(() => (readUsage(cgroup).cpuTime ?? 0) > 50)
    // Milliseconds, of a loop that has run for less than five seconds.
    expect(readUsage(cgroup).cpuTime).toBeLessThan(5000)
  })
})
