/** The roots of the tests: few, since each takes a minute to make. */

import type { Recipe } from './debian.ts'

/** Servers as they are in images that people run. */
export const SERVERS: Recipe = {
  name: 'servers',
  packages: ['nginx-light', 'postgresql', 'redis-server', 'openssh-server', 'python3'],
}

/** Inits. runit-init is /sbin/init; the others are there for a test to put in its place. */
export const INITS: Recipe = { name: 'inits', packages: ['runit-init', 'finit', 's6'] }

/** System V's init with OpenRC behind it: what Debian's package of OpenRC is made for. */
export const OPENRC: Recipe = { name: 'openrc', packages: ['sysvinit-core', 'openrc'] }

/**
 * A whole system with a kernel, as for a machine of its own. The files are what Debian needs beside its packages to
 * boot as a zos host boots a root with a kernel: the driver of the root's file system in the initramfs, and the links
 * to the newest kernel in /boot (kernel-img.conf(5)) instead of in /.
 */
export const SYSTEM: Recipe = {
  name: 'system',
  packages: [
    ...['systemd-sysv', 'udev', 'dbus', 'openssh-server', 'cloud-init'],
    ...['linux-image-cloud-amd64', 'initramfs-tools', 'systemd-boot-efi'],
  ],
  files: { '/etc/initramfs-tools/modules': 'virtiofs\n', '/etc/kernel-img.conf': 'link_in_boot = yes\n' },
}

/** Docker's engine; from Debian 13 on its client is a package of its own, which apt's pattern takes where there is one. */
export const DOCKER: Recipe = {
  name: 'docker',
  packages: ['docker.io', '?exact-name(docker-cli)', 'iptables', 'busybox-static'],
}

export const RECIPES: readonly Recipe[] = [SERVERS, INITS, OPENRC, SYSTEM, DOCKER]
