/*
 * The guest's half of the boot tests: one static program that is the container's entrypoint and tells what it finds.
 *
 *     probe [COMMAND [ARGUMENT...] [, COMMAND [ARGUMENT...]]...]
 *
 * Without a command it writes a report to /report and exits with 0. Commands run in order; see `commands` below.
 * Where the root has a file /probe.commands, its words are the commands: the arguments may then be anything.
 * A report is lines of key=value, a key as often as it has values, bytes outside printable ASCII and % as %XX.
 * What it says on the console starts with "probe: ".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static struct timespec start;
static char **all_arguments;
static FILE *out;
/* Before each line of a report on the console, so that kernel messages in between can be told apart. */
static const char *prefix = "";

static long long nanoseconds(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

static void say(const char *format, ...) {
	char text[PATH_MAX * 2];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	/* One write, so that no other line comes in between. */
	dprintf(1, "probe: %s\n", text);
}

/* --- report ------------------------------------------------------------------------------------------------------ */

static void put_bytes(const char *key, const char *bytes, size_t length) {
	fprintf(out, "%s%s=", prefix, key);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = bytes[i];
		if (c < 0x20 || c > 0x7e || c == '%') fprintf(out, "%%%02X", c);
		else fputc(c, out);
	}
	fputc('\n', out);
}

static void put(const char *key, const char *format, ...) {
	char text[PATH_MAX * 2];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	put_bytes(key, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

static ssize_t read_all(const char *path, char *buffer, size_t size) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	size_t length = 0;
	ssize_t n;
	while (length < size - 1 && (n = read(fd, buffer + length, size - 1 - length)) > 0) length += n;
	close(fd);
	buffer[length] = 0;
	return length;
}

static void put_lines(const char *key, const char *path) {
	static char text[1 << 18];
	if (read_all(path, text, sizeof text) < 0) {
		put("unreadable", "%s: %s", path, strerror(errno));
		return;
	}
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) put(key, "%s", line);
}

/* Free pages that the kernel keeps for each processor, which MemFree and MemAvailable leave out (mm/page_alloc.c). */
static void put_kept_pages(void) {
	static char text[1 << 16];
	long pages = 0;
	if (read_all("/proc/zoneinfo", text, sizeof text) < 0) return;
	for (char *at = text; (at = strstr(at, "count:")); at++) pages += atol(at + strlen("count:"));
	put("kept-pages", "%ld", pages);
}

static void put_file(const char *path) {
	static char text[1 << 16];
	struct stat st;
	if (lstat(path, &st) < 0) {
		put("file", "%s - %s", path, strerror(errno));
		return;
	}
	const char *type = S_ISLNK(st.st_mode) ? "link" : S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "directory"
		: S_ISCHR(st.st_mode) ? "char" : "other";
	put("file", "%s %s %04o %u %u", path, type, st.st_mode & 07777, st.st_uid, st.st_gid);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, text, sizeof text);
		put("link", "%s %.*s", path, (int)n, text);
	} else if (S_ISREG(st.st_mode)) {
		ssize_t n = read_all(path, text, sizeof text);
		put("content-of", "%s", path);
		put_bytes("content", text, n < 0 ? 0 : n);
	}
}

/* The open descriptors of a process, and what each is. */
static void put_descriptors(const char *key, const char *folder) {
	DIR *directory = opendir(folder);
	if (!directory) {
		put("unreadable", "%s: %s", folder, strerror(errno));
		return;
	}
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.') continue;
		if (!strcmp(key, "fd") && atoi(entry->d_name) == dirfd(directory)) continue;
		char path[PATH_MAX], target[PATH_MAX];
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = 0;
		put(key, "%s %s", entry->d_name, target);
	}
	closedir(directory);
}

static void put_names(const char *key, const char *folder) {
	DIR *directory = opendir(folder);
	if (!directory) return;
	for (struct dirent *entry; (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) put(key, "%s", entry->d_name);
	closedir(directory);
}

static void put_processes(void) {
	DIR *directory = opendir("/proc");
	if (!directory) return;
	for (struct dirent *entry; (entry = readdir(directory));) {
		char path[PATH_MAX], text[4096];
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
		snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
		if (read_all(path, text, sizeof text) > 0) put("process", "%.*s", (int)strcspn(text, "\n"), text);
	}
	closedir(directory);
}

/* Links with their flags and MAC, addresses of both families; and whether each address can be used now. */
static void put_addresses(void) {
	struct ifaddrs *list;
	if (getifaddrs(&list) < 0) {
		put("unreadable", "getifaddrs: %s", strerror(errno));
		return;
	}
	for (struct ifaddrs *a = list; a; a = a->ifa_next) {
		char address[INET6_ADDRSTRLEN];
		if (!a->ifa_addr) continue;
		int family = a->ifa_addr->sa_family;
		if (family == AF_PACKET) {
			unsigned char *m = ((struct sockaddr_ll *)a->ifa_addr)->sll_addr;
			put("nic", "%s %x %02x:%02x:%02x:%02x:%02x:%02x", a->ifa_name, a->ifa_flags, m[0], m[1], m[2], m[3], m[4], m[5]);
			continue;
		}
		int v6 = family == AF_INET6;
		const void *bytes = v6 ? (void *)&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr
			: (void *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr;
		const unsigned char *mask = v6 ? ((struct sockaddr_in6 *)a->ifa_netmask)->sin6_addr.s6_addr
			: (unsigned char *)&((struct sockaddr_in *)a->ifa_netmask)->sin_addr;
		int length = 0;
		for (int i = 0; i < (v6 ? 16 : 4); i++) length += __builtin_popcount(mask[i]);
		int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		int bound = bind(fd, a->ifa_addr, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		put("address", "%s %s/%d %s", a->ifa_name, inet_ntop(family, bytes, address, sizeof address), length,
			bound ? strerror(errno) : "usable");
		close(fd);
	}
	freeifaddrs(list);
}

static void put_sysctl(const char *name) {
	char path[PATH_MAX + 16], text[256];
	snprintf(path, sizeof path, "/proc/sys/%s", name);
	if (read_all(path, text, sizeof text) >= 0) put("sysctl", "%s %.*s", name, (int)strcspn(text, "\n"), text);
}

static void put_statfs(const char *path) {
	struct statfs fs;
	if (statfs(path, &fs) == 0) put("statfs", "%s %lx", path, (unsigned long)fs.f_type);
}

static void put_everything(void) {
	char text[PATH_MAX];
	struct timespec boottime;
	clock_gettime(CLOCK_BOOTTIME, &boottime);

	/* What changes by itself comes first. */
	put_lines("if_inet6", "/proc/net/if_inet6");
	put_lines("meminfo", "/proc/meminfo");
	put_kept_pages();
	put("monotonic", "%lld", nanoseconds(start));
	put("boottime", "%lld", nanoseconds(boottime));
	put_lines("uptime", "/proc/uptime");
	put_addresses();
	put_lines("route", "/proc/net/route");
	put_lines("ipv6_route", "/proc/net/ipv6_route");

	for (char **a = all_arguments; *a; a++) put_bytes("argv", *a, strlen(*a));
	for (char **e = environ; *e; e++) put_bytes("env", *e, strlen(*e));
	put("cwd", "%s", getcwd(text, sizeof text) ? text : strerror(errno));
	put("ids", "%u %u %u %u", getuid(), geteuid(), getgid(), getegid());
	gid_t groups[64];
	int count = getgroups(64, groups);
	for (int i = 0; i < count; i++) put("group", "%u", groups[i]);
	put("pid", "%d %d %d %d", getpid(), getppid(), getpgrp(), getsid(0));
	for (int fd = 0; fd < 3; fd++) put("terminal", "%d %d %d", fd, isatty(fd), tcgetsid(fd));
	put("tpgid", "%d", tcgetpgrp(0));
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	put("dev-tty", "%s", tty < 0 ? strerror(errno) : "opens");
	if (tty >= 0) close(tty);
	mode_t mask = umask(0);
	umask(mask);
	put("umask", "%04o", mask);

	put_descriptors("fd", "/proc/self/fd");
	put_lines("status", "/proc/self/status");
	put_lines("limit", "/proc/self/limits");
	put_lines("mount", "/proc/mounts");
	put_lines("mountinfo", "/proc/self/mountinfo");
	put_processes();

	put_lines("pid1-status", "/proc/1/status");
	put_descriptors("pid1-fd", "/proc/1/fd");
	ssize_t n = readlink("/proc/1/exe", text, sizeof text);
	if (n > 0) put("pid1-exe", "%.*s", (int)n, text);
	put_names("root-entry", "/");

	gethostname(text, sizeof text);
	put("hostname", "%s", text);
	const char *files[] = {"/etc", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/dev/fd", "/dev/stdin", "/dev/stdout",
		"/dev/stderr", "/dev/ptmx", "/dev/null", "/dev/zero", "/dev/random", "/dev/tty", "/dev/console", "/tmp", "/run",
		"/root/.ssh", "/root/.ssh/authorized_keys", NULL};
	for (const char **f = files; *f; f++) put_file(*f);
	put_statfs("/");
	const char *scopes[] = {"all", "default", "eth0", "eth1", NULL};
	for (const char **s = scopes; *s; s++) {
		const char *keys[] = {"accept_ra", "autoconf", "disable_ipv6", "accept_dad", NULL};
		for (const char **k = keys; *k; k++) {
			snprintf(text, sizeof text, "net/ipv6/conf/%s/%s", *s, *k);
			put_sysctl(text);
		}
	}
	put("end", "end");
}

/* report [PATH]: to a file, or to the console where PATH is -. Collected first: its own descriptor is not a stray one. */
static int report(int count, char **arguments) {
	const char *path = count ? arguments[0] : "/report";
	int console = !strcmp(path, "-");
	char *text = NULL;
	size_t length = 0;
	prefix = console ? "probe-report: " : "";
	out = open_memstream(&text, &length);
	put_everything();
	fclose(out);
	int fd = console ? 1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (size_t done = 0; fd >= 0 && done < length;) {
		ssize_t n = write(fd, text + done, length - done);
		if (n < 0) break;
		done += n;
		if (done == length) return free(text), 0;
	}
	say("cannot write %s: %s", path, strerror(errno));
	return 1;
}

/* --- other commands ---------------------------------------------------------------------------------------------- */

/* PID 1 (exec mode) must not just end, which would be a kernel panic. */
static void leave(int code) {
	if (getpid() == 1) {
		say("pid 1 ends, code %d", code);
		sync();
		reboot(RB_POWER_OFF);
	}
	exit(code);
}

static int exit_with(int count, char **arguments) {
	leave(count ? atoi(arguments[0]) : 0);
	return 0;
}

static int raise_signal(int count, char **arguments) {
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	signal(atoi(arguments[0]), SIG_DFL);
	raise(atoi(arguments[0]));
	return count;
}

static int say_words(int count, char **arguments) {
	char text[PATH_MAX] = "";
	for (int i = 0; i < count; i++) {
		if (i) strncat(text, " ", sizeof text - strlen(text) - 1);
		strncat(text, arguments[i], sizeof text - strlen(text) - 1);
	}
	say("%s", text);
	return 0;
}

static void sleep_for(long milliseconds) {
	struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	while (nanosleep(&t, &t) < 0 && errno == EINTR) {
	}
}

static int sleep_milliseconds(int count, char **arguments) {
	(void)count;
	sleep_for(atol(arguments[0]));
	return 0;
}

/* How many processes have PID 1 for a parent, and how many of them are zombies. Kernel threads' parent is 2. */
static void count_children_of_init(int *children, int *zombies) {
	*children = *zombies = 0;
	DIR *directory = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(directory));) {
		char path[PATH_MAX], text[4096], state;
		int parent;
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
		snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
		if (read_all(path, text, sizeof text) <= 0) continue;
		if (sscanf(strrchr(text, ')') + 1, " %c %d", &state, &parent) != 2 || parent != 1) continue;
		++*children;
		if (state == 'Z') ++*zombies;
	}
	closedir(directory);
}

/* orphans N: N processes that end all at once as PID 1's children; then, how many zombies stay. */
static int orphans(int count, char **arguments) {
	int wanted = count ? atoi(arguments[0]) : 1000, gate[2], ready[2], started = 0, before, zombies, children;
	if (pipe(gate) || pipe(ready)) return 1;
	count_children_of_init(&before, &zombies);
	pid_t middle = fork();
	if (middle == 0) {
		close(gate[1]);
		for (int i = 0; i < wanted; i++) {
			pid_t pid = fork();
			if (pid < 0) break;
			if (pid == 0) {
				char byte;
				close(ready[1]);
				_exit(read(gate[0], &byte, 1) < 0);
			}
			started++;
		}
		dprintf(ready[1], "%d", started);
		_exit(0);
	}
	close(ready[1]);
	close(gate[0]);
	char text[32] = "";
	waitpid(middle, NULL, 0);
	if (read(ready[0], text, sizeof text - 1) > 0) started = atoi(text);
	count_children_of_init(&children, &zombies);
	say("orphans started %d, adopted %d", started, children - before);
	close(gate[1]);
	long waited = 0;
	do {
		sleep_for(20);
		waited += 20;
		count_children_of_init(&children, &zombies);
	} while (children > before && waited < 20000);
	say("orphans left %d, zombies %d", children - before, zombies);
	return children > before || started != wanted;
}

/* block: from now on, signals wait for the command `signals`. */
static int block(int count, char **arguments) {
	sigset_t set;
	(void)count;
	(void)arguments;
	sigfillset(&set);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

/* signals N: waits for N signals and names each. TERM ends nothing here: that is the test's to see. */
static int await_signals(int count, char **arguments) {
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("ready for signals");
	for (int left = count ? atoi(arguments[0]) : 1; left > 0; left--) {
		siginfo_t info;
		if (sigwaitinfo(&set, &info) < 0) continue;
		say("signal %d from %d", info.si_signo, info.si_pid);
	}
	return 0;
}

/* deaf: a child in a session of its own that ignores all that it may; only KILL ends it. */
static int deaf(int count, char **arguments) {
	(void)count;
	(void)arguments;
	int ready[2];
	char byte;
	if (pipe(ready)) return 1;
	if (fork() == 0) {
		setsid();
		for (int s = 1; s < 65; s++) signal(s, SIG_IGN);
		dprintf(ready[1], "x");
		for (;;) pause();
	}
	return read(ready[0], &byte, 1) != 1;
}

/* kill PID SIGNAL */
static int kill_process(int count, char **arguments) {
	if (count < 2) return 1;
	if (kill(atoi(arguments[0]), atoi(arguments[1])) < 0) say("kill: %s", strerror(errno));
	return 0;
}

/* write PATH TEXT, append PATH TEXT, cat PATH, ls PATH, mkdir PATH */
static int put_text(const char *path, const char *text, int flags) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	if (fd < 0 || dprintf(fd, "%s", text) < 0) {
		say("write %s: %s", path, strerror(errno));
		return 1;
	}
	fsync(fd);
	close(fd);
	say("wrote %s", path);
	return 0;
}
static int write_file(int count, char **arguments) {
	return count < 2 || put_text(arguments[0], arguments[1], O_TRUNC);
}
static int append_file(int count, char **arguments) {
	return count < 2 || put_text(arguments[0], arguments[1], O_APPEND);
}

static int cat(int count, char **arguments) {
	static char text[1 << 16];
	for (int i = 0; i < count; i++) {
		if (read_all(arguments[i], text, sizeof text) < 0) say("cat %s: %s", arguments[i], strerror(errno));
		else say("cat %s: %.*s", arguments[i], (int)strcspn(text, "\n"), text);
	}
	return 0;
}

/* df PATH...: how large their file systems are. */
static int sizes(int count, char **arguments) {
	for (int i = 0; i < count; i++) {
		struct statvfs status;
		if (statvfs(arguments[i], &status) < 0) say("df %s: %s", arguments[i], strerror(errno));
		else say("df %s: %llu MiB", arguments[i], (unsigned long long)status.f_blocks * status.f_frsize >> 20);
	}
	return 0;
}

static int make_directory(int count, char **arguments) {
	int failed = !count || mkdir(arguments[0], 0755) < 0;
	say("mkdir %s: %s", count ? arguments[0] : "", failed ? strerror(errno) : "made");
	return 0;
}

/* run PROGRAM [ARGUMENT...]: and wait for it. */
static int run(int count, char **arguments) {
	char **vector = calloc(count + 1, sizeof *vector);
	memcpy(vector, arguments, count * sizeof *vector);
	pid_t pid = fork();
	if (pid == 0) {
		execv(vector[0], vector);
		_exit(127);
	}
	int status;
	waitpid(pid, &status, 0);
	say("run %s: %d", vector[0], WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	free(vector);
	return 0;
}

/*
 * next FILE: ends in the way that a counter in the file names, and counts up: exit codes 0 to 255, then each signal
 * that ends a process by default. Past them it says so and waits.
 */
static int next(int count, char **arguments) {
	char text[32] = "0";
	if (!count) return 1;
	read_all(arguments[0], text, sizeof text);
	int n = atoi(text), signals = 0;
	int fd = open(arguments[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dprintf(fd, "%d", n + 1);
	close(fd);
	if (n < 256) leave(n);
	for (int s = 1; s < 65; s++) {
		if (s == SIGCHLD || s == SIGCONT || s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU || s == SIGURG
			|| s == SIGWINCH || (s > 31 && s < SIGRTMIN)) continue;
		if (signals++ == n - 256) raise_signal(1, (char *[]){(snprintf(text, sizeof text, "%d", s), text)});
	}
	say("all ends tried");
	for (;;) pause();
}

static const struct {
	const char *name;
	int (*run)(int count, char **arguments);
} commands[] = {
	{"report", report},
	{"exit", exit_with},
	{"raise", raise_signal},
	{"say", say_words},
	{"sleep", sleep_milliseconds},
	{"orphans", orphans},
	{"block", block},
	{"signals", await_signals},
	{"deaf", deaf},
	{"kill", kill_process},
	{"write", write_file},
	{"append", append_file},
	{"cat", cat},
	{"df", sizes},
	{"mkdir", make_directory},
	{"run", run},
	{"next", next},
};

static int run_command(int count, char **words) {
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(words[0], commands[i].name)) return commands[i].run(count - 1, words + 1);
	say("no command %s", words[0]);
	return 2;
}

/* The words of /probe.commands after a first one, as main's arguments; NULL where there is no such file. */
static char **commands_of_root(int *count) {
	static char text[1 << 16], *words[4096];
	if (read_all("/probe.commands", text, sizeof text) < 0) return NULL;
	*count = 0;
	words[(*count)++] = "probe";
	for (char *word = strtok(text, " \n"); word && *count < 4095; word = strtok(NULL, " \n")) words[(*count)++] = word;
	return words;
}

int main(int argc, char **argv) {
	clock_gettime(CLOCK_MONOTONIC, &start);
#ifdef MARKED
	/* By the kernel's log, whose clock also has the line "Run /init as init process"; at a level that PID 1 leaves on. */
	static const char text[] = "<2>probe: first instruction";
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (write(log, text, sizeof text - 1) < 0) say("/dev/kmsg: %s", strerror(errno));
	close(log);
#endif
	all_arguments = argv;
	char **commands = commands_of_root(&argc);
	if (commands) argv = commands;
	say("started %lld.%06lld", nanoseconds(start) / 1000000000, nanoseconds(start) / 1000 % 1000000);
	int code = 0;
	if (argc < 2) code = report(0, NULL);
	for (int i = 1; i < argc;) {
		int end = i;
		while (end < argc && strcmp(argv[end], ",")) end++;
		if (end > i) code |= run_command(end - i, argv + i);
		i = end + 1;
	}
	leave(code);
}
