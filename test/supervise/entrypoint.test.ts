/** On real files, through the Node host: what is asked is what stat, readlink and read say. */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { shebang } from '../../src/lib/executable.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { resolveEntrypoint, wantsPid1 } from '../../src/supervise/entrypoint.ts'
import { explainExec } from '../../src/supervise/explain.ts'
import { useRuntime } from '../../src/sys/linux.ts'
import { utf8 } from '../bytes.ts'

let root: string
const at = (path: string): string => join(root, path)

function file(path: string, content: string | Uint8Array, mode = 0o755): string {
  mkdirSync(dirname(at(path)), { recursive: true })
  writeFileSync(at(path), content)
  chmodSync(at(path), mode)
  return at(path)
}

function link(path: string, target: string): string {
  mkdirSync(dirname(at(path)), { recursive: true })
  symlinkSync(target, at(path))
  return at(path)
}

beforeAll(() => {
  useRuntime(nodeRuntime)
  root = mkdtempSync(join(tmpdir(), 'entrypoint-'))
  for (const path of ['bin/app', 'sbin/app', 'sbin/other', 'srv/run.sh', 'srv/bin/local'])
    file(path, '#!/bin/sh\n')
  file('bin/plain', 'no program', 0o644)
  file('bin/hidden', '#!/bin/sh\n', 0o644)
  file('sbin/hidden', '#!/bin/sh\n')
  mkdirSync(at('bin/folder'))
  link('bin/absolute', at('bin/app'))
  link('bin/relative', '../sbin/other')
  link('bin/dangling', '/nowhere/at/all')
  link('bin/loop', 'loop')
})

afterAll(() => rmSync(root, { recursive: true }))

describe('resolveEntrypoint', () => {
  const PATH = (): string => `${at('none')}:${at('bin')}:${at('sbin')}`
  const resolve = (init: string, cwd = '/', path = PATH()) => resolveEntrypoint(init, cwd, path)

  it('finds an absolute path', () => {
    expect(resolve(at('bin/app'))).toEqual({ path: at('bin/app') })
  })

  it('finds a relative path from the working directory', () => {
    expect(resolve('run.sh', at('srv'), '')).toEqual({ path: at('srv/run.sh') })
    expect(resolve('./run.sh', at('srv'))).toEqual({ path: `${at('srv')}/./run.sh` })
    expect(resolve('bin/local', at('srv'))).toEqual({ path: at('srv/bin/local') })
    expect(resolve(at('bin/app').slice(1))).toEqual({ path: at('bin/app') })
  })

  it('finds a bare name in the first directory of PATH that has it', () => {
    expect(resolve('app')).toEqual({ path: at('bin/app') })
    expect(resolve('other')).toEqual({ path: at('sbin/other') })
  })

  it('passes over a file in PATH that can’t be executed, as execvp does', () => {
    expect(resolve('hidden')).toEqual({ path: at('sbin/hidden') })
    expect(resolve('plain')).toMatchObject({ code: 126 })
  })

  it('takes PATH’s empty and relative entries from the working directory', () => {
    expect(resolve('run.sh', at('srv'), `${at('bin')}:`)).toEqual({ path: at('srv/run.sh') })
    expect(resolve('local', at('srv'), 'bin')).toEqual({ path: at('srv/bin/local') })
  })

  it('finds what a symlink leads to, absolute or relative', () => {
    expect(resolve(at('bin/absolute'))).toEqual({ path: at('bin/absolute') })
    expect(resolve('relative')).toEqual({ path: at('bin/relative') })
  })

  test.each([
    ['bin/none', 127, 'ENOENT'],
    ['bin/dangling', 127, "symlink to '/nowhere/at/all'"],
    ['bin/loop', 127, 'ELOOP'],
    ['bin/app/x', 127, 'ENOTDIR'],
    ['bin/folder', 126, 'is a directory'],
    ['bin/plain', 126, 'chmod +x'],
  ])('says of %s: %d, %s', (path, code, why) => {
    expect(resolve(at(path))).toEqual({ code, message: expect.stringContaining(why) })
    expect(resolve(at(path))).toMatchObject({ message: expect.stringContaining(at(path)) })
  })

  it('says of a device that it is not a regular file', () => {
    expect(resolve('/dev/null')).toEqual({
      code: 126,
      message: expect.stringContaining('not a regular file'),
    })
  })

  it('names PATH where a bare name is nowhere', () => {
    expect(resolve('nothing-such', '/', '/a:/b')).toEqual({
      code: 127,
      message: expect.stringMatching(/'nothing-such'.*\/a:\/b/),
    })
  })

  it('takes file names as bytes', () => {
    file('bin/voilà', '#!/bin/sh\n')
    expect(resolve(utf8('voilà'))).toEqual({ path: utf8(at('bin/voilà')) })
  })
})

/** An ELF header of 64 bits for a machine, and nothing behind it. */
function elf(machine: number): Uint8Array {
  const header = new Uint8Array(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header[18] = machine
  return header
}

describe('explainExec', () => {
  test.each([
    ['an interpreter that is not there', '#!/nowhere/sh -e\n', 'ENOENT', "'/nowhere/sh'"],
    ['an interpreter with a carriage return', '#!/bin/sh\r\n', 'ENOENT', "'/bin/sh\\x0d'"],
    ['an empty file', '', 'ENOEXEC', 'empty'],
    ['text without #!', 'echo hello\n', 'ENOEXEC', 'neither an ELF binary nor a script'],
    ['a binary for arm64', elf(183), 'ENOEXEC', 'arm64'],
    ['a binary for i386', elf(3), 'ENOEXEC', 'i386'],
    ['a cut binary', elf(62), 'ENOEXEC', 'not a valid ELF'],
  ] as const)('says why of %s', (_, content, errno, why) => {
    const path = file('bin/refused', content)
    const { code, message } = explainExec(path, -constants.errno[errno])
    expect(code).toBe(126)
    expect(message).toContain(why)
    expect(message).toContain(path)
  })

  it('names the dynamic loader that is not there', () => {
    const binary = readFileSync('/bin/true')
    const loader = binary.indexOf('/lib64/ld-linux-x86-64.so.2')
    expect(loader).toBeGreaterThan(0)
    binary.write('/lib64/no-linux-x86-64.so.2', loader)
    expect(explainExec(file('bin/refused', binary), -constants.errno.ENOENT)).toEqual({
      code: 126,
      message: expect.stringContaining("'/lib64/no-linux-x86-64.so.2'"),
    })
  })

  test.each([
    ['EACCES', 126],
    ['E2BIG', 126],
    ['ETXTBSY', 126],
    ['EPERM', 126],
    ['EIO', 126],
    ['ENOMEM', 126],
  ] as const)('names %s', (name, code) => {
    const path = file('bin/refused', '#!/bin/sh\n')
    expect(explainExec(path, -constants.errno[name])).toEqual({
      code,
      message: expect.stringContaining(name),
    })
  })

  it('a file that is gone is not found', () => {
    expect(explainExec(at('bin/gone'), -constants.errno.ENOENT)).toMatchObject({ code: 127 })
  })

  it('never throws, whatever the file’s first bytes', () => {
    const head = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ minLength: 60, maxLength: 4096 }).map((rest) => Uint8Array.from([...elf(62), ...rest])),
      fc.uint8Array({ maxLength: 400 }).map((rest) => Uint8Array.from([0x23, 0x21, ...rest])),
    )
    fc.assert(
      fc.property(head, fc.integer({ min: 1, max: 133 }), (bytes, errno) => {
        const path = file('bin/garbage', bytes)
        expect([126, 127]).toContain(explainExec(path, -errno).code)
      }),
      { numRuns: 200 },
    )
  })
})

describe('shebang', () => {
  const read = (text: string) => shebang(new Uint8Array(Buffer.from(text, 'latin1')))

  test.each([
    ['#!/bin/sh\n', '/bin/sh'],
    ['#! \t/bin/sh -e\n', '/bin/sh'],
    ['#!/usr/bin/env\tnode', '/usr/bin/env'],
    ['#!/bin/sh', '/bin/sh'],
    [utf8('#!/opt/voilà\n'), utf8('/opt/voilà')],
    // The kernel knows no carriage return: it is part of the name, and the usual reason for ENOENT.
    ['#!/bin/sh\r\n', '/bin/sh\r'],
    ['#!\n/bin/sh', undefined],
    ['#!', undefined],
    ['#/bin/sh', undefined],
    ['', undefined],
  ])('of %j is %j', (text, interpreter) => {
    expect(read(text)).toBe(interpreter)
  })
})

describe('wantsPid1', () => {
  const S6_OVERLAY_3 = `#!/bin/sh -e\n${'# It finds its own programs first.\n'.repeat(24)}exec s6-overlay-suexec "$@"\n`

  it('does as zmachine.mode says', () => {
    expect(wantsPid1('exec', '/bin/sh', [])).toBe(true)
    expect(wantsPid1('supervise', '/sbin/init', [])).toBe(false)
  })

  it('hands over to /sbin/init, whatever it is', () => {
    expect(wantsPid1('auto', '/sbin/init', [])).toBe(true)
    expect(wantsPid1('auto', '/usr/sbin/init', [])).toBe(true)
  })

  test.each([
    'systemd',
    'openrc-init',
    'runit',
    'runit-init',
    's6-svscan',
    's6-linux-init',
    'dinit',
    'finit',
  ])('hands over to %s, and to a chain of links to it', (name) => {
    const path = file(`inits/${name}`, '')
    symlinkSync(path, at(`inits/${name}-first`))
    symlinkSync(`${name}-first`, at(`inits/${name}-second`))
    expect(wantsPid1('auto', path, [])).toBe(true)
    expect(wantsPid1('auto', at(`inits/${name}-second`), [])).toBe(true)
  })

  it('hands over to zinit only when it is to be init', () => {
    const zinit = file('inits/zinit', '')
    expect(wantsPid1('auto', zinit, ['init'])).toBe(true)
    expect(wantsPid1('auto', zinit, [])).toBe(false)
    expect(wantsPid1('auto', zinit, ['list'])).toBe(false)
  })

  test.each([
    ['s6-overlay 2', '#!/usr/bin/execlineb -S0\n', true],
    ['s6-overlay 3', S6_OVERLAY_3, true],
    ['somebody’s own', '#!/bin/sh\nexec /app\n', false],
    ['a binary', elf(62), false],
  ])('hands over to /init of %s: %3$s', (_, content, handOver) => {
    // There is no other root here than the machine's own: /init is looked up in `root`.
    useRuntime({
      ...nodeRuntime,
      syscall: (number, ...args) =>
        nodeRuntime.syscall(number, ...args.map((arg) => (arg === '/init' ? at('init') : arg))),
    })
    file('init', content)
    expect(wantsPid1('auto', '/init', [])).toBe(handOver)
    useRuntime(nodeRuntime)
  })

  it.each(['bin/app', 'srv/run.sh', 'bin/init', 'opt/systemd-helper'])('keeps PID 1 from %s', (path) => {
    expect(wantsPid1('auto', file(path, '#!/bin/sh\n'), ['init'])).toBe(false)
  })

  it('survives a link that leads to itself', () => {
    expect(wantsPid1('auto', at('bin/loop'), [])).toBe(false)
  })
})
