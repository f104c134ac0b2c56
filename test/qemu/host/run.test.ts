/** `zmachine run` as a process: what goes in, what comes out, and how it ends. */

import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { commandLine } from '../../../src/host/lib/child.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { freePort } from '../../free-port.ts'
import { makeExt4, readExt4, type Tree, writeTree } from '../lib/files.ts'

/** With what Node is to leave alone, as the file's own first line has it. */
const CLI = ['--', fileURLToPath(new URL('../../../src/host/cli/cli.ts', import.meta.url))]

/** Everything of this file is in it, what the command keeps for the user as well. */
const folder = mkdtempSync(join(tmpdir(), 'zrun-'))
const started: ChildProcess[] = []
afterAll(() => {
  // A test that failed may have left one running.
  for (const child of started) if (child.exitCode === null) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
const place = (name: string): string => join(folder, name)
const environment = {
  ...process.env,
  XDG_STATE_HOME: place('state'),
  XDG_CACHE_HOME: place('cache'),
  FROM_HERE: 'of here',
}

const APPLETS =
  'awk cat echo env grep hostname httpd id ip kill ls mkdir mount nc printf pwd sh sleep sort stty touch true'

/** A root with busybox and two users in it. */
function makeRoot(name: string, more: Tree = {}): string {
  const links = APPLETS.split(' ').map((applet) => [`bin/${applet}`, { link: 'busybox' }])
  writeTree(place(name), {
    'bin/busybox': { copy: needProgram('busybox', 'busybox-static') },
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1234:2345::/home/app:/bin/sh\n',
    'etc/group': 'root:x:0:\nstaff:x:50:app\napp:x:2345:\n',
    'srv/index.html': 'from the guest\n',
    ...Object.fromEntries(links),
    ...more,
  })
  return place(name)
}

/** A kernel that gets no time on a busy computer complains of it, however quiet it is. */
const KERNELS = /^\[ *\d+\.\d+\] .*\n/gm

interface Ended {
  /** 128+N for signal N to the command itself. */
  readonly code: number
  readonly out: Buffer
  /** Without the kernel's complaints. */
  readonly text: string
  readonly errors: string
}

interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ended: Promise<Ended>
  /** Both streams, so far. */
  output(): string
  /** Resolves once its output has the text; rejects where it ends without. */
  said(text: string | RegExp): Promise<void>
}

/** Starts the command; what it has said is shown where a test fails. */
function start(...args: readonly string[]): Running {
  return follow(process.execPath, [...CLI, ...args])
}

function follow(program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Running {
  const env = { ...environment, ...more }
  const child = spawn(program, args, { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  started.push(child)
  const chunks: Buffer[] = []
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  child.stdin.on('error', () => {})
  const all = (): string => `${Buffer.concat(chunks)}${errors}`
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    const out = Buffer.concat(chunks)
    last = `$ ${commandLine(program, args)}\n${all()}\n-> ${code ?? signal}`
    return { code: code ?? -1, out, text: out.toString().replaceAll(KERNELS, ''), errors }
  })
  const said = async (text: string | RegExp): Promise<void> => {
    const pattern = typeof text === 'string' ? new RegExp(text) : text
    for (; child.exitCode === null; await sleep(20)) if (pattern.test(all())) return
    if (!pattern.test(all())) throw new Error(`it ended without ${pattern}:\n${all()}`)
  }
  return { child, ended, said, output: all }
}

/** Of the newest run. */
let last = ''

beforeEach(({ onTestFailed }) => onTestFailed(() => console.error(last)))

/** To its end, with nothing on its standard input. */
function zmachine(...args: readonly string[]): Promise<Ended> {
  const { child, ended } = start(...args)
  child.stdin.end()
  return ended
}

/** Runs the command once for all tests of the enclosing `describe`. */
function ran(run: () => Promise<Ended>): () => Ended {
  let result: Ended | undefined
  beforeAll(async () => {
    result = await run()
  })
  return () => {
    if (result === undefined) throw new Error('it did not run')
    return result
  }
}

/** A server that greets whoever comes. */
async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end('from the host\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: portOf(server.address()) }
}

const portOf = (address: AddressInfo | string | null): number =>
  typeof address === 'object' && address !== null ? address.port : 0

const root = makeRoot('root')

describe('what was asked for', () => {
  const SCRIPT = `
    echo "env $A|$FROM_HERE|$FILE|$BOTH|$UNSET"
    echo "host $(hostname)"
    mount -o remount,rw /ro 2>/dev/null
    echo x 2>/dev/null >/ro/new || echo "ro: no"
    echo "ro: $(cat /ro/file)"
    echo written >/rw/new
    echo "data: $(cat /data/file)"
    echo kept >/data/new
    grep -q '^/dev/vdb /scratch ext4 ' /proc/mounts && echo s >/scratch/s && echo "scratch: $(cat /scratch/s)"
    echo "greeting: $(nc -w 5 10.0.2.2 "$1" </dev/null)"
  `
  const log = place('serial.log')

  const result = ran(async () => {
    mkdirSync(place('shared-ro'))
    writeFileSync(place('shared-ro/file'), 'of the share')
    mkdirSync(place('shared-rw'))
    writeFileSync(place('variables'), '# comment\n\nFILE=of the file\r\nBOTH=file\n')
    await makeExt4(place('data.ext4'), { file: 'of the disk' })
    const { server, port } = await listen()
    const options = [
      ...[
        '-e',
        'A=1 2',
        '-e',
        'FROM_HERE',
        '-e',
        'UNSET_HERE',
        '-e',
        'BOTH=option',
        '--env-file',
        'variables',
      ],
      ...['--hostname', 'web', '-v', './shared-ro:/ro:ro', '--volume', `${place('shared-rw')}:/rw`],
      ...['--disk', 'data.ext4:/data', '--disk', 'new:16M:/scratch', '--log', log],
    ]
    try {
      return await zmachine('run', ...options, 'root', '--', 'sh', '-c', SCRIPT, 'sh', String(port))
    } finally {
      server.close()
    }
  })

  test('is there: variables, name, shares, disks, and a way out', () => {
    const { code, text, errors } = result()
    expect(text.trimEnd().split('\n')).toEqual([
      'env 1 2|of here|of the file|option|',
      'host web',
      'ro: no',
      'ro: of the share',
      'data: of the disk',
      'scratch: s',
      'greeting: from the host',
    ])
    expect([code, errors]).toEqual([0, ''])
  })

  test('a share that is read-only is so on this side, whatever the guest does', () => {
    expect(existsSync(place('shared-ro/new'))).toBe(false)
  })

  test('what the container wrote to a share and a disk stays', async () => {
    expect(readFileSync(place('shared-rw/new'), 'utf8')).toBe('written\n')
    expect(await readExt4(place('data.ext4'), '/new')).toBe('kept\n')
  })

  test('--log keeps the console, with what is for programs', () => {
    expect(readFileSync(log, 'utf8')).toMatch(/zmachine: exited code=0 signal=none reason=exit/)
  })

  test('zmachine timeline tells how long the boot took', async () => {
    const { code, text } = await zmachine('timeline')
    expect(code).toBe(0)
    expect(text).toMatch(/kernel, until it runs/)
    expect(text).toMatch(/mount \/dev\/vda on \/data/)
  })
})

describe('--pid1 node', () => {
  const SCRIPT = 'wc -l </proc/1/maps; exit 5'
  const run = (build: string): Promise<Ended> =>
    zmachine('run', '--pid1', build, '--network', 'none', root, '--', 'sh', '-c', SCRIPT)
  const node = ran(() => run('node'))
  const lean = ran(() => run('lean'))

  test('has an executable of Node for PID 1, with all its libraries, and is the same otherwise', () => {
    expect([node().code, lean().code]).toEqual([5, 5])
    expect(Number(lean().text)).toBeLessThan(30)
    expect(Number(node().text)).toBeGreaterThan(50)
  })
})

describe('both protocols', () => {
  const SCRIPT =
    'env | sort; cat /proc/mounts; ip address; ip route; ip -6 route; cat /etc/resolv.conf; id; pwd'
  const both: Ended[] = []

  beforeAll(async () => {
    mkdirSync(place('shared'))
    await makeExt4(place('both.ext4'), {})
    for (const protocol of ['seed', 'cmdline']) {
      const options = [
        ...['--protocol', protocol, '-u', 'app:staff', '-w', '/srv', '-e', 'A=1', '-e', 'B=two words'],
        ...[
          '-v',
          './shared:/shared',
          '--disk',
          'both.ext4:/data',
          '--ip',
          '10.1.2.3/24',
          '--ip',
          'fd00::3/64',
        ],
        ...['--gateway', '10.1.2.9', '--gateway', 'fd00::1', '--dns', '9.9.9.9', '--dns', 'fd00::53'],
      ]
      both.push(await zmachine('run', ...options, 'root', '--', 'sh', '-c', SCRIPT))
    }
  })

  test('give the container the same', () => {
    const [seed, cmdline] = both
    // /run may hold a fifth of the memory, which is a page more or less from boot to boot.
    const told = (ran: (typeof both)[number] | undefined) => ran?.text.replaceAll(/size=\d+k/g, 'size=')
    expect(told(cmdline)).toBe(told(seed))
    expect([seed?.code, cmdline?.code]).toEqual([0, 0])
  })

  test.each([
    /^A=1\nB=two words\nHOME=\/home\/app\nPATH=/,
    /^\/dev\/vda \/data ext4 rw/m,
    /^volume0 \/shared virtiofs rw/m,
    /inet 10\.1\.2\.3\/24 /,
    /inet6 fd00::3\/64 scope global/,
    /^default via 10\.1\.2\.9 dev eth0/m,
    /^default via fd00::1 dev eth0/m,
    /^nameserver 9\.9\.9\.9\nnameserver fd00::53$/m,
    /^uid=1234\(app\) gid=50\(staff\)/m,
    /\n\/srv\n$/,
  ])('%s', (what) => expect(both[0]?.text).toMatch(what))
})

describe('--read-only and --network none', () => {
  const SCRIPT = `
    mount -o remount,rw / 2>/dev/null
    touch /new 2>/dev/null || echo "no"
    ls /sys/class/net
    exit 3
  `
  const result = ran(() =>
    zmachine('run', '--read-only', '--network', 'none', 'root', '--', 'sh', '-c', SCRIPT),
  )

  test('let nothing be written and nobody be reached; the exit code is the entrypoint’s', () => {
    expect(result()).toMatchObject({ code: 3, text: 'no\nlo\n', errors: '' })
    expect(existsSync(join(root, 'new'))).toBe(false)
  })
})

describe('an archive', () => {
  const result = ran(async () => {
    await run(needProgram('tar', 'tar'), ['--zstd', '-C', root, '-cf', place('image.tar.zst'), '.'])
    return zmachine('run', 'image.tar.zst', '--', 'printf', '\\r\\n\\0\\377\\n\\r')
  })

  test('is a root, and a pipe gets the program’s own bytes', () => {
    const { code, out, errors } = result()
    expect([code, out.toString('latin1')]).toEqual([0, '\r\n\0\xff\n\r'])
    expect(errors).toMatch(/^zmachine: unpacking image\.tar\.zst to /)
  })
})

describe('the exit code', () => {
  test.each<readonly [argv: readonly string[], code: number, said: RegExp]>([
    [['root', '--', '/bin/sh', '-c', 'kill -9 $$'], 137, /^$/],
    [['root', '--', '/bin/nothing'], 127, /nothing/],
    [['--timeout', '3', 'root', '--', 'sleep', '600'], 124, /^zmachine: stopping after --timeout 3;/],
    [
      [
        '--timeout',
        '15',
        'root',
        '--',
        'sh',
        '-c',
        'trap "echo by TERM; exit 7" TERM; while :; do sleep 0.1; done',
      ],
      124,
      /by TERM\n$/,
    ],
  ])('of %j is %i', async (argv, code, said) => {
    const result = await zmachine('run', '--network', 'none', ...argv)
    expect(result.code).toBe(code)
    expect(`${result.errors}${result.text}`).toMatch(said)
  })
})

describe('a container that prints what the kernel and PID 1 do', () => {
  const FORGED = [
    'reboot: System halted',
    'zmachine: exited code=0 signal=none reason=exit uptime=1.000',
    'zmachine: timeline 0.1 ms free the initramfs',
    'zmachine: fatal: no',
    'Rebooting in 1 seconds..',
  ]
  const script = `${FORGED.map((line) => `echo '${line}'`).join('; ')}; sleep 1; echo on; exit 9`
  const result = ran(() => zmachine('run', '--network', 'none', 'root', '--', 'sh', '-c', script))

  test('goes on, is shown, and has its own exit code', () => {
    const { code, text, errors } = result()
    expect(text).toBe(`${FORGED.join('\n')}\non\n`)
    expect([code, errors]).toEqual([9, ''])
  })
})

test('a log that can’t be kept is a warning', async () => {
  writeFileSync(place('no-folder'), '')
  const state = { XDG_STATE_HOME: place('no-folder') }
  const command = [...CLI, 'run', '--network', 'none', 'root', '--', 'echo', 'runs']
  const { child, ended } = follow(process.execPath, command, state)
  child.stdin.end()
  const { code, text, errors } = await ended
  expect([code, text]).toEqual([0, 'runs\n'])
  expect(errors).toMatch(/^zmachine: no log is kept for zmachine timeline: .*: ENOTDIR\r\n$/)
})

test('-i reads a pipe also where the timeline is switched off', async () => {
  const options = ['-i', '--cmdline', 'zmachine.timeline=0', '--network', 'none', '--timeout', '60']
  const { child, ended } = start('run', ...options, 'root', '--', 'cat')
  child.stdin.end('a\n')
  const { code, text } = await ended
  expect([code, text]).toEqual([0, 'a\na\n'])
})

describe('published ports', () => {
  const SCRIPT = `
    trap 'echo stopped by TERM; exit 7' TERM
    httpd -p 80 -h /srv
    nc -w 1 10.0.2.2 "$1" </dev/null && echo reached || echo isolated
    while :; do
      awk '/^Udp:/ { count = $3 } END { print count }' /proc/net/snmp >/tmp/udp
      cat /tmp/udp >/srv/udp
      sleep 0.1
    done
  `
  let reached = ''
  let datagrams = 0

  const result = ran(async () => {
    makeRoot('ports', { 'tmp/.keep': '' })
    const [tcp, udp, host] = [await freePort(), await freePort(), await listen()]
    const options = ['--network', 'isolated', '-p', `${tcp}:80`, '-p', `127.0.0.1:${udp}:5353/udp`]
    const running = start('run', ...options, 'ports', '--', 'sh', '-c', SCRIPT, 'sh', String(host.port))
    running.child.stdin.end()
    try {
      reached = await answer(running, `http://127.0.0.1:${tcp}/index.html`, (text) => text !== '')
      const socket = createSocket('udp4')
      // Nobody listens there: what the guest's kernel counts (NoPorts) has arrived.
      const counted = await answer(running, `http://127.0.0.1:${tcp}/udp`, (text) => {
        socket.send('x', udp, '127.0.0.1')
        return Number(text) > 0
      })
      socket.close()
      datagrams = Number(counted)
    } finally {
      running.child.kill('SIGTERM')
      host.server.close()
    }
    return running.ended
  })

  test('are reached from here, by TCP and UDP', () => {
    expect(reached).toBe('from the guest\n')
    expect(datagrams).toBeGreaterThan(0)
  })

  test('are all that an isolated container has', () => expect(result().text).toContain('isolated\n'))

  test('SIGTERM here is TERM there, and the entrypoint’s code comes back', () => {
    expect(result().errors).toMatch(/^zmachine: stopping; a second signal ends it at once\r?\n$/)
    expect(result().text).toMatch(/stopped by TERM\n$/)
    expect(result().code).toBe(7)
  })
})

test('-p with the container’s port alone publishes it on a free one, which is reported', async () => {
  makeRoot('free', { 'tmp/.keep': '' })
  const running = start('run', '-p', '80', 'free', '--', 'httpd', '-f', '-p', '80', '-h', '/srv')
  running.child.stdin.end()
  await running.said(/zmachine: port 80\/tcp is published on 127\.0\.0\.1:\d+\r\n/)
  const [port] = running.output().match(/(?<=127\.0\.0\.1:)\d+/) ?? []
  const reached = await answer(running, `http://127.0.0.1:${port}/index.html`, (text) => text !== '')
  running.child.kill('SIGTERM')
  await running.ended
  expect(reached).toBe('from the guest\n')
})

/** Asks a URL until its answer is good. */
async function answer({ child }: Running, url: string, good: (text: string) => boolean): Promise<string> {
  for (; child.exitCode === null; await sleep(50)) {
    const text = await fetch(url, { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.text(),
      () => '',
    )
    if (good(text)) return text
  }
  return ''
}

test('two signals end it at once, whatever the container does', async () => {
  const script = 'trap "" TERM INT HUP; echo ready; while :; do sleep 1; done'
  const { child, ended, said } = start('run', '--network', 'none', 'root', '--', 'sh', '-c', script)
  await said('ready')
  const begin = Date.now()
  child.kill('SIGINT')
  await said('stopping')
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({
    code: 125,
    errors: expect.stringMatching(/the machine was ended\r?\n$/),
  })
  // PID 1's own patience with the entrypoint is 10 s.
  expect(Date.now() - begin).toBeLessThan(5000)
})

test('-i passes on every byte of a pipe, and its end', async () => {
  const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const input = Buffer.concat([Buffer.from('a\nb\n'), data, Buffer.from('\nc')])
  const script = 'cat >/rw/got; echo "end $?"'
  mkdirSync(place('got'))
  const options = ['-i', '--network', 'none', '-v', 'got:/rw']
  const { child, ended } = start('run', ...options, 'root', '--', 'sh', '-c', script)
  child.stdin.end(input)
  const { code, text } = await ended
  expect(code).toBe(0)
  expect(text).toMatch(/end 0\n$/)
  expect(readFileSync(place('got/got')).equals(input)).toBe(true)
})

test('in a terminal Ctrl-C is the container’s, and Ctrl-] three times leaves it as it was', {
  timeout: 60_000,
}, async () => {
  const script = 'trap "echo caught" INT; stty -a; echo ready; while :; do sleep 1; done'
  const command = commandLine(process.execPath, [
    ...[...CLI, 'run', '--network', 'none', 'root', '--'],
    ...['sh', '-c', script],
  ])
  const inside = `stty -a; ${command}; echo "left with $?"; stty -a`
  const { child, ended, said } = follow(needProgram('script', 'bsdutils'), ['-qec', inside, '/dev/null'])
  // Its own terminal's \r\n gets another \r here.
  await said(/ready\r+\n/)
  child.stdin.write('\x03')
  await said(/caught\r+\n/)
  child.stdin.write('\x1d\x1d\x1d')
  await said('left with')
  child.stdin.end()
  const { text } = await ended
  expect(text).toMatch(/zmachine: the machine was ended\r*\nleft with 125\r\n/)
  const modes = text.match(/speed [\s\S]*?\bechoke\b[^\n]*/g) ?? []
  expect(modes.at(-1)).toBe(modes.at(0))
  expect(modes.at(0)).toMatch(/ icanon .* echo /s)
})

describe('without a boot', () => {
  test('a port in use is one message, with what to do', async () => {
    const { server, port } = await listen()
    const { code, errors } = await zmachine('run', '-p', `${port}:80`, 'root', '--', 'true')
    server.close()
    expect(code).toBe(125)
    expect(errors.split('\n')).toEqual([
      `zmachine: can't publish 127.0.0.1:${port}/tcp: another program uses this port`,
      expect.stringMatching(/^ {2}what to do: -p PORT:80 with another port/),
      '',
    ])
  })

  test.each<readonly [why: string, argv: readonly string[], said: RegExp]>([
    ['nothing to run', ['root'], /nothing to run: [\s\S]*try: zmachine run root -- \/bin\/sh\n$/],
    ['no root', ['nowhere', '--', 'sh'], /the root "nowhere" does not exist/],
    ['no kernel', ['--kernel', 'none', 'root', '--', 'sh'], /--kernel "none" does not exist/],
    ['no initramfs', ['--initramfs', 'none', 'root', '--', 'sh'], /--initramfs "none" does not exist/],
    [
      'no disk',
      ['--disk', 'none:/d', 'root', '--', 'sh'],
      /"none": cannot be opened \(ENOENT\)\n {2}try: make it: truncate/,
    ],
    ['no directory', ['-v', 'none:/d', 'root', '--', 'sh'], /none does not exist\n {2}try: mkdir none\n/],
    [
      'no file of variables',
      ['--env-file', 'none', 'root', '--', 'sh'],
      /--env-file "none": cannot be read \(ENOENT\)/,
    ],
    ['no key', ['--ssh-key', 'none', 'root', '--', 'sh'], /neither a public key nor a file of public keys/],
  ])('%s is an error with code 2', async (_, argv, said) => {
    const { code, errors, text } = await zmachine('run', ...argv)
    expect([code, text]).toEqual([2, ''])
    expect(errors).toMatch(said)
  })

  test('a bad --env-file is an error with its line', async () => {
    writeFileSync(place('bad'), 'A=1\nexport B=2\n')
    const { code, errors } = await zmachine('run', '--env-file', 'bad', 'root', '--', 'true')
    expect([code, errors.split('\n')[0]]).toEqual([
      2,
      `zmachine: --env-file bad:2: "export B=2": a variable's name can't contain white space`,
    ])
  })
})

describe('--print', () => {
  test('runs nothing, and its script does', async () => {
    const options = ['-e', 'A=from the seed', '--disk', 'new:16M:/data', '--network', 'none']
    const script = 'echo "$A"; grep -o "/data ext4" /proc/mounts; touch /printed'
    const { code, text } = await zmachine('run', '--print', ...options, 'root', '--', 'sh', '-c', script)
    expect(code).toBe(0)
    expect(text).toMatch(/^# seed\/zosrc\n# {3}export A='from the seed'\n/m)
    expect(existsSync(join(root, 'printed'))).toBe(false)
    const { child, ended } = follow('sh', ['-c', text])
    child.stdin.end()
    expect((await ended).text).toMatch(/from the seed\r\n\/data ext4\r\n/)
    expect(existsSync(join(root, 'printed'))).toBe(true)
  })
})
