/** An overlay whose upper layer is in the virtiofs root, as Docker's overlay2 has it, and what the host sees of it. */

import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { bootContainer, booted } from '../lib/boot.ts'
import { writeTree } from '../lib/files.ts'
import { hostPrograms, shellChecks, WENT_WELL } from '../lib/host-programs.ts'

const MOUNT =
  'mount -t overlay -o lowerdir=/layers/lower,upperdir=/layers/upper,workdir=/layers/work overlay /mnt'

/** Without a user namespace, where the file's identifier differs: cap_net_bind_service, permitted and effective (capability.h). */
const CAPABILITY = '0x0100000200040000000000000000000000000000'

const checks = shellChecks({
  changes: `
if test ! -e /layers/upper; then
  mkdir -p /layers/upper /layers/work
  ${MOUNT}
  echo upper >>/mnt/changed
  rm /mnt/removed
  mv /mnt/old /mnt/new
  mv /mnt/directory /mnt/moved
  rm -r /mnt/opaque
  mkdir /mnt/opaque
  chown -h 5:6 /mnt/link
  mknod /mnt/null c 1 3
  umount /mnt
fi`,
  'the merged view': `
${MOUNT}
test "$(echo $(cat /mnt/changed))" = 'lower upper'
test "$(echo $(ls /mnt))" = 'changed link moved new null opaque'
test "$(cat /mnt/new)" = old
test "$(cat /mnt/moved/inside)" = inside
test "$(ls /mnt/opaque)" = ''
test "$(stat -c %u:%g /mnt/link)" = 5:6
test "$(readlink /mnt/link)" = changed
echo discarded >/mnt/null
umount /mnt`,
  'the layers': `
test "$(cat /layers/lower/changed)" = lower
test "$(cat /layers/lower/removed)" = removed
test "$(stat -c %F:%t:%T /layers/upper/removed)" = 'character special file:0:0'
test "$(stat -c %F:%t:%T /layers/upper/old)" = 'character special file:0:0'
/host/getfattr -n trusted.overlay.opaque /layers/upper/opaque | grep '="y"'
! /host/getfattr -n trusted.overlay.origin /layers/upper/new`,
  'trusted attributes': `
touch /file
/host/setfattr -n trusted.name -v value /file
/host/getfattr -d -m - /file | grep '^trusted.name="value"$'
/host/setfattr -x trusted.name /file
! /host/getfattr -n trusted.name /file
/host/setfattr -n trusted.name -v value /file`,
  'other attributes': `
/host/getfattr -n user.host /from-host | grep '="visible"'
/host/getfattr -e hex -n security.capability /from-host | grep ${CAPABILITY}
/host/setfattr -n user.guest -v value /file
/host/setfattr -n security.capability -v ${CAPABILITY} /file
/host/getfattr -d -m - -e hex /file | grep ^security.capability=${CAPABILITY}
echo written >>/from-host
! /host/getfattr -n security.capability /from-host`,
  'what the server keeps for itself': '! /host/setfattr -n user.virtiofs.trusted.name -v forged /file',
})

const isRoot = process.getuid?.() === 0

/** OVERLAYFS_SUPER_MAGIC (linux/magic.h). An overlay can't hold another one's upper layer. */
const onOverlay = statfsSync(tmpdir()).type === 0x794c7630

/** Only the host's root may give a file capabilities. */
describe.runIf(isRoot && !onOverlay)('an overlay in a virtiofs root', () => {
  let first: Record<string, string> = {}
  const boot = booted(async (folder) => {
    const root = join(folder, 'root')
    mkdirSync(root)
    writeTree(root, {
      ...checks.files,
      ...(await hostPrograms({ setfattr: 'attr', getfattr: 'attr' })),
      'layers/lower/changed': 'lower\n',
      'layers/lower/removed': 'removed\n',
      'layers/lower/old': 'old\n',
      'layers/lower/directory/inside': 'inside\n',
      'layers/lower/opaque/hidden': 'hidden\n',
      'layers/lower/link': { link: 'changed' },
      'mnt/': { directory: true },
    })
    await setFromHost(join(root, 'from-host'))
    const earlier = await bootContainer(folder, { init: '/checks/run' })
    first = Object.fromEntries(checks.names.map((name) => [name, checks.outcome(earlier, name)]))
    await setFromHost(join(root, 'from-host'))
    return { init: '/checks/run' }
  })

  test.each(checks.names)('%s, in the first boot', (name) => {
    boot()
    expect(first[name]).toMatch(WENT_WELL)
  })

  test.each(checks.names)('%s, in the next boot', (name) =>
    expect(checks.outcome(boot(), name)).toMatch(WENT_WELL),
  )

  test('the host has them under its own names', async () => {
    const dump = ['-d', '-m', '-', '--absolute-names', join(boot().root, 'file')]
    const attributes = (await run(needProgram('getfattr', 'attr'), dump)).toString()
    expect(attributes).toContain('user.virtiofs.trusted.name="value"\n')
    expect(attributes).toContain('user.guest="value"\n')
    expect(attributes).toMatch(/^security\.capability=/m)
    expect(attributes).not.toMatch(/^trusted\./m)
  })
})

async function setFromHost(file: string): Promise<void> {
  const setfattr = needProgram('setfattr', 'attr')
  writeFileSync(file, 'text')
  await run(setfattr, ['-n', 'user.host', '-v', 'visible', file])
  await run(setfattr, ['-n', 'security.capability', '-v', CAPABILITY, file])
}
