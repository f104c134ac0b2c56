/*
 * The physical limit: a PID 1 that makes the system calls which ours makes for the bench's container (two NICs with
 * IPv4 and IPv6, routes, one disk, one share), with every answer written in. It parses nothing, checks little, and
 * supervises no more than a wait. See boot.ts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define IPV4_DEVCONF_ARP_NOTIFY 22

/* --- kernel modules, where the initramfs has any ------------------------------------------------------------------ */

static void load_modules(void) {
	static const char *const wanted[] = {"virtio_pci", "virtiofs", "virtio_net", "virtio_blk", "ext4", NULL};
	static char index[1 << 16];
	DIR *releases = opendir("/modules");
	if (!releases) return;
	for (struct dirent *entry; (entry = readdir(releases));) {
		char path[512];
		if (entry->d_name[0] == '.') continue;
		snprintf(path, sizeof path, "/modules/%s", entry->d_name);
		if (chdir(path) < 0) continue;
		int fd = open("index", O_RDONLY);
		ssize_t length = read(fd, index, sizeof index - 1);
		close(fd);
		index[length < 0 ? 0 : length] = 0;
	}
	closedir(releases);
	for (const char *const *name = wanted; *name; name++) {
		for (char *line = index; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
			size_t n = strlen(*name);
			if (strncmp(line, *name, n) || line[n] != ' ') continue;
			char files[1024];
			snprintf(files, sizeof files, "%.*s", (int)strcspn(line + n, "\n"), line + n);
			for (char *file = strtok(files, " "); file; file = strtok(NULL, " ")) {
				int fd = open(file, O_RDONLY | O_CLOEXEC);
				syscall(SYS_finit_module, fd, "", 0);
				close(fd);
			}
			break;
		}
	}
}

/* --- network ------------------------------------------------------------------------------------------------------ */

static char buffer[8192];
static size_t used;
static int requests;

static void *put(const void *data, size_t length) {
	void *place = buffer + used;
	memcpy(place, data, length);
	used += NLMSG_ALIGN(length);
	return place;
}

static struct nlmsghdr *begin(int type, int flags, const void *body, size_t length) {
	struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags, .nlmsg_seq = ++requests};
	struct nlmsghdr *message = put(&header, sizeof header);
	put(body, length);
	return message;
}

static void end(struct nlmsghdr *message) { message->nlmsg_len = buffer + used - (char *)message; }

static struct rtattr *attribute(int type, const void *data, size_t length) {
	struct rtattr header = {.rta_type = type, .rta_len = RTA_LENGTH(length)};
	struct rtattr *place = put(&header, sizeof header);
	if (length) put(data, length);
	return place;
}

static void close_nested(struct rtattr *nested) { nested->rta_len = buffer + used - (char *)nested; }

static void link_up(int index) {
	struct ifinfomsg body = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	end(begin(RTM_SETLINK, 0, &body, sizeof body));
}

static void arp_notify(int index) {
	struct ifinfomsg body = {.ifi_index = index};
	struct nlmsghdr *message = begin(RTM_SETLINK, 0, &body, sizeof body);
	struct rtattr *families = attribute(IFLA_AF_SPEC, NULL, 0);
	struct rtattr *inet = attribute(AF_INET, NULL, 0);
	struct rtattr *conf = attribute(IFLA_INET_CONF, NULL, 0);
	int one = 1;
	attribute(IPV4_DEVCONF_ARP_NOTIFY, &one, sizeof one);
	close_nested(conf);
	close_nested(inet);
	struct rtattr *inet6 = attribute(AF_INET6, NULL, 0);
	char none = IN6_ADDR_GEN_MODE_NONE;
	attribute(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
	close_nested(inet6);
	close_nested(families);
	end(message);
}

/* Asks for the link, and sets the address that it has: the kernel announces it once more. */
static void announce(int index, const char *mac) {
	struct ifinfomsg body = {.ifi_index = index};
	end(begin(RTM_GETLINK, 0, &body, sizeof body));
	struct nlmsghdr *message = begin(RTM_SETLINK, 0, &body, sizeof body);
	attribute(IFLA_ADDRESS, mac, 6);
	end(message);
}

static void address(int index, int family, const char *text, int length) {
	unsigned char bytes[16];
	size_t size = family == AF_INET ? 4 : 16;
	struct ifaddrmsg body = {.ifa_family = family, .ifa_prefixlen = length, .ifa_index = index};
	if (family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
	inet_pton(family, text, bytes);
	struct nlmsghdr *message = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
	attribute(IFA_LOCAL, bytes, size);
	attribute(IFA_ADDRESS, bytes, size);
	end(message);
}

static void route(int index, int family, const char *destination, int length, const char *gateway) {
	unsigned char bytes[16];
	size_t size = family == AF_INET ? 4 : 16;
	struct rtmsg body = {.rtm_family = family, .rtm_dst_len = length, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
	struct nlmsghdr *message = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
	if (length) {
		inet_pton(family, destination, bytes);
		attribute(RTA_DST, bytes, size);
	}
	inet_pton(family, gateway, bytes);
	attribute(RTA_GATEWAY, bytes, size);
	attribute(RTA_OIF, &index, sizeof index);
	end(message);
}

/* Sends what has been put together, in one message; as many answers come back. */
static void transact(int fd) {
	char answer[8192];
	send(fd, buffer, used, 0);
	for (int left = requests; left > 0;) {
		int length = recv(fd, answer, sizeof answer, 0);
		if (length <= 0) break;
		for (struct nlmsghdr *m = (void *)answer; NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
			struct nlmsgerr *error = NLMSG_DATA(m);
			if (m->nlmsg_type == NLMSG_ERROR && error->error) dprintf(2, "floor: netlink request %u: %d\n", m->nlmsg_seq, error->error);
			left--;
		}
	}
	used = requests = 0;
}

static void write_text(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (write(fd, text, strlen(text)) < 0) dprintf(2, "floor: cannot write %s\n", path);
	close(fd);
}

/* Reads a file's first bytes, whatever they are. */
static void look_at(const char *path, int more) {
	char bytes[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | more);
	if (fd < 0) return;
	while (read(fd, bytes, sizeof bytes) > 0) {
	}
	close(fd);
}

/* What a disk holds, by its first sectors. */
static void probe(const char *path) {
	char bytes[2048];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(fd, bytes, sizeof bytes, 0) < 0) dprintf(2, "floor: cannot read %s\n", path);
	close(fd);
}

static void list(const char *path) {
	char bytes[2048];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (syscall(SYS_getdents64, fd, bytes, sizeof bytes) > 0) {
	}
	close(fd);
}

/* The NICs' indexes, which the kernel gives in the order of probing. */
static int indexes[2];
static int first_nic;

static void configure_network(void) {
	static const char *const nics[] = {"eth0", "eth1"};
	int *index = indexes;
	write_text("/proc/sys/net/ipv6/conf/all/ndisc_notify", "1");
	for (int i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof path, "/sys/class/net/%s/ifindex", nics[i]);
		look_at(path, 0);
		snprintf(path, sizeof path, "/sys/class/net/%s/address", nics[i]);
		look_at(path, 0);
		index[i] = i + first_nic;
		snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", nics[i]);
		write_text(path, "0");
	}
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	link_up(1);
	arp_notify(index[0]);
	address(index[0], AF_INET, "10.0.2.15", 24);
	address(index[0], AF_INET6, "fec0::15", 64);
	address(index[0], AF_INET6, "fe80::5054:ff:fe00:1", 64);
	link_up(index[0]);
	arp_notify(index[1]);
	address(index[1], AF_INET, "192.168.77.5", 24);
	address(index[1], AF_INET6, "fd77::5", 64);
	address(index[1], AF_INET6, "fe80::5054:ff:fe00:2", 64);
	link_up(index[1]);
	transact(fd);
	route(index[0], AF_INET, NULL, 0, "10.0.2.2");
	route(index[1], AF_INET, "10.9.0.0", 16, "192.168.77.1");
	route(index[0], AF_INET6, NULL, 0, "fec0::2");
	route(index[1], AF_INET6, "200::", 7, "fd77::1");
	transact(fd);
	close(fd);
}

static void announce_all(void) {
	look_at("/sys/class/net/eth0/carrier", 0);
	look_at("/sys/class/net/eth1/carrier", 0);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	announce(indexes[0], "\x52\x54\0\0\0\1");
	announce(indexes[1], "\x52\x54\0\0\0\2");
	transact(fd);
	close(fd);
}

/* --- root --------------------------------------------------------------------------------------------------------- */

static void enter_root(void) {
	static const char *const needed[] = {"/proc", "/sys", "/dev", "/run", "/etc", "/tmp"};
	char path[64];
	mkdir("/root", 0755);
	while (mount("vroot", "/root", "virtiofs", 0, NULL) < 0) usleep(1000);
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof path, "/root%s", needed[i]);
		mkdir(path, 0755);
	}
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "/root%s", needed[i]);
		mount(needed[i], path, NULL, MS_MOVE, NULL);
	}
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) _exit(1);
}

static void replace(const char *path, const char *temporary, const char *text) {
	look_at(path, O_NOFOLLOW);
	write_text(temporary, text);
	rename(temporary, path);
}

/* Gives the initramfs' memory back. */
static void empty(int fd, dev_t device) {
	DIR *directory = fdopendir(fd);
	for (struct dirent *entry; (entry = readdir(directory));) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
		if (entry->d_type != DT_DIR) {
			unlinkat(fd, entry->d_name, 0);
			continue;
		}
		int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner < 0) continue;
		if (fstat(inner, &st) == 0 && st.st_dev == device) {
			empty(inner, device);
			unlinkat(fd, entry->d_name, AT_REMOVEDIR);
		} else {
			close(inner);
		}
	}
	closedir(directory);
}

int main(void) {
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_CLOEXEC);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_STRICTATIME, "mode=0755,size=4m,nr_inodes=64k");
	reboot(RB_DISABLE_CAD);
	int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	look_at("/proc/sys/kernel/osrelease", 0);
	load_modules();
	look_at("/proc/cmdline", 0);
	list("/sys/class/block");
	probe("/dev/vda");

	int initramfs = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat own;
	fstat(initramfs, &own);
	enter_root();
	look_at("/etc/hostname", 0);
	look_at("/etc/environment", 0);
	look_at("/.zosrc", 0);

	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 0755);
	mkdir("/dev/mqueue", 0755);
	mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
	mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=01777");
	mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=0755,size=20%,nr_inodes=800k");
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate,memory_recursiveprot");
	int linked = symlink("/proc/self/fd", "/dev/fd") | symlink("/proc/self/fd/0", "/dev/stdin")
		| symlink("/proc/self/fd/1", "/dev/stdout") | symlink("/proc/self/fd/2", "/dev/stderr") | symlink("pts/ptmx", "/dev/ptmx");
	if (sethostname("bench", 5) < 0 || linked < -1) return 1;
	first_nic = if_nametoindex("eth0");
	configure_network();
	struct stat there;
	int ssh = stat("/etc/ssh", &there);
	mkdir("/data", 0755);
	probe("/dev/vda");
	mount("/dev/vda", "/data", "ext4", 0, NULL);
	mkdir("/mnt", 0755);
	mkdir("/mnt/share", 0755);
	mount("share", "/mnt/share", "virtiofs", 0, NULL);
	replace("/etc/hostname", "/etc/.hostname", "bench\n");
	replace("/etc/hosts", "/etc/.hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n10.0.2.15\tbench\n");
	replace("/etc/resolv.conf", "/etc/.resolv.conf", "nameserver 10.0.2.3\n");
	announce_all();
	empty(initramfs, own.st_dev);
	char target[256];
	if (ssh == 0 || stat("/probe", &there) < 0 || readlink("/probe", target, sizeof target) >= 0) return 1;
	dprintf(console, "zmachine: starting /probe after 0 ms\n");
	look_at("/sys/class/tty/console/active", 0);

	pid_t pid = vfork();
	if (pid == 0) {
		static char *const arguments[] = {"/probe", "first", ",", "report", NULL};
		static char *const environment[] = {"HOME=/root", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
		struct rlimit limit = {1024, 524288};
		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		setsid();
		int tty = open("/dev/ttyS0", O_RDWR);
		ioctl(tty, TIOCSCTTY, 1);
		dup2(tty, 0);
		dup2(tty, 1);
		dup2(tty, 2);
		close(tty);
		setrlimit(RLIMIT_NOFILE, &limit);
		execve("/probe", arguments, environment);
		_exit(127);
	}
	struct signalfd_siginfo info;
	while (waitpid(pid, NULL, WNOHANG) != pid && read(signals, &info, sizeof info) > 0) {
	}
	dprintf(1, "zmachine: exited code=0 signal=none reason=exit uptime=0.000\n");
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
