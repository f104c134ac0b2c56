/*
 * The init of a traced boot: attaches strace(1) to itself, and then becomes /init. See calls.ts.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int main(void) {
	char status[4096];
	mount("proc", "/proc", "proc", 0, NULL);
	if (fork() == 0) {
		char *const environment[] = {"LD_LIBRARY_PATH=/strace.d", NULL};
		char *const arguments[] = {"strace", "-f", "-s", "200", "-o", "/strace.d/out", "-p", "1", NULL};
		execve("/strace.d/strace", arguments, environment);
		_exit(127);
	}
	for (;;) {
		int fd = open("/proc/self/status", O_RDONLY);
		ssize_t length = read(fd, status, sizeof status - 1);
		close(fd);
		status[length < 0 ? 0 : length] = 0;
		const char *tracer = strstr(status, "TracerPid:\t");
		if (tracer && tracer[strlen("TracerPid:\t")] != '0') break;
		usleep(10000);
	}
	umount("/proc");
	char *const arguments[] = {"/init", NULL};
	char *const environment[] = {"HOME=/", "TERM=linux", NULL};
	execve("/init", arguments, environment);
	return 1;
}
