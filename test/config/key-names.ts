/** The names of all keys that the kernel command line may have, as the documentation has them. */

import { OWN_KEYS } from '../../src/config/keys.ts'

export const KEY_NAMES: readonly string[] = [
  ...['root', 'rootfstype', 'rootflags', 'ro', 'rw', 'rootdelay', 'rootwait', 'init', 'host'],
  ...['net_r4', 'net_r6', 'net_dns', 'net_ethX', 'vdX', 'qsfs_TAG'],
  ...OWN_KEYS.map((name) => `zmachine.${name}`),
  'zmachine.env.KEY',
]
