/*
 * What a container does to PID 1 that a shell can't.
 *
 *     fault COMMAND [ARGUMENT...]
 *
 * What it says on the console starts with "fault: ".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int quick(void *argument) {
	(void)argument;
	_exit(0);
}

/* How many processes are PID 1's children, zombies among them. */
static int children_of_init(void) {
	int count = 0;
	DIR *directory = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(directory));) {
		char path[64], text[512];
		int parent;
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
		snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0) continue;
		text[n] = 0;
		if (sscanf(strrchr(text, ')') + 1, " %*c %d", &parent) == 1 && parent == 1) count++;
	}
	closedir(directory);
	return count;
}

/*
 * children N: N processes that end at once as PID 1's children. They are so from the start (CLONE_PARENT of the
 * entrypoint, which is one itself), and share its memory, so that a burst of them is cheap.
 */
static int children(int wanted) {
	static char stack[1 << 16] __attribute__((aligned(16)));
	int before = children_of_init(), full = 0, most = 0;
	for (int i = 0; i < wanted; i++) {
		while (clone(quick, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, NULL) < 0) {
			full++;
			sched_yield();
		}
		if (i % (wanted / 4) == wanted / 8) {
			int now = children_of_init() - before;
			if (now > most) most = now;
		}
	}
	int left = 0;
	for (int tries = 0; tries < 200 && (left = children_of_init() - before) > 0; tries++) usleep(20000);
	printf("fault: of %d children %d are left\n", wanted, left);
	return left > 0;
}

/* storm MILLISECONDS: signals to PID 1, ten a millisecond, while orphans end; then, how many of these are left. */
static int storm(int milliseconds) {
	int before = children_of_init(), orphans = 0, sent = 0;
	signal(SIGUSR1, SIG_IGN);
	for (int s = SIGRTMIN; s <= SIGRTMAX; s++) signal(s, SIG_IGN);
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (long passed = 0; passed < milliseconds;) {
		for (; sent < passed * 10; sent++) kill(1, sent % 2 ? SIGUSR1 : SIGRTMIN + sent % 8);
		if (orphans <= passed / 20) {
			orphans++;
			pid_t middle = fork();
			if (middle == 0) {
				if (fork() == 0) usleep(1000);
				_exit(0);
			}
			waitpid(middle, NULL, 0);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		passed = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
	}
	int left = 0;
	for (int tries = 0; tries < 200 && (left = children_of_init() - before) > 0; tries++) usleep(20000);
	printf("fault: at least %d signals: %s; of the orphans %d are left\n", milliseconds * 10,
		sent >= milliseconds * 9 ? "sent" : "too slow", left);
	return left > 0;
}

/* eat: every page that there is. */
_Noreturn static void eat(void) {
	for (;;) {
		char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED) continue;
		memset(page, 1, 1 << 20);
	}
}

/* bomb: forks for ever; each a session of its own that ignores what it may. */
_Noreturn static void bomb(void) {
	signal(SIGTERM, SIG_IGN);
	for (;;) {
		if (fork() == 0) setsid();
		sched_yield();
	}
}

/* fill: fills the PID table with sleepers of sessions of their own. */
static int fill(void) {
	for (;;) {
		pid_t pid = fork();
		if (pid == 0) {
			setsid();
			for (;;) pause();
		}
		if (pid < 0) break;
	}
	printf("fault: fork: %s\n", strerror(errno));
	return 0;
}

/* deaf: ignores TERM and tells so. */
_Noreturn static void deaf(void) {
	signal(SIGTERM, SIG_IGN);
	printf("fault: deaf\n");
	fflush(stdout);
	for (;;) pause();
}

/* polite: ends with 7 on TERM; stopped: stops itself first. */
static void leave(int signal) {
	(void)signal;
	_exit(7);
}
_Noreturn static void stopped(void) {
	signal(SIGTERM, leave);
	printf("fault: stops itself\n");
	fflush(stdout);
	raise(SIGSTOP);
	for (;;) pause();
}

/* limit NUMBER VALUE [soft]: of PID 1; without CAP_SYS_RESOURCE only a soft one can be raised again. */
static int limit(int resource, long value, int soft) {
	struct rlimit limit;
	prlimit(1, resource, NULL, &limit);
	limit.rlim_cur = value;
	if (!soft) limit.rlim_max = value;
	if (prlimit(1, resource, &limit, NULL) < 0) printf("fault: prlimit: %s\n", strerror(errno));
	return 0;
}

int main(int argc, char **argv) {
	const char *command = argc > 1 ? argv[1] : "";
	const char *first = argc > 2 ? argv[2] : "0";
	if (!strcmp(command, "children")) return children(atoi(first));
	if (!strcmp(command, "storm")) return storm(atoi(first));
	if (!strcmp(command, "eat")) eat();
	if (!strcmp(command, "bomb")) bomb();
	if (!strcmp(command, "fill")) return fill();
	if (!strcmp(command, "deaf")) deaf();
	if (!strcmp(command, "stopped")) stopped();
	if (!strcmp(command, "limit") && argc > 3) return limit(atoi(first), atol(argv[3]), argc > 4);
	printf("fault: no command %s\n", command);
	return 2;
}
