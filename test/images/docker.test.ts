/**
 * Docker inside: it picks overlay2 by itself, builds an image of two layers without a registry, and runs it, on a disk
 * and on the virtiofs root.
 */

import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../build/command.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { temporaryFolder } from '../host/plan/plan-helpers.ts'
import { unpackRoot } from './debian.ts'
import { DOCKER } from './roots.ts'
import { describeAsRoot, start } from './zmachine.ts'

const DOCKERFILE = `FROM base
RUN echo one >/one && rm /removed && mv /bin/renamed /bin/new-name
COPY two /two
CMD ["sh", "-c", "echo $(cat /one /two) $(ls /removed 2>&1) $(ls /bin)"]
`

const DAEMON = `#!/bin/sh
dockerd >/dockerd.log 2>&1 &
until docker version >/dev/null 2>&1; do
  kill -0 $! || exit 1
  sleep 0.3
done
set -e`

/**
 * The base is busybox and two more files. The last container listens on a port that Docker publishes, within a memory
 * limit: bridge, address translation and cgroups.
 */
const SCRIPT = `${DAEMON}
docker info --format 'driver: {{.Driver}}'
rm -rf /base
mkdir -p /base/bin /context
cp /bin/busybox /base/bin
for name in sh cat echo ls mv rm httpd; do ln -s busybox /base/bin/$name; done
touch /base/removed /base/bin/renamed
tar -C /base -c . | docker import - base
cp /Dockerfile /context
echo two >/context/two
docker build --network none -t layers /context
docker run --rm layers
docker run -d -p 127.0.0.1:8080:80 --memory 64m layers httpd -f -p 80 -h /
echo "published: $(busybox wget -qO- http://127.0.0.1:8080/two)"
`

const NEXT = `${DAEMON}
docker run --rm --network none layers
`

/** What the image's command prints. */
const RAN =
  /^one two ls: \/removed: No such file or directory busybox cat echo httpd ls mv new-name rm sh\r?$/m

describeAsRoot('Docker', () => {
  const folder = temporaryFolder()
  const root = join(folder, 'root')
  const disk = join(folder, 'docker.ext4')

  beforeAll(async () => {
    await unpackRoot(DOCKER, root)
    writeFileSync(join(root, 'Dockerfile'), DOCKERFILE)
    writeFileSync(join(root, 'start'), SCRIPT)
    writeFileSync(join(root, 'next'), NEXT)
    writeFileSync(disk, '')
    truncateSync(disk, 512 << 20)
    await run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', disk])
  })

  /** Beyond the usual limit: on a busy computer each takes two minutes and more, most of it for dockerd's own start. */
  const docker = (...args: readonly string[]) =>
    start(folder, '-m', '512M', '--timeout', '280', ...args).ended

  const runsOn = async (...storage: readonly string[]): Promise<void> => {
    const { code, output } = await docker(...storage, root, '--', '/bin/sh', '/start')
    expect(output).toContain('driver: overlay2')
    expect(output).toContain('Successfully tagged layers')
    expect(output).toMatch(RAN)
    expect(output).toContain('published: two')
    expect(code).toBe(0)
  }

  test('builds and runs an image of two layers on the virtiofs root', () => runsOn())

  if (process.env['ZMACHINE_DOCKER'] !== 'all') return

  test('has the image in the next boot', async () => {
    const { code, output } = await docker(root, '--', '/bin/sh', '/next')
    expect(output).toMatch(RAN)
    expect(code).toBe(0)
  })

  test('builds and runs one on a disk', () => runsOn('--disk', `${disk}:/var/lib/docker`))
})
