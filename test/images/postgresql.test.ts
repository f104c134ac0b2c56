/** Data on a disk outlives a stop by the power button: PostgreSQL itself says whether it was one. */

import { createHash } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { unpackRoot, userOf } from './debian.ts'
import { SERVERS } from './roots.ts'
import { describeAsRoot, start } from './zmachine.ts'

const ROWS = 5000
const rows = Array.from({ length: ROWS }, (_, at) => `${at}\t${(at * 7919) % ROWS}`)

/** The server in the foreground, as in images that people run, and a client that waits for it. */
const SCRIPT = `#!/bin/sh -e
export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) PGHOST=/tmp PGDATA=$PWD/data
client() {
  until pg_isready --quiet; do sleep 0.2; done
  psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --file "$1" postgres && echo "client: done"
}
test -e "$PGDATA" || initdb --auth trust --no-sync
client "/$1.sql" &
exec postgres -k /tmp
`

const LOAD = `CREATE TABLE numbers (at integer PRIMARY KEY, value integer NOT NULL);
COPY numbers FROM STDIN;
${rows.join('\n')}
\\.
`

const READ = `SELECT 'rows: ' || md5(string_agg(at || E'\\t' || value, E'\\n' ORDER BY at)) FROM numbers;
`

const SUM = createHash('md5').update(rows.join('\n')).digest('hex')

/** What PostgreSQL says where it was not shut down. */
const RECOVERED = /was not properly shut down; automatic recovery in progress/

describeAsRoot('PostgreSQL on an ext4 disk', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  const disk = join(folder, 'data.ext4')
  const boot = (task: string) =>
    start(
      folder,
      ...[
        '-m',
        '512M',
        '--disk',
        `${disk}:/var/lib/postgresql`,
        '-u',
        'postgres',
        '-w',
        '/var/lib/postgresql',
      ],
      ...[root, '--', '/bin/sh', '/start', task],
    )

  beforeAll(async () => {
    await unpackRoot(SERVERS, root)
    writeFileSync(join(root, 'start'), SCRIPT)
    writeFileSync(join(root, 'load.sql'), LOAD)
    writeFileSync(join(root, 'read.sql'), READ)
    const { uid, gid } = userOf(root, 'postgres')
    writeFileSync(disk, '')
    truncateSync(disk, 512 << 20)
    await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-E', `root_owner=${uid}:${gid}`, disk])
  })

  test('is initialised and loaded, and the power button shuts it down', async () => {
    const machine = boot('load')
    await machine.waitFor(/client: done/)
    machine.stop()
    const { code, output } = await machine.ended
    expect(output).toMatch(/received smart shutdown request.*database system is shut down/s)
    expect(code).toBe(0)
  })

  test('has its rows at the next boot, and had nothing to recover', async () => {
    const machine = boot('read')
    await machine.waitFor(/client: done/)
    machine.kill()
    const { output } = await machine.ended
    expect(output).toContain('database system was shut down at')
    expect(output).not.toMatch(RECOVERED)
    expect(output).toContain(`rows: ${SUM}`)
  })

  test('recovers from a machine that was killed', async () => {
    const machine = boot('read')
    await machine.waitFor(/client: done/)
    machine.stop()
    const { code, output } = await machine.ended
    expect(output).toMatch(RECOVERED)
    expect(output).toContain(`rows: ${SUM}`)
    expect(code).toBe(0)
  })
})
