/** Checks the running kernel's configuration: everything that we configured, and everything that containers need. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { CONFIG } from '../../../build/kernel/kernel.ts'
import { readConfig, readGroups, unmet } from '../../../build/kernel/kernel-config.ts'
import { booted } from '../lib/boot.ts'
import { shell } from '../lib/host-programs.ts'

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/** https://github.com/moby/moby/blob/00148c88eaeb/contrib/check-config.sh, for Linux 6.12 with cgroup v2 */
const DOCKER: Readonly<Record<string, readonly string[]>> = {
  'Generally Necessary': words(`
    NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CGROUPS CGROUP_SCHED KEYS VETH BRIDGE BRIDGE_NETFILTER
    IP_NF_FILTER IP_NF_MANGLE IP_NF_TARGET_MASQUERADE IP6_NF_FILTER IP6_NF_MANGLE IP6_NF_TARGET_MASQUERADE
    NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_IPVS NETFILTER_XT_MARK
    IP_NF_RAW IP_NF_NAT NF_NAT IP6_NF_RAW IP6_NF_NAT POSIX_MQUEUE CGROUP_BPF`),
  'Optional Features': words(`
    USER_NS SECCOMP SECCOMP_FILTER MEMCG_SWAP BLK_CGROUP BLK_DEV_THROTTLING CGROUP_PERF NET_CLS_CGROUP
    CGROUP_NET_PRIO CFS_BANDWIDTH FAIR_GROUP_SCHED IP_NF_TARGET_REDIRECT IP_VS IP_VS_NFCT IP_VS_PROTO_TCP
    IP_VS_PROTO_UDP IP_VS_RR SECURITY_SELINUX SECURITY_APPARMOR EXT4_USE_FOR_EXT2 EXT4_FS EXT4_FS_POSIX_ACL
    EXT4_FS_SECURITY`),
  // For cgroup v1 only, but they cost nothing.
  'cgroup v1': words('CGROUP_FREEZER CGROUP_DEVICE CPUSETS CGROUP_CPUACCT MEMCG CGROUP_PIDS CGROUP_HUGETLB'),
  'Network Drivers': words(`
    VXLAN BRIDGE_VLAN_FILTERING CRYPTO CRYPTO_AEAD CRYPTO_GCM CRYPTO_SEQIV CRYPTO_GHASH XFRM XFRM_USER XFRM_ALGO
    INET_ESP NETFILTER_XT_MATCH_BPF IPVLAN MACVLAN DUMMY NF_NAT_FTP NF_CONNTRACK_FTP NF_NAT_TFTP NF_CONNTRACK_TFTP`),
  'Storage Drivers': words('BTRFS_FS BTRFS_FS_POSIX_ACL OVERLAY_FS'),
}

/** https://github.com/k3s-io/k3s/blob/06441e848938/contrib/util/check-config.sh, what it asks for beyond Docker's */
const K3S: Readonly<Record<string, readonly string[]>> = {
  'Generally Necessary': words(`
    CGROUP_PIDS CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER CPUSETS MEMCG IP_NF_TARGET_REJECT
    NETFILTER_XT_MATCH_COMMENT NETFILTER_XT_MATCH_MULTIPORT NETFILTER_XT_MATCH_STATISTIC`),
  'Optional Features': words('CGROUP_HUGETLB RT_GROUP_SCHED IP_SET'),
  'Network Drivers': words('INET_XFRM_MODE_TRANSPORT'),
}

/** What the scripts ask for and our kernel leaves out. A reason that no longer holds fails below. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  MEMCG_SWAP: 'gone since Linux 6.1, whose MEMCG counts swap without it',
  INET_XFRM_MODE_TRANSPORT: 'gone since Linux 5.4, where XFRM has every mode',
  SECURITY_SELINUX: 'a container loads no policy for its own kernel; Landlock and seccomp need none',
  SECURITY_APPARMOR: 'a container loads no profiles for its own kernel; Landlock and seccomp need none',
  RT_GROUP_SCHED: 'a process in a cgroup without a budget of its own could not become a realtime one',
}

/** cgroup v2's controllers (Documentation/admin-guide/cgroup-v2.rst); systemd, Docker and k3s ask for the first five. */
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids', 'hugetlb', 'rdma', 'misc']

const COPY = `#!/bin/sh
set -e
cp /proc/config.gz /config.gz
cp /proc/sys/kernel/keys/root_maxkeys /root_maxkeys
mount | grep -q ' on /sys/fs/cgroup type cgroup2' || mount -t cgroup2 cgroup2 /sys/fs/cgroup
cat /sys/fs/cgroup/cgroup.controllers >/controllers
`

describe('the running kernel', () => {
  const boot = booted({ init: '/copy', files: { ...shell(), copy: { text: COPY, mode: 0o755 } } })
  const config = (): string => gunzipSync(readFileSync(join(boot().root, 'config.gz'))).toString()
  const missing = (wanted: Readonly<Record<string, readonly string[]>>, group: string): string[] => {
    const settings = readConfig(config())
    return (wanted[group] ?? []).filter((name) => !settings.has(`CONFIG_${name}`))
  }
  const leftOut = (name: string): boolean => name in LEFT_OUT

  test('has every line of initramfs/kernel.config', () => {
    expect(boot().container?.code).toBe(0)
    expect(unmet(readGroups(readFileSync(CONFIG, 'utf8')), config())).toEqual([])
  })

  test.each(Object.keys(DOCKER))('has what Docker asks for: %s', (group) => {
    expect(missing(DOCKER, group).filter((name) => !leftOut(name))).toEqual([])
  })

  test.each(Object.keys(K3S))('has what k3s asks for: %s', (group) => {
    expect(missing(K3S, group).filter((name) => !leftOut(name))).toEqual([])
  })

  test.each(Object.keys(LEFT_OUT))('is without %s, which one of them asks for', (name) => {
    expect([...Object.values(DOCKER), ...Object.values(K3S)].flat()).toContain(name)
    expect(readConfig(config()).has(`CONFIG_${name}`)).toBe(false)
  })

  test('has no module, and nothing to load one', () => {
    expect(readConfig(config()).has('CONFIG_MODULES')).toBe(false)
    expect([...readConfig(config())].filter(([, value]) => value === 'm')).toEqual([])
  })

  // Each container holds one; at the 200 of old kernels the next one would not start (moby/moby#22865).
  test('lets root have more keys than containers ever need', () => {
    expect(Number(boot().file('root_maxkeys'))).toBeGreaterThan(10_000)
  })

  test('has every controller of cgroup v2', () => {
    expect(words(boot().file('controllers') ?? '').toSorted()).toEqual(expect.arrayContaining(CONTROLLERS))
  })

  // Docker's script again: with LEGACY_VSYSCALL_NONE, programs linked to a glibc before 2.14 end by SEGV.
  test('emulates vsyscalls', () => {
    expect(readConfig(config()).get('CONFIG_LEGACY_VSYSCALL_XONLY')).toBe('y')
    expect(readConfig(config()).has('CONFIG_LEGACY_VSYSCALL_NONE')).toBe(false)
  })
})
