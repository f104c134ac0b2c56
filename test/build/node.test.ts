import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'

const SCRIPT = join(import.meta.dirname, '../../build/node.sh')
const folder = temporaryFolder()
const bin = join(folder, 'bin')
const node = join(folder, 'node_modules/.bin/node')
const marker = join(folder, 'installed')

/** As the loader says it; once the library is installed, the stub says what it was called with. */
const LACKS_A_LIBRARY = `if [ -e ${marker} ]; then echo "ran $*"; exit; fi
echo 'node: error while loading shared libraries: libatomic.so.1: cannot open shared object file' >&2
exit 127`

function program(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

function start(): { readonly status: number | null; readonly out: string } {
  const env = { PATH: `${bin}:/usr/bin:/bin` }
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, 'file.ts', '--flag'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  return { status, out: stdout + stderr }
}

beforeEach(() => {
  for (const path of [bin, join(folder, 'node_modules'), marker])
    rmSync(path, { recursive: true, force: true })
  mkdirSync(bin)
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true })
  program(node, LACKS_A_LIBRARY)
  program(join(bin, 'apt-get'), `[ "$2" = update ] || echo "$*" > ${marker}`)
  program(join(bin, 'sudo'), 'exit 1')
  program(join(bin, 'id'), 'echo 1000')
})

describe('build/node.sh', () => {
  test('runs a Node that starts', () => {
    writeFileSync(marker, '')
    expect(start()).toEqual({ status: 0, out: 'ran file.ts --flag\n' })
  })

  test('says that npm ci is missing', () => {
    rmSync(node)
    const { status, out } = start()
    expect(status).toBe(1)
    expect(out).toContain('npm ci')
  })

  test('installs the library as root, then runs Node', () => {
    program(join(bin, 'id'), 'echo 0')
    const { status, out } = start()
    expect(out).toBe('  installing by apt-get: libatomic1\nran file.ts --flag\n')
    expect(status).toBe(0)
    expect(readFileSync(marker, 'utf8')).toBe('-q install --yes --no-install-recommends libatomic1\n')
  })

  test('installs it by a sudo that asks for no password', () => {
    program(join(bin, 'sudo'), 'shift; exec "$@"')
    expect(start().out).toContain('ran file.ts --flag')
  })

  test('says what to install where it may not', () => {
    const { status, out } = start()
    expect(status).toBe(1)
    expect(out).toContain('apt-get install --no-install-recommends libatomic1')
  })

  test('shows what apt-get said when it failed', () => {
    program(join(bin, 'id'), 'echo 0')
    program(join(bin, 'apt-get'), 'echo no such host; exit 100')
    const { status, out } = start()
    expect(status).toBe(1)
    expect(out).toContain('no such host')
  })

  test('shows any other reason why Node does not start', () => {
    program(node, 'echo "Illegal instruction" >&2; exit 132')
    const { status, out } = start()
    expect(status).toBe(1)
    expect(out).toContain('Illegal instruction')
  })
})
