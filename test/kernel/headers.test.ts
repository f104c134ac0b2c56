/** Every number and layout that we wrote down, against the C headers: a compiled program says what they are. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import * as dhcpRequests from '../../src/dhcp/requests.ts'
import * as dhcpSocket from '../../src/dhcp/socket.ts'
import type { Bytes } from '../../src/lib/bytes.ts'
import * as fileMode from '../../src/lib/file-mode.ts'
import * as mountFlags from '../../src/lib/mount-flags.ts'
import * as acknowledgement from '../../src/netlink/acknowledgement.ts'
import * as address from '../../src/netlink/address.ts'
import * as link from '../../src/netlink/link.ts'
import * as message from '../../src/netlink/message.ts'
import * as route from '../../src/netlink/route.ts'
import * as netlinkSocket from '../../src/netlink/socket.ts'
import * as uevent from '../../src/netlink/uevent.ts'
import * as errno from '../../src/sys/errno.ts'
import * as flags from '../../src/sys/flags.ts'
import * as linux from '../../src/sys/linux.ts'
import { poll, readDirectory, stat, uptime, useRuntime, wait4 } from '../../src/sys/linux.ts'
import type { Argument, Memory, Runtime, Words } from '../../src/sys/port.ts'
import { bytesOf, hexOf } from '../netlink/hex.ts'
import * as lists from '../netlink/lists.ts'

const HEADERS = [
  'dirent.h',
  'errno.h',
  'fcntl.h',
  'poll.h',
  'sched.h',
  'signal.h',
  'stddef.h',
  'stdio.h',
  'string.h',
  'sys/ioctl.h',
  'sys/mount.h',
  'sys/resource.h',
  'sys/socket.h',
  'sys/stat.h',
  'sys/statfs.h',
  'sys/syscall.h',
  'sys/timerfd.h',
  'sys/wait.h',
  'time.h',
  'netinet/in.h',
  'linux/btrfs.h',
  'linux/filter.h',
  'linux/if.h',
  'linux/if_addr.h',
  'linux/if_ether.h',
  'linux/if_link.h',
  'linux/if_packet.h',
  'linux/input.h',
  'linux/ip.h',
  'linux/magic.h',
  'linux/netlink.h',
  'linux/openat2.h',
  'linux/reboot.h',
  'linux/rtnetlink.h',
]

/** Names of ours that are not C's, as C says them. */
const SPELLED: Record<string, string> = {
  EVIOCGBIT_EV_KEY: 'EVIOCGBIT(EV_KEY, 96)',
  // fs/ext4/ext4.h and xfs_fs.h are not among the kernel's own headers of Debian 12.
  EXT4_IOC_RESIZE_FS: "_IOW('f', 16, __u64)",
  XFS_IOC_FSGROWFSDATA: "_IOW('X', 110, struct { __u64 newblocks; __u32 imaxpct; })",
  FAMILY_HEADER: 'NLMSG_HDRLEN / 4',
  SOCKADDR_NL_LEN: 'sizeof(struct sockaddr_nl)',
  SOCKADDR_LL_LEN: 'sizeof(struct sockaddr_ll)',
  // lib/kobject_uevent.c multicasts to group 1; no header has a name for it.
  UEVENT_GROUP: '1',
}

const constants = new Map<string, number>()
for (const module of [
  dhcpRequests,
  dhcpSocket,
  acknowledgement,
  address,
  link,
  message,
  route,
  netlinkSocket,
  lists,
  uevent,
  errno,
  fileMode,
  flags,
  mountFlags,
  linux,
]) {
  for (const [name, value] of Object.entries(module))
    if (typeof value === 'number') constants.set(name, value)
}

const number = (name: string): string =>
  `printf("%s %lld\\n", "${name}", (long long)(${SPELLED[name] ?? name}));`

const PROGRAM = `#define _GNU_SOURCE
${HEADERS.map((header) => `#include <${header}>`).join('\n')}
#include <stdint.h>

static void dump(const char *name, const void *memory, size_t size)
{
    const unsigned char *bytes = memory;
    printf("%s ", name);
    for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
    printf("\\n");
}

int main(void)
{
    ${[...constants.keys()].map(number).join('\n    ')}
    for (int i = 1; i < 134; i++)
        if (strerrorname_np(i)) printf("errno%d %s (%s)\\n", i, strerrorname_np(i), strerror(i));

    struct stat st;
    memset(&st, 0xee, sizeof st);
    st.st_dev = 0x10001; st.st_ino = 0x1fffffffffffffULL; st.st_mode = 0100644; st.st_uid = 4000000000u;
    st.st_gid = 100; st.st_rdev = 0x500; st.st_size = 0x123456789aLL;
    dump("stat", &st, sizeof st);

    uint64_t words[16];
    char *entries = (char *)words;
    memset(words, 0xee, sizeof words);
    struct dirent64 *entry = (struct dirent64 *)entries;
    entry->d_reclen = 32; entry->d_type = DT_DIR; strcpy(entry->d_name, "first");
    entry = (struct dirent64 *)(entries + 32);
    entry->d_reclen = 24; entry->d_type = 8; strcpy(entry->d_name, "2nd");
    dump("dirents", entries, 56);

    struct pollfd fds[2] = {{.fd = 7, .events = POLLIN}, {.fd = -1, .events = POLLOUT}};
    dump("pollfds", fds, sizeof fds);
    fds[1].revents = POLLHUP;
    dump("polled", fds, sizeof fds);
    struct timespec time = {.tv_sec = 2, .tv_nsec = 345000000};
    dump("timespec", &time, sizeof time);
    int status = 0x80 | 9;
    dump("status", &status, sizeof status);
    return 0;
}
`

let said: Map<string, string>

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'headers-'))
  try {
    const source = join(folder, 'headers.c')
    writeFileSync(source, PROGRAM)
    execFileSync('cc', ['-o', join(folder, 'headers'), source], { stdio: ['ignore', 'inherit', 'inherit'] })
    const lines = execFileSync(join(folder, 'headers'), { encoding: 'latin1' }).trimEnd().split('\n')
    said = new Map(lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 60_000)

/** What the program wrote of a structure. */
const structure = (name: string): Bytes => bytesOf(said.get(name) ?? '')

const bytesIn = ({ buffer, byteOffset, byteLength }: Memory | Words): Bytes =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** A kernel that answers each call by writing a structure of C's over one of its arguments. */
function kernelThatWrites(argument: number, bytes: Bytes, results: number[] = [0]): Argument[][] {
  const calls: Argument[][] = []
  const runtime: Runtime = {
    syscall(_, ...args) {
      // Copied: the answer goes into the same memory.
      calls.push(args.map((arg) => (typeof arg === 'object' ? bytesIn(arg).slice() : arg)))
      const into = args[argument]
      if (typeof into === 'object') bytesIn(into).set(bytes)
      return results.shift() ?? 0
    },
    addressOf: () => 0,
    drain: () => 0,
    spawn: () => 0,
    spawnInto: () => 0,
    text: (memory, offset, length) => Buffer.from(memory).toString('latin1', offset, offset + length),
    putText: () => 0,
    load: () => undefined,
  }
  useRuntime(runtime)
  return calls
}

describe('constants', () => {
  it('are those of the C headers', () => {
    expect(constants.size).toBeGreaterThan(200)
    for (const [name, value] of constants) {
      // LINUX_REBOOT_… and F_MAGIC are ints in C, and unsigned here.
      expect([name, BigInt.asUintN(32, BigInt(value))]).toEqual([
        name,
        BigInt.asUintN(32, BigInt(said.get(name) ?? 'missing')),
      ])
    }
  })

  it('of errno have the names and the words of strerror(3)', () => {
    let known = 0
    for (let i = 1; i < 134; i++) {
      const described = errno.describeErrno(i)
      if (described === `errno ${i}`) continue
      known++
      expect(described.toLowerCase()).toBe(said.get(`errno${i}`)?.toLowerCase())
    }
    expect(known).toBeGreaterThan(60)
    expect(errno.describeErrno(-999)).toBe('errno 999')
  })
})

describe('structures', () => {
  it('stat', () => {
    kernelThatWrites(2, structure('stat'))
    expect(stat('/')).toMatchObject({ dev: 0x10001, mode: 0o100644 })
  })

  it('dirent64', () => {
    kernelThatWrites(1, structure('dirents'), [56, 0])
    expect(readDirectory(3)).toEqual([
      { name: 'first', type: flags.DT_DIR },
      { name: '2nd', type: 8 },
    ])
  })

  it('pollfd and timespec', () => {
    const calls = kernelThatWrites(0, structure('polled'), [1])
    const fds = [
      { fd: 7, events: flags.POLLIN },
      { fd: -1, events: flags.POLLOUT },
    ]
    expect(poll(fds, 2345)).toEqual([0, flags.POLLHUP])
    const [asked = [], ..._] = calls
    expect(hexOf(asked[0] as Bytes)).toBe(said.get('pollfds'))
    expect(hexOf(asked[2] as Bytes)).toBe(said.get('timespec'))
    kernelThatWrites(1, structure('timespec'))
    expect(uptime()).toBe(2345)
  })

  it('wait status', () => {
    kernelThatWrites(1, structure('status'), [42])
    expect(wait4(-1, 0)).toEqual({ pid: 42, status: 0x89 })
  })
})
