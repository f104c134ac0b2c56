/** Constants of the kernel's interface, as its headers spell them (x86-64). `test/kernel/headers.test.ts` compiles C to check them. */

// open(2), openat2(2)
export const AT_FDCWD = -100
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_CREAT = 0o100
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_EXCL = 0o200
export const O_NOCTTY = 0o400
export const O_NONBLOCK = 0o4000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_CLOEXEC = 0o2000000
export const O_PATH = 0o10000000
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_EMPTY_PATH = 0x1000

export const RESOLVE_IN_ROOT = 0x10

// stat(2): st_mode

// getdents64(2): d_type
export const DT_DIR = 4

// umount2(2); mount(2)'s flags are in lib/mount-flags.ts
export const MNT_DETACH = 2

// socket(2), netlink(7), packet(7)
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17
export const ETH_P_IP = 0x0800
export const IPPROTO_UDP = 17
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_RCVBUF = 8
export const SO_ATTACH_FILTER = 26
export const SO_RCVBUFFORCE = 33
export const SOL_NETLINK = 270
export const NETLINK_ROUTE = 0
export const NETLINK_KOBJECT_UEVENT = 15
export const NETLINK_CAP_ACK = 10
export const NETLINK_EXT_ACK = 11
export const NETLINK_GET_STRICT_CHK = 12
export const MSG_DONTWAIT = 0x40
export const MSG_TRUNC = 0x20

// poll(2)
export const POLLIN = 1
export const POLLOUT = 4
export const POLLERR = 8
export const POLLHUP = 16

// signal(7)
export const SIGHUP = 1
export const SIGINT = 2
export const SIGKILL = 9
export const SIGTERM = 15
export const SIGCHLD = 17
export const SIGCONT = 18
export const SIGTSTP = 20
export const SIGTTIN = 21
export const SIGTTOU = 22
export const SIGWINCH = 28
export const SIGPWR = 30
export const SIG_BLOCK = 0
export const SIG_SETMASK = 2

// wait(2)
export const WNOHANG = 1

// reboot(2)
/** As a signed int, which is what the kernel takes. */
export const LINUX_REBOOT_MAGIC1 = 0xfee1dead | 0
export const LINUX_REBOOT_MAGIC2 = 0x28121969
export const LINUX_REBOOT_CMD_RESTART = 0x01234567
export const LINUX_REBOOT_CMD_HALT = 0xcdef0123
export const LINUX_REBOOT_CMD_POWER_OFF = 0x4321fedc
export const LINUX_REBOOT_CMD_CAD_OFF = 0

// ioctl(2) on terminals and input devices
export const TCGETS = 0x5401
export const TCSETS = 0x5402
export const TIOCSCTTY = 0x540e
/** How many bytes the terminal still has to send. */
export const TIOCOUTQ = 0x5411
export const TIOCGWINSZ = 0x5413
export const TIOCSWINSZ = 0x5414
/** The number of a pty's other end. */
export const TIOCGPTN = 0x80045430
export const TIOCSPTLCK = 0x40045431
/** EVIOCGBIT(EV_KEY, 96): which keys an input device has, as 96 bytes of bits. */
export const EVIOCGBIT_EV_KEY = 0x80604521
export const EV_KEY = 1
export const KEY_POWER = 116

// ioctl(2) that grow a file system: ext4 (fs/ext4/ext4.h), btrfs (linux/btrfs.h), xfs (xfs_fs.h of xfsprogs)
export const EXT4_IOC_RESIZE_FS = 0x40086610
export const BTRFS_IOC_RESIZE = 0x50009403
export const XFS_IOC_FSGROWFSDATA = 0x4010586e

// lseek(2)
export const SEEK_END = 2

// getrlimit(2)
export const RLIM_INFINITY = -1
export const RLIMIT_CPU = 0
export const RLIMIT_FSIZE = 1
export const RLIMIT_DATA = 2
export const RLIMIT_STACK = 3
export const RLIMIT_NOFILE = 7
export const RLIMIT_AS = 9

// clock_gettime(2)
export const CLOCK_REALTIME = 0
export const CLOCK_MONOTONIC = 1
export const CLOCK_BOOTTIME = 7

// timerfd_create(2)
export const TFD_CLOEXEC = 0o2000000
