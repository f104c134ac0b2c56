/*
 * The physical limit: a PID 1 that makes the system calls which ours makes for the bench's container (container.ts), in
 * the same order, with every answer written in. It parses nothing, checks nothing, and supervises no more than a wait.
 * With -DSEED the container is the one of the fixture private-mycelium. `npm run bench -- calls` compares it with ours.
 *
 * Two calls of ours are missing: those that get the memory for the heap, which a C program needs none of.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IPV4_DEVCONF_ARP_NOTIFY 22
#define READ_TEXT (O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
#define READ_SEED (O_RDONLY | O_NONBLOCK | O_CLOEXEC)
#define READ_REGULAR (O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
#define SEALED (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* --- the answers -------------------------------------------------------------------------------------------------- */

struct address {
	int family;
	const char *text;
	int length;
};

struct route {
	int nic, family;
	/* NULL: default */
	const char *destination;
	int length;
	const char *gateway;
};

#ifdef SEED
#define ENTRYPOINT "/sbin/zinit"
#define HOSTNAME "webapp"
#define SUMMARY "eth0 10.20.2.2/24 fd39:775a:4846:2::2/64, eth1 5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c/64; name servers 8.8.8.8, 1.1.1.1, 2001:4860:4860::8888; mounts /data, /mnt/shared; 1 SSH key"
#define OWN_ADDRESS "10.20.2.2"
#define RESOLV_CONF "nameserver 8.8.8.8\nnameserver 1.1.1.1\nnameserver 2001:4860:4860::8888\n"
#define SHARE "shared"
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE1 ops@example"
static char *const arguments[] = {ENTRYPOINT, "init", NULL};
static char *const environment[] = {"HOME=/root", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"APP_MODE=production", "SSH_KEY=" KEY, NULL};
static const char macs[2][6] = {"\x54\x43\x83\x2b\x2f\x8f", "\xfe\x1a\x39\x0c\x77\x21"};
static const struct address addresses[2][4] = {
	{{AF_INET, "10.20.2.2", 24}, {AF_INET6, "fd39:775a:4846:2::2", 64}, {AF_INET6, "fe80::5643:83ff:fe2b:2f8f", 64}},
	{{AF_INET6, "5d3:9c3b:4f2b:8b3e:ff0f:e2c8:1a12:3b4c", 64}, {AF_INET6, "fe80::fc1a:39ff:fe0c:7721", 64}},
};
static const struct route routes[] = {
	{0, AF_INET, NULL, 0, "10.20.2.1"},
	{0, AF_INET6, NULL, 0, "fe80::1"},
	{0, AF_INET, "10.20.0.0", 16, "10.20.2.1"},
	{0, AF_INET, "100.64.0.0", 16, "10.20.2.1"},
	{1, AF_INET6, "400::", 7, "5d3:9c3b:4f2b:8b3e::1"},
};
#else
#define ENTRYPOINT "/probe"
#define HOSTNAME "bench"
#define SUMMARY "eth0 10.0.2.15/24 fec0::15/64, eth1 192.168.77.5/24 fd77::5/64; name servers 10.0.2.3; mounts /data, /mnt/share"
#define OWN_ADDRESS "10.0.2.15"
#define RESOLV_CONF "nameserver 10.0.2.3\n"
#define SHARE "share"
static char *const arguments[] = {ENTRYPOINT, "report", NULL};
static char *const environment[] = {"HOME=/root", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
static const char macs[2][6] = {"\x52\x54\0\0\0\1", "\x52\x54\0\0\0\2"};
static const struct address addresses[2][4] = {
	{{AF_INET, "10.0.2.15", 24}, {AF_INET6, "fec0::15", 64}, {AF_INET6, "fe80::5054:ff:fe00:1", 64}},
	{{AF_INET, "192.168.77.5", 24}, {AF_INET6, "fd77::5", 64}, {AF_INET6, "fe80::5054:ff:fe00:2", 64}},
};
static const struct route routes[] = {
	{0, AF_INET, NULL, 0, "10.0.2.2"},
	{1, AF_INET, "10.9.0.0", 16, "192.168.77.1"},
	{0, AF_INET6, NULL, 0, "fec0::2"},
	{1, AF_INET6, "200::", 7, "fd77::1"},
};
#endif
#define TARGET "/mnt/" SHARE
static const char *const nics[2] = {"eth0", "eth1"};
/* The kernel's first is the loopback. */
static const int indexes[2] = {2, 3};

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Which libraries would make others of them. */
static int open_at(int folder, const char *path, int flags, int mode) { return syscall(SYS_openat, folder, path, flags, mode); }
static int open_file(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
static int make_directory(const char *path, int mode) { return syscall(SYS_mkdirat, AT_FDCWD, path, mode); }

static void ask(int folder, const char *path, int flags) {
	struct stat st;
	syscall(SYS_newfstatat, folder, path, &st, flags);
}

static char bytes[4096];

/* Reads a file to its end, whatever is in it. */
static void look_at(int folder, const char *path, int flags) {
	int fd = open_at(folder, path, flags, 0);
	if (fd < 0) return;
	while (read(fd, bytes, sizeof bytes) > 0) {
	}
	close(fd);
}

static void look_at_text(const char *path) { look_at(AT_FDCWD, path, READ_TEXT); }

static void list(const char *path, int more) {
	int fd = open_file(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | more);
	while (syscall(SYS_getdents64, fd, bytes, 2048) > 0) {
	}
	close(fd);
}

/* What a disk holds, by its first sectors. */
static void probe(const char *path) {
	int fd = open_file(path, O_RDONLY | O_CLOEXEC);
	pread(fd, bytes, 2048, 0);
	close(fd);
}

/* The same, and how large the disk is. */
static void probe_size(const char *path) {
	int fd = open_file(path, O_RDONLY | O_CLOEXEC);
	pread(fd, bytes, 2048, 0);
	lseek(fd, 0, SEEK_END);
	close(fd);
}

static void write_value(const char *path, const char *value) {
	int fd = open_file(path, O_WRONLY | O_CLOEXEC);
	write(fd, value, strlen(value));
	close(fd);
}

static void link_to(const char *target, const char *path) { syscall(SYS_symlinkat, target, AT_FDCWD, path); }

/* A file of /etc that is not there yet. */
static void make_file(const char *path, const char *beside, const char *text, int mode) {
	int fd = open_at(AT_FDCWD, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) return;
	write(fd, text, strlen(text));
	close(fd);
	syscall(SYS_renameat, AT_FDCWD, beside, AT_FDCWD, path);
}

static void update_file(const char *path, const char *beside, const char *text, int mode) {
	look_at(AT_FDCWD, path, READ_REGULAR);
	make_file(path, beside, text, mode);
}

/* What the time is; ours tells in the end how long each step took. */
static long milliseconds(void) {
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void next_step(void) {
	milliseconds();
	milliseconds();
}

/* --- network ------------------------------------------------------------------------------------------------------ */

static char buffer[4096];
static size_t used;
static int requests;
static struct nlmsghdr *last;

static void *put(const void *data, size_t length) {
	void *place = buffer + used;
	memcpy(place, data, length);
	used += NLMSG_ALIGN(length);
	return place;
}

static void begin(int type, int flags, const void *body, size_t length) {
	struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++requests};
	last = put(&header, sizeof header);
	put(body, length);
}

static void end(void) { last->nlmsg_len = buffer + used - (char *)last; }

static struct rtattr *attribute(int type, const void *data, size_t length) {
	struct rtattr header = {.rta_type = type, .rta_len = RTA_LENGTH(length)};
	struct rtattr *place = put(&header, sizeof header);
	if (length) put(data, length);
	return place;
}

static struct rtattr *nested(int type) { return attribute(type | NLA_F_NESTED, NULL, 0); }
static void close_nested(struct rtattr *one) { one->rta_len = buffer + used - (char *)one; }

static void link_up(int index) {
	struct ifinfomsg body = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	begin(RTM_SETLINK, 0, &body, sizeof body);
	end();
}

static void arp_notify(int index) {
	struct ifinfomsg body = {.ifi_index = index};
	begin(RTM_SETLINK, 0, &body, sizeof body);
	struct rtattr *families = nested(IFLA_AF_SPEC);
	struct rtattr *inet = nested(AF_INET);
	struct rtattr *conf = nested(IFLA_INET_CONF);
	int one = 1;
	attribute(IPV4_DEVCONF_ARP_NOTIFY, &one, sizeof one);
	close_nested(conf);
	close_nested(inet);
	struct rtattr *inet6 = nested(AF_INET6);
	char none = IN6_ADDR_GEN_MODE_NONE;
	attribute(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
	close_nested(inet6);
	close_nested(families);
	end();
}

/* Asks for the link, and sets the address that it has: the kernel announces it once more. */
static void announce(int index, const char *mac) {
	struct ifinfomsg body = {.ifi_index = index};
	begin(RTM_GETLINK, 0, &body, sizeof body);
	end();
	begin(RTM_SETLINK, 0, &body, sizeof body);
	attribute(IFLA_ADDRESS, mac, 6);
	end();
}

static void add_address(int index, const struct address *one) {
	unsigned char ip[16];
	size_t size = one->family == AF_INET ? 4 : 16;
	struct ifaddrmsg body = {.ifa_family = one->family, .ifa_prefixlen = one->length, .ifa_index = index};
	if (one->family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
	inet_pton(one->family, one->text, ip);
	begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
	attribute(IFA_LOCAL, ip, size);
	attribute(IFA_ADDRESS, ip, size);
	if (one->family == AF_INET) {
		/* All are /24. */
		ip[3] = 255;
		attribute(IFA_BROADCAST, ip, size);
	}
	end();
}

static void add_route(const struct route *one) {
	unsigned char ip[16];
	size_t size = one->family == AF_INET ? 4 : 16;
	struct rtmsg body = {.rtm_family = one->family, .rtm_dst_len = one->length, .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
	begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
	if (one->destination) {
		inet_pton(one->family, one->destination, ip);
		attribute(RTA_DST, ip, size);
	}
	inet_pton(one->family, one->gateway, ip);
	attribute(RTA_GATEWAY, ip, size);
	attribute(RTA_OIF, &indexes[one->nic], sizeof(int));
	end();
}

/* The kernel acknowledges the last request, and answers those that ask. */
static void transact(int fd, int answers) {
	static char answer[32768];
	last->nlmsg_flags |= NLM_F_ACK;
	send(fd, buffer, used, 0);
	while (answers-- > 0) {
		struct sockaddr_nl from;
		socklen_t length = sizeof from;
		recvfrom(fd, answer, sizeof answer, MSG_TRUNC | MSG_DONTWAIT, (void *)&from, &length);
		const struct nlmsghdr *header = (void *)answer;
		const struct nlmsgerr *error = NLMSG_DATA(header);
		if (header->nlmsg_type == NLMSG_ERROR && error->error) dprintf(2, "floor: netlink request %u: %d\n", header->nlmsg_seq, error->error);
	}
	used = requests = 0;
}

static int open_session(void) {
	int one = 1, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
	return fd;
}

static void look_at_nic(const char *nic) {
	char path[64];
	snprintf(path, sizeof path, "/sys/class/net/%s/ifindex", nic);
	look_at_text(path);
	snprintf(path, sizeof path, "/sys/class/net/%s/address", nic);
	look_at_text(path);
}

static void find_nics(void) {
#ifdef SEED
	/* By their MACs, for which all are looked at; sysfs has them in this order. */
	list("/sys/class/net", 0);
	look_at_nic("eth1");
	look_at_nic("lo");
	look_at_nic("eth0");
#else
	for (int i = 0; i < 2; i++) look_at_nic(nics[i]);
#endif
}

static void configure_network(void) {
	int fd = open_session();
	milliseconds();
	find_nics();
	ask(AT_FDCWD, "/proc/sys/net/ipv6", 0);
	link_up(1);
	for (int i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/ndisc_notify", nics[i]);
		write_value(path, "1");
		snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", nics[i]);
		write_value(path, "0");
		arp_notify(indexes[i]);
		for (const struct address *one = addresses[i]; one->family; one++) add_address(indexes[i], one);
		link_up(indexes[i]);
	}
	transact(fd, 1);
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) add_route(&routes[i]);
	transact(fd, 1);
	close(fd);
}

static void announce_all(void) {
	milliseconds();
	look_at_text("/sys/class/net/eth0/carrier");
	look_at_text("/sys/class/net/eth1/carrier");
	int fd = open_session();
	for (int i = 0; i < 2; i++) announce(indexes[i], macs[i]);
	transact(fd, 3);
	close(fd);
}

/* --- root --------------------------------------------------------------------------------------------------------- */

static int timer;

static void watch(int seconds) {
	struct itimerspec patience = {{0, 0}, {seconds, 0}};
	syscall(SYS_timerfd_settime, timer, 0, &patience, NULL);
}

static void read_seed(void) {
	milliseconds();
	list("/sys/class/block", 0);
#ifdef SEED
	watch(600);
	probe("/dev/vdb");
#endif
	watch(600);
	probe("/dev/vda");
#ifdef SEED
	make_directory("/seed", 0700);
	mount("/dev/vdb", "/seed", "vfat", MS_RDONLY | SEALED, NULL);
	look_at(AT_FDCWD, "/seed/meta-data", READ_SEED);
	look_at(AT_FDCWD, "/seed/network-config", READ_SEED);
	look_at(AT_FDCWD, "/seed/user-data", READ_SEED);
	look_at(AT_FDCWD, "/seed/zosrc", READ_SEED);
	umount2("/seed", 0);
#endif
}

static void enter_root(void) {
	static const char *const needed[] = {"/root/proc", "/root/sys", "/root/dev", "/root/run", "/root/etc", "/root/tmp"};
	for (int i = 0; i < 6; i++) make_directory(needed[i], 0755);
	mount("/proc", "/root/proc", "", MS_MOVE, NULL);
	mount("/sys", "/root/sys", "", MS_MOVE, NULL);
	mount("/dev", "/root/dev", "", MS_MOVE, NULL);
	if (chdir("/root") < 0 || mount(".", "/", "", MS_MOVE, NULL) < 0 || chroot(".") < 0) _exit(1);
}

struct entry {
	uint64_t inode, offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* Gives the initramfs' memory back. */
static void empty(int folder) {
	char entries[2048];
	struct stat st;
	int filled = 0, more;
	while ((more = syscall(SYS_getdents64, folder, entries + filled, sizeof entries - filled)) > 0) filled += more;
	for (int at = 0; at < filled; at += ((struct entry *)(entries + at))->length) {
		const struct entry *one = (struct entry *)(entries + at);
		if (!strcmp(one->name, ".") || !strcmp(one->name, "..")) continue;
		/* DT_DIR of dirent.h */
		if (!syscall(SYS_unlinkat, folder, one->name, one->type == 4 ? AT_REMOVEDIR : 0) || errno != ENOTEMPTY) continue;
		int inner = open_at(folder, one->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		syscall(SYS_newfstatat, inner, "", &st, AT_EMPTY_PATH);
		empty(inner);
		close(inner);
		syscall(SYS_unlinkat, folder, one->name, AT_REMOVEDIR);
	}
}

static void mount_late(const char *type, const char *target, int flags, const char *data) {
	make_directory(target, 0755);
	mount(type, target, type, flags, data);
	next_step();
}

/* --- supervision -------------------------------------------------------------------------------------------------- */

/* Beside PID 1, as long as file systems may keep it from going on. */
static int wait_for_timer(void *unused) {
	struct pollfd expired = {timer, POLLIN, 0};
	(void)unused;
	syscall(SYS_ppoll, &expired, 1, NULL, NULL, 8);
	_exit(0);
}

static int open_power_button(void) {
	unsigned char keys[96];
	list("/dev/input", 0);
	int fd = open_file("/dev/input/event0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys);
	look_at_text("/sys/firmware/acpi/interrupts/ff_pwr_btn");
	return fd;
}

static int open_cgroup(void) {
	look_at_text("/sys/fs/cgroup/cgroup.controllers");
	write_value("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset +cpu +io +memory +hugetlb +pids +rdma +misc");
	syscall(SYS_unlinkat, AT_FDCWD, "/sys/fs/cgroup/container", AT_REMOVEDIR);
	make_directory("/sys/fs/cgroup/container", 0755);
	look_at_text("/proc/meminfo");
	write_value("/sys/fs/cgroup/container/memory.max", "201392128");
	return open_file("/sys/fs/cgroup/container", O_RDONLY | O_CLOEXEC | O_PATH | O_DIRECTORY);
}

static void open_terminal(void) {
	look_at_text("/sys/class/tty/console/active");
	int tty = open_file("/dev/ttyS0", O_RDWR | O_NOCTTY);
	for (int fd = 0; fd < 3; fd++) syscall(SYS_dup3, tty, fd, 0);
	close(tty);
}

/* vfork(2) into a cgroup, by clone3(2): the child shares our stack, so where to return to waits in a register. */
long vfork_into(const uint64_t *request, size_t size) __attribute__((returns_twice));
__asm__("vfork_into: pop %rdx; mov $435, %eax; syscall; push %rdx; ret");

static pid_t start(int cgroup) {
	static const struct rlimit limit = {1024, 524288};
	static const uint64_t none = 0;
	/* struct clone_args: CLONE_INTO_CGROUP, CLONE_VFORK and CLONE_VM; the signal at its end; the cgroup. */
	const uint64_t request[11] = {[0] = 0x200004100, [4] = SIGCHLD, [10] = cgroup};
	pid_t pid = vfork_into(request, sizeof request);
	if (pid != 0) return pid;
	setsid();
	ioctl(0, TIOCSCTTY, 1);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
	syscall(SYS_setgroups, 0, NULL);
	syscall(SYS_setresgid, 0, 0, 0);
	syscall(SYS_setresuid, 0, 0, 0);
	chdir("/");
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	execve(ENTRYPOINT, arguments, environment);
	_exit(127);
}

static void prepare(void) {
	static const char *const early[] = {"/proc", "/sys", "/dev"};
	static const char *const types[] = {"proc", "sysfs", "devtmpfs"};
	for (int i = 0; i < 3; i++) {
		make_directory(early[i], 0755);
		ask(AT_FDCWD, early[i], 0);
		if (i < 2) mount(types[i], early[i], types[i], SEALED, NULL);
		else mount(types[i], early[i], types[i], MS_NOSUID | MS_STRICTATIME, "mode=0755,size=4m,nr_inodes=64k");
	}
}

static void run_steps(void) {
	readlink("/data", bytes, 256);
	readlink("/mnt", bytes, 256);
	readlink(TARGET, bytes, 256);
	milliseconds();
	mount_late("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
	mount_late("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=01777");
	mount_late("mqueue", "/dev/mqueue", SEALED, NULL);
	make_directory("/run", 0755);
	ask(AT_FDCWD, "/run", 0);
	list("/run", O_NOFOLLOW);
	mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=0755,size=20%,nr_inodes=800k");
	make_directory("/sys/fs/cgroup", 0755);
	ask(AT_FDCWD, "/sys/fs/cgroup", 0);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", SEALED, "nsdelegate,memory_recursiveprot");
	link_to("/proc/self/fd", "/dev/fd");
	link_to("/proc/self/fd/0", "/dev/stdin");
	link_to("/proc/self/fd/1", "/dev/stdout");
	link_to("/proc/self/fd/2", "/dev/stderr");
	link_to("pts/ptmx", "/dev/ptmx");
	sethostname(HOSTNAME, sizeof HOSTNAME - 1);
	configure_network();
	ask(AT_FDCWD, "/etc/ssh", 0);
	watch(600);
	make_directory("/data", 0755);
	ask(AT_FDCWD, "/dev/vda", 0);
	probe_size("/dev/vda");
	mount("/dev/vda", "/data", "ext4", 0, NULL);
	watch(60);
	watch(60);
	make_directory(TARGET, 0755);
	make_directory("/mnt", 0755);
	make_directory(TARGET, 0755);
	mount(SHARE, TARGET, "virtiofs", 0, NULL);
	watch(60);
	update_file("/etc/hostname", "/etc/hostname.zmachine", HOSTNAME "\n", 0644);
	update_file("/etc/hosts", "/etc/hosts.zmachine",
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" OWN_ADDRESS "\t" HOSTNAME "\t# zmachine-init\n", 0644);
	update_file("/etc/resolv.conf", "/etc/resolv.conf.zmachine", RESOLV_CONF, 0644);
#ifdef SEED
	update_file("/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys.zmachine", KEY "\n", 0600);
	make_directory("/root/.ssh", 0700);
	make_directory("/root", 0755);
	make_directory("/root/.ssh", 0700);
	make_file("/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys.zmachine", KEY "\n", 0600);
#endif
	announce_all();
}

int main(void) {
	/* All but what a fault of one's own raises; see supervise/signals.ts. */
	static const uint64_t watched = ~UINT64_C(0x400405d8);
	static char stack[1024] __attribute__((aligned(16)));
	struct signalfd_siginfo infos[8];
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &watched, NULL, 8);
	close(open_file("/", O_PATH));
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &watched, NULL, 8);
	int signals = syscall(SYS_signalfd4, -1, &watched, 8, SFD_CLOEXEC | SFD_NONBLOCK);
	milliseconds();
	prepare();
	int console = open_file("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	reboot(RB_DISABLE_CAD);
	look_at_text("/proc/sys/kernel/osrelease");
	/* Where the kernel has modules they are there. */
	char modules[128];
	snprintf(modules, sizeof modules, "/modules/%.*s", (int)strcspn(bytes, "\n"), bytes);
	open_file(modules, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	next_step();
	look_at_text("/proc/cmdline");
	next_step();
	int initramfs = open_file("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	milliseconds();
	timer = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
	pid_t watcher = clone(wait_for_timer, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	watch(60);
	mount("vroot", "/root", "virtiofs", 0, NULL);
	next_step();
	read_seed();
	watch(60);
	next_step();
	enter_root();
	next_step();
	look_at_text("/etc/hostname");
	look_at_text("/etc/environment");
	look_at_text("/.startup.toml");
	look_at_text("/.zosrc");
	milliseconds();
	look_at_text("/.zmachine/exit.json");
	run_steps();
	ask(initramfs, "", AT_EMPTY_PATH);
	empty(initramfs);
	close(initramfs);
	milliseconds();
	static const char summary[] = "zmachine: " SUMMARY "\n";
	write(console, summary, sizeof summary - 1);
	ask(AT_FDCWD, ENTRYPOINT, 0);
#ifndef SEED
	/* By its name an init, or by that of what it is a link to. */
	readlink(ENTRYPOINT, bytes, 256);
#endif
	syscall(SYS_syslog, 8, NULL, 4);
	int length = snprintf(bytes, sizeof bytes, "zmachine: starting " ENTRYPOINT " after %ld ms\n", milliseconds());
	write(console, bytes, length);
	open_terminal();
	int button = open_power_button();
	read(button, infos, 384);
	read(signals, infos, sizeof infos);
	pid_t pid = start(open_cgroup());
	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	close(timer);

	/* The entrypoint runs: what is left is to wait for it. */
	while (waitpid(pid, NULL, 0) != pid) {
	}
	dprintf(1, "zmachine: exited code=0 signal=none reason=exit uptime=0.000\n");
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
