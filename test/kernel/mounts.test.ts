/** Mounting disks, shares and pseudo file systems, on this machine's kernel, in a mount namespace of its own. */

import { randomBytes, randomUUID } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { blockDevices, findDevice, probe } from '../../src/boot/io/device.ts'
import { NO_MODULES } from '../../src/boot/io/modules.ts'
import { mountStep, mountWhenThere } from '../../src/boot/steps/mount.ts'
import type { Mounted } from '../../src/boot/steps/mount-attempt.ts'
import { mountPseudo } from '../../src/boot/steps/pseudo.ts'
import { parseMountOptions } from '../../src/config/mount-options.ts'
import { MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../../src/lib/mount-flags.ts'
import type { PseudoStep } from '../../src/plan/step.ts'
import { ENODEV, must } from '../../src/sys/errno.ts'
import { mount, umount, uptime } from '../../src/sys/linux.ts'
import {
  attach,
  blankImage,
  type Disk,
  enterDiskNamespace,
  FILE_SYSTEMS,
  fileSystem,
  isKnown,
  type MountInfo,
  makeImage,
  mounts,
  said,
  unmountBelow,
  WORK,
  whyNoDisks,
} from './disks.ts'

const missing = whyNoDisks()
// Before the tests are listed: which there are depends on what the kernel knows.
if (missing === undefined) enterDiskNamespace()

const TREE = `${WORK}/tree`
let here: string
let tests = 0
const disks: Disk[] = []

const randomLabel = (): string => randomBytes(5).toString('hex')

function disk(name: string, image: string, options: { readOnly?: boolean } = {}): string {
  const attached = attach(name, image, options)
  disks.push(attached)
  return attached.path
}

const ext4 = (label?: string): string => makeImage(fileSystem('ext4'), TREE, label)

const mounted = (target: string): MountInfo | undefined =>
  mounts()
    .filter((mount) => mount.target === target)
    .at(-1)

/** As a step does it that says no more than this. */
function mountDisk(source: string, target = `${here}/data`, options = '', type = 'auto', wait = 0): Mounted {
  const { flags, data, nofail } = parseMountOptions(options)
  const step = { kind: 'mount', source, target, type, flags, data, nofail, grow: true, from: 'test' } as const
  return mountStep(step, uptime() + wait, NO_MODULES)
}

describe.skipIf(missing !== undefined)(`this kernel ${missing === undefined ? '' : `(${missing})`}`, () => {
  beforeAll(() => {
    mkdirSync(TREE)
    writeFileSync(`${TREE}/hello`, 'hello\n')
  })

  beforeEach(() => {
    here = `${WORK}/test-${++tests}`
    mkdirSync(here)
    said()
  })

  afterEach(() => {
    unmountBelow(WORK)
    for (const attached of disks.splice(0)) attached.detach()
  })

  describe('mountPseudo', () => {
    const pseudo = (type: string, more: Partial<PseudoStep> = {}): PseudoStep => ({
      ...{ kind: 'pseudo', source: type, target: `${here}/on`, type, flags: 0, data: '', optional: false },
      ...more,
    })

    it('makes the target, and mounts with the flags and options asked for', () => {
      const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
      mountPseudo(pseudo('tmpfs', { target: `${here}/a/b`, flags, data: 'mode=0750,size=64k' }))
      const { options, data } = mounted(`${here}/a/b`) ?? {}
      expect(options).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec']))
      expect(data).toEqual(expect.arrayContaining(['size=64k', 'mode=750']))
    })

    it('is content with what is mounted already', () => {
      for (let i = 0; i < 2; i++) mountPseudo(pseudo('sysfs'))
      expect(mounts().filter(({ target }) => target === `${here}/on`)).toHaveLength(1)
    })

    it('keeps the directories of what it covers, with their modes and owners, and no files', () => {
      mkdirSync(`${here}/on/sshd/deep`, { recursive: true })
      mkdirSync(`${here}/on/app`)
      chmodSync(`${here}/on/app`, 0o1770)
      writeFileSync(`${here}/on/app/pid`, '1')
      symlinkSync('/', `${here}/on/link`)
      mountPseudo(pseudo('tmpfs', { keepsDirectories: true }))
      expect(mounted(`${here}/on`)?.type).toBe('tmpfs')
      expect(readdirSync(`${here}/on`, { recursive: true }).sort()).toEqual(['app', 'sshd', 'sshd/deep'])
      expect(statSync(`${here}/on/app`).mode & 0o7777).toBe(0o1770)
    })

    it('does without options that this kernel does not know', () => {
      mountPseudo(pseudo('tmpfs', { flags: MS_NODEV, data: 'of_another_year=1' }))
      expect(mounted(`${here}/on`)).toMatchObject({
        type: 'tmpfs',
        options: expect.arrayContaining(['nodev']),
      })
    })

    it('passes over what is optional: no such file system, or no place for it', () => {
      mountPseudo(pseudo('nosuchfs', { optional: true }))
      mountPseudo(pseudo('tmpfs', { optional: true, target: '/proc/nowhere' }))
      expect(mounted(`${here}/on`)).toBeUndefined()
    })

    it('fails for the same where it is not optional', () => {
      expect(() => mountPseudo(pseudo('nosuchfs'))).toThrow(
        `mount nosuchfs on ${here}/on: ENODEV (no such device)`,
      )
      expect(() => mountPseudo(pseudo('tmpfs', { target: '/proc/nowhere' }))).toThrow(
        'mkdir /proc/nowhere: ENOENT (no such file or directory)',
      )
    })
  })

  describe('a disk', () => {
    const known = new Set(FILE_SYSTEMS.map(({ type }) => type).filter(isKnown))

    for (const system of FILE_SYSTEMS) {
      const { type, filled, writable } = system
      if (!known.has(type)) {
        it(`with ${type} is told to be none for this kernel`, () => {
          const path = disk('vdb', makeImage(system, TREE))
          expect(() => mountDisk(path)).toThrow(
            `mount /dev/vdb on ${here}/data as ${type}: ENODEV (no such device): this kernel has no ${type}`,
          )
        })
        continue
      }
      it(`with ${type} is mounted without being told the type`, () => {
        const path = disk('vdb', makeImage(system, TREE))
        expect(mountDisk(path)).toMatchObject({ type, readOnly: !writable })
        expect(mounted(`${here}/data`)).toMatchObject({ type, source: path })
        if (filled) expect(readFileSync(`${here}/data/hello`, 'latin1')).toBe('hello\n')
        if (writable) writeFileSync(`${here}/data/new`, 'new\n')
        // That it can't be written is no news.
        expect(said()).toBe('')
      })
    }

    for (const system of FILE_SYSTEMS) {
      const { type, label, uuid } = system
      it(`with ${type} is found by what identifies it, among others`, () => {
        disk('vdb', ext4('other'))
        disk('vdd', blankImage(1))
        const given = { label: randomLabel(), uuid: randomUUID() }
        const image = makeImage(system, TREE, label?.(given.label), given.uuid)
        const path = disk('vdc', image)
        expect(probe(path)?.type).toBe(type)
        if (label !== undefined) expect(findDevice(`LABEL=${label(given.label)}`)).toBe(path)
        if (label !== undefined) expect(findDevice(`LABEL="${label(given.label)}"`)).toBe(path)
        if (uuid !== undefined) expect(findDevice(`UUID=${uuid(given.uuid)}`)).toBe(path)
        if (uuid !== undefined) expect(findDevice(`UUID=${uuid(given.uuid).toUpperCase()}`)).toBe(path)
        expect(findDevice(`LABEL=${randomLabel()}`)).toBeUndefined()
      })
    }

    it('is mounted by its label and by its uuid, and said to be where it is', () => {
      const label = randomLabel()
      const uuid = randomUUID()
      disk('vdb', ext4('other'))
      const path = disk('vdc', makeImage(fileSystem('ext4'), TREE, label, uuid))
      mountDisk(`LABEL=${label}`, `${here}/by-label`)
      mountDisk(`UUID=${uuid}`, `${here}/by-uuid`)
      expect(mounted(`${here}/by-label`)?.source).toBe(path)
      expect(mounted(`${here}/by-uuid`)?.source).toBe(path)
    })

    it('that is backed by memory is not looked at, whatever its label', () => {
      const image = ext4('twin')
      for (const name of ['loop0', 'ram0', 'zram0']) disk(name, image)
      expect([findDevice('LABEL=twin'), blockDevices()]).toEqual([undefined, []])
    })

    it('of a name with a slash is found in its folder', () => {
      mkdirSync('/dev/cciss')
      const label = randomLabel()
      const path = disk('cciss/c0d0', ext4(label))
      expect([path, findDevice(`LABEL=${label}`)]).toEqual(['/dev/cciss/c0d0', '/dev/cciss/c0d0'])
    })

    it('is mounted below a target that has to be made, through a symlink that dangles', () => {
      const path = disk('vdb', ext4())
      symlinkSync('made', `${here}/link`)
      mountDisk(path, `${here}/link/a/b`)
      expect(statSync(`${here}/made/a/b/hello`).isFile()).toBe(true)
    })

    it('is mounted with the options asked for, the file system’s own too', () => {
      const path = disk('vdb', ext4())
      const options =
        'defaults,noexec,nosuid,nodev,noatime,commit=17,data=writeback,nofail,x-systemd.automount'
      expect(mountDisk(path, undefined, options)).toMatchObject({ type: 'ext4', readOnly: false })
      const { options: flags, data } = mounted(`${here}/data`) ?? {}
      expect(flags).toEqual(expect.arrayContaining(['rw', 'noexec', 'nosuid', 'nodev', 'noatime']))
      expect(data).toEqual(expect.arrayContaining(['commit=17', 'data=writeback']))
    })

    it('is mounted read-only where asked', () => {
      const path = disk('vdb', ext4())
      expect(mountDisk(path, undefined, 'ro')).toMatchObject({ type: 'ext4', readOnly: true })
      expect(() => writeFileSync(`${here}/data/new`, '')).toThrow('EROFS')
      expect(said()).toBe('')
    })

    it('with an option that the file system does not know is not mounted', () => {
      const path = disk('vdb', ext4())
      expect(() => mountDisk(path, undefined, 'of_another_year')).toThrow(
        `mount /dev/vdb on ${here}/data as ext4: EINVAL (invalid argument): unknown option in 'of_another_year', or the file system is damaged: run fsck.ext4 on the host; the kernel's messages are above`,
      )
    })

    it('of another type than said is not mounted', () => {
      const path = disk('vdb', ext4())
      expect(() => mountDisk(path, undefined, '', 'squashfs')).toThrow(
        `mount /dev/vdb on ${here}/data as squashfs: EINVAL (invalid argument): the disk holds ext4, not squashfs`,
      )
      expect(() => mountDisk(path, undefined, '', 'nosuchfs')).toThrow(
        `mount /dev/vdb on ${here}/data as nosuchfs: ENODEV (no such device): this kernel has no nosuchfs`,
      )
    })

    it('that is write-protected is mounted read-only, with a warning', () => {
      for (const system of FILE_SYSTEMS.filter(({ type, writable }) => writable && known.has(type))) {
        const path = disk(`vd${system.type}`, makeImage(system, TREE), { readOnly: true })
        const target = `${here}/${system.type}`
        expect(mountDisk(path, target)).toMatchObject({ type: system.type, readOnly: true })
        expect(mounted(target)?.options).toContain('ro')
        expect(said()).toContain(
          `zmachine: warning: ${path} is write-protected: mounted read-only on ${target}\n`,
        )
      }
    })

    it('that is not formatted is told to be so', () => {
      for (const megabytes of [0, 1]) {
        const path = disk(`vd${megabytes}`, blankImage(megabytes))
        expect(() => mountDisk(path)).toThrow(
          `mount ${path} on ${here}/data: no known file system (ext4, btrfs, xfs, vfat, iso9660, erofs, squashfs); is the disk formatted?`,
        )
      }
    })

    it('whose target is a file is not mounted', () => {
      const path = disk('vdb', ext4())
      writeFileSync(`${here}/file`, 'theirs\n')
      expect(() => mountDisk(path, `${here}/file`)).toThrow(
        `mkdir ${here}/file for /dev/vdb: EEXIST (file exists)`,
      )
    })

    it('mounted where it is already is told to be busy', () => {
      const path = disk('vdb', ext4())
      mountDisk(path)
      expect(() => mountDisk(path)).toThrow(`mount /dev/vdb on ${here}/data as ext4: EBUSY (device or`)
    })
  })

  describe('a disk that is not there', () => {
    it.each(['/dev/vdx', 'LABEL=nowhere', 'UUID=nowhere'])(
      'by %s ends the waiting at the deadline',
      (source) => {
        disk('vdb', ext4())
        disk('vdc', blankImage(1))
        const start = uptime()
        expect(() => mountDisk(source, undefined, '', 'auto', 300)).toThrow(
          `mount ${source} on ${here}/data: no such disk; disks found: /dev/vdb, /dev/vdc`,
        )
        const took = uptime() - start
        expect(took).toBeGreaterThanOrEqual(300)
        expect(took).toBeLessThan(500)
      },
    )

    it('is told at once where the deadline is over, also where there are no disks', () => {
      const start = uptime()
      expect(() => mountDisk('/dev/vdx')).toThrow('no such disk; there are no disks')
      expect(uptime() - start).toBeLessThan(100)
    })

    it('is no file of that name either', () => {
      writeFileSync('/dev/vdfile', '')
      expect(() => mountDisk('/dev/vdfile')).toThrow('no such disk')
    })
  })

  describe('a share', () => {
    const share = (type: string, wait: number): Mounted => {
      mkdirSync(`${here}/share`)
      const what = { source: 'no such tag', target: `${here}/share`, type, flags: 0, data: '' }
      return mountWhenThere(what, uptime() + wait, NO_MODULES)
    }
    const inKernel = (type: string): boolean => mount('no such tag', here, type, 0) !== -ENODEV

    it.each(['virtiofs', '9p'])(
      'by %s is told by its tag, and that the kernel can’t where it can’t',
      (type) => {
        expect(() => share(type, 100)).toThrow(
          inKernel(type)
            ? `mount 'no such tag' on ${here}/share, tried as ${type}: `
            : `mount 'no such tag' on ${here}/share as ${type}: ENODEV (no such device): this kernel has no ${type}`,
        )
      },
    )

    it('of no type is told to be none once all were tried', () => {
      const start = uptime()
      const able = inKernel('virtiofs') || inKernel('9p')
      expect(() => share('auto', 400)).toThrow(
        able
          ? /'no such tag' on .*, tried as virtiofs and 9p: .*no share has this tag/
          : `mount 'no such tag' on ${here}/share as virtiofs: ENODEV (no such device): this kernel has no virtiofs`,
      )
      // There is no use in waiting for a kernel to become able.
      if (!able) expect(uptime() - start).toBeLessThan(300)
    })
  })

  it('a mount is moved with what is mounted in it', () => {
    mountDisk(disk('vdb', ext4()), `${here}/old`)
    mountDisk(disk('vdc', ext4()), `${here}/old/inner`)
    mkdirSync(`${here}/new`)
    must(mount(`${here}/old`, `${here}/new`, '', MS_MOVE), () => 'move')
    expect([readdirSync(`${here}/old`), mounted(`${here}/new/inner`)?.source]).toEqual([[], '/dev/vdc'])
    expect(readFileSync(`${here}/new/inner/hello`, 'latin1')).toBe('hello\n')
  })

  it('a disk is let go when it is unmounted', () => {
    const { path, detach } = attach('vdb', ext4())
    mountDisk(path)
    detach()
    expect(readFileSync(`${here}/data/hello`, 'latin1')).toBe('hello\n')
    const loops = (): string[] =>
      readdirSync('/sys/block').filter((name) => {
        const file = `/sys/block/${name}/loop/backing_file`
        return statSync(file, { throwIfNoEntry: false }) && readFileSync(file, 'latin1').includes(WORK)
      })
    const [used, ...others] = loops()
    expect([used, others]).toEqual([expect.stringMatching(/^loop/), []])
    must(umount(`${here}/data`), () => 'unmount')
    // The kernel clears it in the background.
    const until = uptime() + 2000
    while (loops().length > 0 && uptime() < until);
    expect(loops()).toEqual([])
  })
})
