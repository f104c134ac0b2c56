/*
 * A minimal init for comparing kernels (test/bench/kernel.ts): prints the available memory and the kernel's uptime, and
 * powers off.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	char text[4096] = "";
	struct timespec now;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[size > 0 ? size : 0] = '\0';
	long available = 0;
	char *found = strstr(text, "MemAvailable:");
	if (found)
		sscanf(found, "MemAvailable: %ld", &available);
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("init: available=%ld uptime=%ld.%03ld\n", available, (long)now.tv_sec, now.tv_nsec / 1000000);
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
