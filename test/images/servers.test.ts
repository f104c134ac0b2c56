/** Servers as Debian packages them, run as a container's entrypoint, and their clients on this computer. */

import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { freePort } from '../free-port.ts'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { unpackRoot } from './debian.ts'
import { SERVERS } from './roots.ts'
import { describeAsRoot, start } from './zmachine.ts'

describeAsRoot('servers', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  beforeAll(() => unpackRoot(SERVERS, root))

  test('nginx serves its page on a published port, and the power button ends it with 0', async () => {
    const port = await freePort()
    const machine = start(folder, '-p', `${port}:80`, root, '--', 'nginx', '-g', 'daemon off;')
    const page = await machine.eventually(() => fetch(`http://127.0.0.1:${port}/`))
    expect(page.headers.get('server')).toMatch(/^nginx/)
    expect(await page.text()).toContain('<h1>Welcome to nginx!</h1>')
    machine.stop()
    expect(await machine.ended).toMatchObject({
      code: 0,
      errors: expect.stringMatching(/^zmachine: stopping/),
    })
  })

  test('Redis answers its benchmark, and saves and exits with 0 at the power button', async () => {
    const port = await freePort()
    const benchmark = needProgram('redis-benchmark', 'redis-tools')
    const server = ['redis-server', '--protected-mode', 'no', '--dir', '/var/lib/redis', '--save', '60', '1']
    const machine = start(folder, '-p', `${port}:6379`, root, '--', ...server)
    await machine.waitFor(/Ready to accept connections/)
    const args = ['-h', '127.0.0.1', '-p', String(port), '-n', '2000', '-c', '10', '-t', 'set,lpush', '--csv']
    const measured = (await run(benchmark, args)).toString()
    expect(measured).toMatch(/^"SET","\d/m)
    expect(measured).toMatch(/^"LPUSH","\d/m)
    machine.stop()
    const { code, output } = await machine.ended
    expect(output).toContain('DB saved on disk')
    expect(code).toBe(0)
    expect(readFileSync(join(root, 'var/lib/redis/dump.rdb'), 'latin1')).toMatch(/^REDIS/)
  })

  test('sshd takes the key of --ssh-key, with host keys that PID 1 made', async () => {
    const key = join(folder, 'key')
    await run(needProgram('ssh-keygen', 'openssh-client'), ['-q', '-t', 'ed25519', '-N', '', '-f', key])
    removeHostKeys(root)
    const port = await freePort()
    // Its folder is in /run, and so of this boot only: Debian's unit for sshd makes it, too.
    const sshd = 'mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e'
    const published = ['-p', `${port}:22`, '--ssh-key', `${key}.pub`]
    const machine = start(folder, ...published, root, '--', 'sh', '-c', sshd)
    await machine.waitFor(/Server listening on 0\.0\.0\.0/)
    const known = join(folder, 'known_hosts')
    writeFileSync(known, hostKeys(root, `[127.0.0.1]:${port}`))
    const options = [
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${known}`,
      'IdentitiesOnly=yes',
      'BatchMode=yes',
    ]
    const ssh = ['-F', 'none', '-i', key, '-p', String(port), ...options.flatMap((option) => ['-o', option])]
    const said = await run(needProgram('ssh', 'openssh-client'), [
      ...ssh,
      'root@127.0.0.1',
      'id -un; uname -r',
    ])
    expect(said.toString()).toMatch(/^root\n\d+\.\d+\.\d+-zmachine\n$/)
    machine.stop()
    // sshd(8) knows no success at a signal.
    expect((await machine.ended).output).toContain('Received signal 15; terminating.')
  })

  test('Python finds the environment that was given and nothing else, and talks over a socket', async () => {
    const port = await freePort()
    const program = [
      'import json, os, socket, sys',
      'server = socket.create_server(("", 4000))',
      'print("listening", flush=True)',
      'peer, address = server.accept()',
      'name = peer.makefile("r").readline().strip()',
      'peer.sendall(json.dumps({"name": name, "environment": dict(os.environ)}).encode())',
      'peer.shutdown(socket.SHUT_WR)',
      'peer.recv(1)',
      'sys.exit(7)',
    ]
    const given = ['-e', 'GREETING=grüß dich, "Welt"', '-e', 'EMPTY=', '-p', `${port}:4000`]
    const machine = start(folder, ...given, root, '--', 'python3', '-c', program.join('\n'))
    await machine.waitFor(/listening/)
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('Ada\n')
    expect(JSON.parse(await text(socket))).toEqual({
      name: 'Ada',
      environment: {
        EMPTY: '',
        GREETING: 'grüß dich, "Welt"',
        HOME: '/root',
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        TERM: 'linux',
        // Python's own: https://peps.python.org/pep-0538/
        LC_CTYPE: 'C.UTF-8',
      },
    })
    expect((await machine.ended).code).toBe(7)
  })
})

/** Debian's package made some already; an image that many machines are made of must have none. */
function removeHostKeys(root: string): void {
  for (const name of readdirSync(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) rmSync(join(root, 'etc/ssh', name))
  }
}

/** A known_hosts file (sshd(8)) with the keys that are in the root now. */
const hostKeys = (root: string, host: string): string =>
  readdirSync(join(root, 'etc/ssh'))
    .filter((name) => /^ssh_host_.*\.pub$/.test(name))
    .map((name) => `${host} ${readFileSync(join(root, 'etc/ssh', name), 'utf8')}`)
    .join('')
