/** What tests add to Debian's system: a unit that tells what it finds and switches off. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeTree } from '../qemu/lib/files.ts'
import { WRITE_MARKER } from './marker.ts'

/**
 * The last of the boot's own jobs is over when it runs: it is ordered behind its target. Oneshot, so that systemd waits
 * for its words. `failed` has systemd's own list of what failed.
 */
const UNIT = `[Unit]
Description=Tells what became of the boot, and switches off
After=multi-user.target cloud-init.target cloud-final.service

[Service]
Type=oneshot
ExecStart=/usr/local/bin/marker
ExecStart=/bin/systemctl poweroff --no-block

[Install]
WantedBy=multi-user.target
`

const SCRIPT = `#!/bin/sh
${WRITE_MARKER}systemctl list-units --state=failed --plain --no-legend > /failed
`

/** Jobs of Debian's that have nothing to do in a machine of a minute, and cost a good part of it under TCG. */
const IDLE = ['apt-daily.timer', 'apt-daily-upgrade.timer', 'e2scrub_reap.service', 'e2scrub_all.timer']

export function addMarkerUnit(root: string): void {
  writeTree(root, {
    'etc/systemd/system/marker.service': UNIT,
    'etc/systemd/system/multi-user.target.wants/marker.service': { link: '../marker.service' },
    'usr/local/bin/marker': { text: SCRIPT, mode: 0o755 },
    ...Object.fromEntries(IDLE.map((unit) => [`etc/systemd/system/${unit}`, { link: '/dev/null' }] as const)),
  })
}

/** The units that failed, by systemd's words. */
export const failedUnits = (root: string): readonly string[] =>
  readFileSync(join(root, 'failed'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
