/** A root that carries our kernel and PID 1: put there by `zmachine adopt`, booted as a zos host boots it. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { PRODUCTS } from '../../../build/paths.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { type Tree, writeTree } from '../lib/files.ts'

const CLI = ['--', fileURLToPath(new URL('../../../src/host/cli/cli.ts', import.meta.url))]

const folder = mkdtempSync(join(tmpdir(), 'zadopt-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly text: string
  readonly errors: string
}

function zmachine(...args: readonly string[]): Ended {
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_CACHE_HOME: join(folder, 'cache') }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...CLI, ...args], {
    cwd: folder,
    env,
    input: '',
  })
  return { code: status, text: stdout.toString().replaceAll('\r', ''), errors: stderr.toString() }
}

const SHOW = `#!/bin/sh
i=0
for argument in "$@"; do i=$((i + 1)); echo "argument $i: $argument"; done
echo "greeting: $GREETING"
echo "kernel: $(uname -r)"
echo "init: $(grep -o 'init=.*' /proc/cmdline)"
exit 7
`

/** With busybox and a program that shows what it was given. */
function makeRoot(name: string, more: Tree = {}): string {
  const links = 'sh echo uname grep'.split(' ').map((applet) => [`bin/${applet}`, { link: 'busybox' }])
  const place = join(folder, name)
  writeTree(place, {
    'bin/busybox': { copy: needProgram('busybox', 'busybox-static') },
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
    app: { text: SHOW, mode: 0o755 },
    ...Object.fromEntries(links),
    ...more,
  })
  return place
}

const root = makeRoot('root')
const NO_NETWORK = ['--network', 'none', '--timeout', '120'] as const

describe('zmachine adopt', () => {
  test('puts the package’s files there, and says what to do next', () => {
    const { code, text, errors } = zmachine('adopt', 'root')
    expect([code, errors]).toEqual([0, ''])
    expect(text).toMatch(/^root carries zmachine-init \d\S* with Linux 6\.\S+-zmachine now\n/)
    expect(text).toMatch(/\/boot\/vmlinuz +\d+ MB {2}the kernel\n/)
    expect(text).toMatch(/^ {2}tar -C root -czf image\.tar\.gz \. +packs it/m)
    expect(readFileSync(join(root, 'boot/vmlinuz')).equals(readFileSync(PRODUCTS.flist.kernel))).toBe(true)
    expect(readFileSync(join(root, 'boot/initrd.img')).equals(readFileSync(PRODUCTS.flist.initramfs))).toBe(
      true,
    )
  })

  test('again, nothing happens', () => {
    const { code, text } = zmachine('adopt', '--format', 'json', 'root')
    expect(code).toBe(0)
    expect(JSON.parse(text)).toMatchObject({
      action: 'unchanged',
      adopted: { version: expect.stringMatching(/^\d/), kernel: expect.stringMatching(/-zmachine$/) },
      files: [
        { path: '/boot/vmlinuz', bytes: readFileSync(PRODUCTS.flist.kernel).length },
        { path: '/boot/initrd.img' },
      ],
    })
  })

  test('inspect says that the kernel is ours, and which version', () => {
    expect(zmachine('inspect', 'root').text).toMatch(
      /kind +container with its own kernel, which is ours \(zmachine-init \d\S* with Linux 6\.\S+-zmachine\)\n/,
    )
    expect(JSON.parse(zmachine('inspect', '--json', 'root').text)).toMatchObject({
      kind: 'kernel',
      adopted: { kernel: expect.stringMatching(/-zmachine$/) },
    })
  })
})

describe('such a root boots as on a zos host', () => {
  test('with arguments, which are stray words on the kernel command line', () => {
    const words = ['/app', '-v', 'two words', 'host=no', '--', 'root=none', "it's"]
    const { code, text } = zmachine(
      'run',
      ...NO_NETWORK,
      '-e',
      'GREETING=hello',
      '-e',
      'ZMACHINE_ON_EXIT=poweroff',
      'root',
      '--',
      ...words,
    )
    expect(text).toContain('argument 1: -v\nargument 2: two words\nargument 3: host=no\nargument 4: --\n')
    expect(text).toContain("argument 5: root=none\nargument 6: it's\ngreeting: hello\n")
    expect(text).toMatch(/^kernel: .*-zmachine$/m)
    expect(text).toMatch(/^init: init=\/app -v 'two words' host=no -- root=none /m)
    expect(code).toBe(7)
  })

  test('without arguments', () => {
    const { code, text } = zmachine('run', ...NO_NETWORK, 'root', '--', '/app')
    expect(text).toMatch(/zmachine: .*\n(?:.*\n)*greeting: \nkernel: .*\ninit: init=\/app\n/)
    expect(text).not.toContain('argument 1')
    expect(code).toBe(7)
  })

  test('with no entrypoint but that of /.startup.toml, which a host loses and PID 1 reads', () => {
    makeRoot('startup', {
      '.startup.toml':
        '[startup.entry]\nname = "core.system"\nargs = { name = "/app", args = ["of the", "root"], env = { GREETING = "toml" } }\n',
    })
    expect(zmachine('adopt', 'startup').code).toBe(0)
    const { code, text } = zmachine('run', ...NO_NETWORK, 'startup')
    expect(text).toContain('argument 1: of the\nargument 2: root\ngreeting: toml\n')
    expect(text).toMatch(/^init: $/m)
    expect(code).toBe(7)
  })
})

test('--remove takes them away, and the root is a container again', () => {
  const { code, text } = zmachine('adopt', '--remove', 'root')
  expect([code, text.split('\n')[0]]).toEqual([0, 'removed /boot/vmlinuz'])
  expect(existsSync(join(root, 'boot'))).toBe(false)
  expect(JSON.parse(zmachine('inspect', '--json', 'root').text)).toMatchObject({
    kind: 'container',
    adopted: null,
  })
})
