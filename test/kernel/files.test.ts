/** Files and directories as `run/files.ts` makes them, in a mount namespace of its own: read-only roots, full disks. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeDirectories, readText } from '../../src/boot/io/files.ts'
import { newBoot, runSteps } from '../../src/boot/run-steps.ts'
import { updateFile } from '../../src/boot/steps/file.ts'
import { DEFAULT_SETTINGS } from '../../src/config/merge.ts'
import { MS_RDONLY, MS_REMOUNT } from '../../src/lib/mount-flags.ts'
import { EEXIST, ELOOP, ENOENT, ENOTDIR, EROFS, must } from '../../src/sys/errno.ts'
import { currentRuntime, mount, SYS_fsync, SYS_renameat, SYS_write, useRuntime } from '../../src/sys/linux.ts'
import { enterMountNamespace } from './namespace.ts'

const MIB = 1 << 20

let here: string
let tests = 0

beforeAll(() => {
  enterMountNamespace()
  process.umask(0o022)
})

beforeEach(() => {
  here = `/run/test-${++tests}`
  mkdirSync(here)
})

const modeOf = (path: string): number => statSync(path).mode & 0o7777
const read = (path: string): string => readFileSync(path, 'latin1')
const update = (path: string, text: string, mode?: number): string => updateFile(path, text, mode)

function freshTmpfs(path: string, data: string): void {
  mkdirSync(path)
  must(mount('tmpfs', path, 'tmpfs', 0, data), () => `mount tmpfs on ${path}`)
}

/** What a file system holds, with that file system made read-only afterwards. */
function readOnly(fill: (path: string) => void): string {
  const path = `${here}/read-only`
  freshTmpfs(path, 'mode=0755')
  fill(path)
  must(mount('', path, '', MS_REMOUNT | MS_RDONLY), () => `remount ${path} read-only`)
  return path
}

describe('updateFile', () => {
  it('writes a new file with its mode, and nothing else', () => {
    expect(update(`${here}/hosts`, 'one\n')).toBe('written')
    expect(update(`${here}/keys`, 'two\n', 0o600)).toBe('written')
    expect([modeOf(`${here}/hosts`), modeOf(`${here}/keys`)]).toEqual([0o644, 0o600])
    expect(readdirSync(here)).toEqual(['hosts', 'keys'])
  })

  it('makes the directory that is not there, with the mode asked for', () => {
    expect(updateFile(`${here}/root/.ssh/keys`, 'key\n', 0o600, 0o700)).toBe('written')
    expect([modeOf(`${here}/root`), modeOf(`${here}/root/.ssh`)]).toEqual([0o755, 0o700])
  })

  it('keeps bytes as they are', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')
    update(`${here}/bytes`, bytes)
    expect(read(`${here}/bytes`)).toBe(bytes)
    expect(update(`${here}/bytes`, bytes)).toBe('unchanged')
  })

  it('gives render the present text', () => {
    writeFileSync(`${here}/hosts`, 'one\n')
    const seen: (string | undefined)[] = []
    for (const name of ['hosts', 'none']) {
      updateFile(`${here}/${name}`, (present) => {
        seen.push(present)
        return `${present}two\n`
      })
    }
    expect(seen).toEqual(['one\n', undefined])
    expect(read(`${here}/hosts`)).toBe('one\ntwo\n')
  })

  it('leaves a file alone that has the text already', () => {
    const path = `${here}/hosts`
    update(path, 'same\n')
    const before = statSync(path, { bigint: true })
    expect(update(path, 'same\n')).toBe('unchanged')
    const after = statSync(path, { bigint: true })
    expect([after.ino, after.mtimeNs, after.ctimeNs]).toEqual([before.ino, before.mtimeNs, before.ctimeNs])
  })

  it('corrects the mode of a file that has the text', () => {
    const path = `${here}/keys`
    update(path, 'key\n', 0o600)
    chmodSync(path, 0o666)
    expect(update(path, 'key\n', 0o600)).toBe('written')
    expect(modeOf(path)).toBe(0o600)
  })

  it('puts another file in the place: who has the old one open reads it to its end', () => {
    const path = `${here}/hosts`
    const old = 'old\n'.repeat(5000)
    update(path, old)
    const before = statSync(path).ino
    const fd = openSync(path, 'r')
    const buffer = Buffer.alloc(old.length + 1)
    const half = readSync(fd, buffer, 0, 10_000, null)
    expect(update(path, 'new\n')).toBe('written')
    const rest = readSync(fd, buffer, half, buffer.length - half, null)
    closeSync(fd)
    expect(buffer.toString('latin1', 0, half + rest)).toBe(old)
    expect(statSync(path).ino).not.toBe(before)
    expect(readdirSync(here)).toEqual(['hosts'])
  })

  it('is never seen half written, or missing, by a program that reads all the time', async () => {
    const path = `${here}/hosts`
    const texts = ['a'.repeat(100_000), 'b'.repeat(50_000)]
    update(path, texts[0] ?? '')
    const reader = `
      const fs = require('node:fs')
      const seen = new Set()
      fs.writeFileSync('${here}/ready', '')
      while (!fs.existsSync('${here}/stop')) {
        const text = fs.readFileSync('${path}', 'latin1')
        seen.add(text.replaceAll(text[0], '') === '' ? text[0] + text.length : 'torn')
      }
      console.log([...seen].sort().join(' '))`
    const child = spawn(process.execPath, ['-e', reader], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    const closed = once(child, 'close')
    const until = Date.now() + 10_000
    while (!existsSync(`${here}/ready`) && Date.now() < until) execFileSync('sleep', ['0.02'])
    for (let i = 0; i < 1000; i++) update(path, texts[i % 2] ?? '')
    writeFileSync(`${here}/stop`, '')
    expect(await closed).toEqual([0, null])
    expect(output).toBe('a100000 b50000\n')
  })

  it('replaces a symlink that leads elsewhere, and what it leads to stays', () => {
    const path = `${here}/resolv.conf`
    writeFileSync(`${here}/elsewhere`, 'theirs\n')
    symlinkSync('elsewhere', path)
    expect(update(path, 'ours\n')).toBe('written')
    expect(() => readlinkSync(path)).toThrow('EINVAL')
    expect([read(path), read(`${here}/elsewhere`)]).toEqual(['ours\n', 'theirs\n'])
  })

  it('replaces a symlink even where it leads to the very text', () => {
    const path = `${here}/resolv.conf`
    writeFileSync(`${here}/elsewhere`, 'same\n')
    symlinkSync('elsewhere', path)
    expect(update(path, 'same\n')).toBe('written')
    expect(() => readlinkSync(path)).toThrow('EINVAL')
  })

  it.each(['/run/nowhere/at-all', 'resolv.conf', '/dev/zero'])('replaces a symlink to %s', (target) => {
    const path = `${here}/resolv.conf`
    symlinkSync(target, path)
    expect(update(path, 'ours\n')).toBe('written')
    expect([read(path), existsSync('/run/nowhere')]).toEqual(['ours\n', false])
  })

  it('says so where a directory is in the place, and leaves nothing behind', () => {
    mkdirSync(`${here}/hosts`)
    expect(() => update(`${here}/hosts`, 'text\n')).toThrow(`write ${here}/hosts: EISDIR (is a directory)`)
    expect(readdirSync(here)).toEqual(['hosts'])
  })

  it('says so where its directory is a file', () => {
    writeFileSync(`${here}/etc`, '')
    expect(() => update(`${here}/etc/hosts`, 'text\n')).toThrow(
      `write ${here}/etc/hosts: ENOTDIR (not a directory)`,
    )
  })

  it('is not held up by a FIFO in the place, and replaces it', () => {
    for (const text of ['text\n', '']) {
      const path = `${here}/fifo${text.length}`
      execFileSync('mkfifo', ['-m', '0644', path])
      expect(update(path, text)).toBe('written')
      expect(statSync(path).isFile()).toBe(true)
    }
  })

  it('leaves a file of a gigabyte alone where its content would be kept, and replaces it elsewhere', () => {
    const path = `${here}/huge`
    writeFileSync(path, '')
    truncateSync(path, 1024 * MIB)
    expect(() => updateFile(path, (present) => `${present}more\n`)).toThrow(
      `read ${path}: EINVAL (invalid argument): it is left unchanged`,
    )
    expect(statSync(path).size).toBe(1024 * MIB)
    expect([updateFile(path, 'small\n'), read(path)]).toEqual(['written', 'small\n'])
  })

  it('gets over what a boot that was cut off left behind', () => {
    const path = `${here}/hosts`
    writeFileSync(`${path}.zmachine`, 'half of a much longer te', { mode: 0o666 })
    expect(update(path, 'text\n')).toBe('written')
    expect([read(path), modeOf(path), readdirSync(here)]).toEqual(['text\n', 0o644, ['hosts']])
  })

  it('does not write through a symlink that was laid beside', () => {
    writeFileSync(`${here}/elsewhere`, 'theirs\n')
    symlinkSync('elsewhere', `${here}/hosts.zmachine`)
    expect(update(`${here}/hosts`, 'ours\n')).toBe('written')
    expect(read(`${here}/elsewhere`)).toBe('theirs\n')
    expect(readdirSync(here)).toEqual(['elsewhere', 'hosts'])
  })

  describe('where lines of the present file are kept', () => {
    /** The calls that put a file in its place, in their order. */
    function callsOf(action: () => void): string[] {
      const names = new Map([
        [SYS_write, 'write'],
        [SYS_fsync, 'fsync'],
        [SYS_renameat, 'rename'],
      ])
      const made: string[] = []
      const before = currentRuntime()
      useRuntime({
        ...before,
        syscall(number, ...args) {
          const name = names.get(number)
          if (name !== undefined) made.push(name)
          return before.syscall(number, ...args)
        },
      })
      action()
      useRuntime(before)
      return made
    }

    it('has them on the disk before the name leads to them: a host may pull the plug', () => {
      const path = `${here}/hosts`
      writeFileSync(path, 'theirs\n')
      const made = callsOf(() => updateFile(path, (present) => `${present}ours\n`))
      expect(made).toEqual(['write', 'fsync', 'rename'])
    })

    it('waits for no disk where there is nothing to keep', () => {
      writeFileSync(`${here}/hosts`, 'old\n')
      expect(callsOf(() => updateFile(`${here}/hosts`, 'new\n'))).toEqual(['write', 'rename'])
      expect(callsOf(() => updateFile(`${here}/keys`, () => 'first\n'))).toEqual(['write', 'rename'])
    })
  })

  it('keeps the old file where the new one does not fit on the disk', () => {
    const full = `${here}/full`
    freshTmpfs(full, 'size=8k')
    update(`${full}/hosts`, 'old\n')
    expect(() => update(`${full}/hosts`, 'x'.repeat(10_000))).toThrow(`write ${full}/hosts: ENOSPC (no space`)
    expect([read(`${full}/hosts`), readdirSync(full)]).toEqual(['old\n', ['hosts']])
  })

  describe('on a read-only file system', () => {
    it('binds the text over the file, from /run', () => {
      const root = readOnly((path) => writeFileSync(`${path}/bound`, 'old\n'))
      expect(update(`${root}/bound`, 'new\n', 0o600)).toBe('bound')
      expect([read(`${root}/bound`), modeOf(`${root}/bound`)]).toEqual(['new\n', 0o600])
      expect(read('/run/zmachine/bound')).toBe('new\n')
    })

    it('does so once for a text, and again for another', () => {
      const root = readOnly((path) => writeFileSync(`${path}/again`, 'old\n'))
      const done = ['one\n', 'one\n', 'two\n'].map((text) => [
        update(`${root}/again`, text),
        read(`${root}/again`),
      ])
      expect(done).toEqual([
        ['bound', 'one\n'],
        ['unchanged', 'one\n'],
        ['bound', 'two\n'],
      ])
    })

    it('leaves a file alone that has the text already', () => {
      const root = readOnly((path) => writeFileSync(`${path}/same`, 'same\n'))
      expect(update(`${root}/same`, 'same\n')).toBe('unchanged')
      expect(existsSync('/run/zmachine/same')).toBe(false)
    })

    it('tells two files of one name apart', () => {
      const root = readOnly((path) => {
        for (const folder of ['a', 'b']) {
          mkdirSync(`${path}/${folder}`)
          writeFileSync(`${path}/${folder}/twin`, '')
        }
      })
      for (const folder of ['a', 'b']) update(`${root}/${folder}/twin`, `of ${folder}\n`)
      expect([read(`${root}/a/twin`), read(`${root}/b/twin`)]).toEqual(['of a\n', 'of b\n'])
    })

    it('says so where there is no file to bind over', () => {
      const root = readOnly(() => {})
      expect(() => update(`${root}/none`, 'new\n')).toThrow(
        `bind-mount /run/zmachine/none on ${root}/none: ENOENT (no such file or directory)`,
      )
    })
  })
})

it('a file of the plan is written with its mode, in a folder of the mode that it asks for', () => {
  const path = `${here}/root/.ssh/authorized_keys`
  const step = {
    kind: 'file',
    path,
    purpose: () => 'keys',
    content: 'key\n',
    mode: 0o600,
    directoryMode: 0o700,
  } as const
  runSteps([step], { ...newBoot(), settings: { ...DEFAULT_SETTINGS, strict: true } })
  expect([modeOf(path), modeOf(`${here}/root/.ssh`), read(path)]).toEqual([0o600, 0o700, 'key\n'])
})

describe('makeDirectories', () => {
  const isDirectory = (path: string): boolean => statSync(path).isDirectory()

  it('makes the parents too; the mode is of the last', () => {
    expect(makeDirectories(`${here}/a/b/c`, 0o700)).toBe(0)
    expect(['a', 'a/b', 'a/b/c'].map((path) => modeOf(`${here}/${path}`))).toEqual([0o755, 0o755, 0o700])
  })

  it('is content with what is there, and keeps its mode', () => {
    mkdirSync(`${here}/a`, { mode: 0o711 })
    expect([makeDirectories(`${here}/a`), makeDirectories(`${here}/a/`), makeDirectories('/')]).toEqual([
      0, 0, 0,
    ])
    expect(modeOf(`${here}/a`)).toBe(0o711)
  })

  it('goes through symlinks to directories', () => {
    mkdirSync(`${here}/real`)
    symlinkSync('real', `${here}/link`)
    expect([makeDirectories(`${here}/link`), makeDirectories(`${here}/link/below`)]).toEqual([0, 0])
    expect(isDirectory(`${here}/real/below`)).toBe(true)
  })

  it.each(['absolute', 'relative', 'upward', 'chained'])(
    'makes what a dangling symlink leads to (%s)',
    (kind) => {
      mkdirSync(`${here}/sub`)
      const targets = {
        absolute: `${here}/to/be/made`,
        relative: '../to/be/made',
        upward: `../../${basename(here)}/to/be/made`,
        chained: 'second',
      }
      symlinkSync('../to/be/made', `${here}/sub/second`)
      symlinkSync(Object.entries(targets).find(([name]) => name === kind)?.[1] ?? '', `${here}/sub/link`)
      expect(makeDirectories(`${here}/sub/link`)).toBe(0)
      expect(makeDirectories(`${here}/sub/link/below`)).toBe(0)
      expect(isDirectory(`${here}/to/be/made/below`)).toBe(true)
    },
  )

  it('makes what a dangling symlink on the way leads to', () => {
    symlinkSync('made', `${here}/link`)
    expect(makeDirectories(`${here}/link/a/b`)).toBe(0)
    expect(isDirectory(`${here}/made/a/b`)).toBe(true)
  })

  it('fails where a file is in the way, or in the place', () => {
    writeFileSync(`${here}/file`, 'theirs\n')
    symlinkSync('file', `${here}/link`)
    const results = ['file', 'link', 'file/below', 'link/a/b'].map((path) =>
      makeDirectories(`${here}/${path}`),
    )
    expect(results).toEqual([-EEXIST, -EEXIST, -ENOTDIR, -ENOTDIR])
    expect(read(`${here}/file`)).toBe('theirs\n')
  })

  it.each(['itself', 'itself/below'])('ends with ELOOP at a symlink to %s', (target) => {
    symlinkSync(target, `${here}/itself`)
    expect(makeDirectories(`${here}/itself`)).toBe(-ELOOP)
    expect(makeDirectories(`${here}/itself/a/b`)).toBe(-ELOOP)
  })

  it('says ENOENT where nothing can be made, as in /proc', () => {
    expect(makeDirectories('/proc/nowhere')).toBe(-ENOENT)
    expect(makeDirectories('/proc/nowhere/below')).toBe(-ENOENT)
  })

  it('does not mind slashes', () => {
    expect(makeDirectories(`${here}//a//b/`)).toBe(0)
    expect(isDirectory(`${here}/a/b`)).toBe(true)
  })

  it('ends with ELOOP at two symlinks that lead to one another', () => {
    symlinkSync('pong', `${here}/ping`)
    symlinkSync('ping', `${here}/pong`)
    expect(makeDirectories(`${here}/ping`)).toBe(-ELOOP)
  })

  it('on a read-only file system finds what is there, and says EROFS for the rest', () => {
    const root = readOnly((path) => {
      mkdirSync(`${path}/there`)
      symlinkSync('there', `${path}/link`)
      symlinkSync('none', `${path}/dangling`)
    })
    const results = ['there', 'link', 'none', 'there/none/below', 'dangling'].map((path) =>
      makeDirectories(`${root}/${path}`),
    )
    expect(results).toEqual([0, 0, -EROFS, -EROFS, -EROFS])
  })
})

describe('readText', () => {
  it('reads files of /proc, which tell no size', () => {
    expect(readText('/proc/version')).toBe(read('/proc/version'))
  })

  it('reads one megabyte, and nothing of what is larger', () => {
    const path = `${here}/file`
    writeFileSync(path, 'x'.repeat(MIB))
    expect(readText(path)).toHaveLength(MIB)
    writeFileSync(path, 'x'.repeat(MIB + 1))
    expect(readText(path)).toBeUndefined()
  })

  it.each(['/run', '/dev/zero', '/run/nowhere', '/proc/self/mem'])('gives nothing for %s', (path) => {
    expect(readText(path)).toBeUndefined()
  })

  it('does not wait for a FIFO’s writer, nor for its text', () => {
    const path = `${here}/fifo`
    execFileSync('mkfifo', [path])
    expect(readText(path)).toBe('')
    const writer = openSync(path, 'r+')
    expect(readText(path)).toBeUndefined()
    closeSync(writer)
  })
})
