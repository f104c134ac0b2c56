/*
 * orphans COUNT BATCH [PACE]: so many processes that end as PID 1's, BATCH at a time, as fast as they can be made; the next
 * batch when the last one has been reaped.
 *
 * With a pace it says `ready DONE` and waits for a line before each PACE of them, and says `gone DONE SECONDS` behind them: the
 * time from the first reaping of their last batch to its last. Where a batch is all of a pace, it says `made DONE` when all have
 * ended. Waits a second at the end, so that PID 1 can be looked at.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A zombie can still be signalled: gone is who was reaped. */
static void wait_until_gone(pid_t pid) {
	while (kill(pid, 0) == 0 || errno != ESRCH) usleep(50);
}

/* There are no more pids while PID 1 is behind. */
static void make_all(pid_t *pids, int batch) {
	/* A PID 1 that hands a signal on to our process group would be measured by the group's size. */
	setpgid(0, 0);
	for (int i = 0; i < batch; i++) {
		while ((pids[i] = vfork()) < 0) usleep(1000);
		if (pids[i] == 0) _exit(0);
	}
	_exit(0);
}

static void make(pid_t *pids, int batch) {
	pid_t middle;
	while ((middle = fork()) < 0) usleep(1000);
	if (middle == 0) make_all(pids, batch);
	int status;
	if (waitpid(middle, &status, 0) < 0 || status != 0) exit(1);
}

int main(int count, char **arguments) {
	int wanted = count > 1 ? atoi(arguments[1]) : 1000, batch = count > 2 ? atoi(arguments[2]) : 1000;
	int pace = count > 3 ? atoi(arguments[3]) : 0;
	pid_t *pids = mmap(NULL, batch * sizeof *pids, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pids == MAP_FAILED) return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	double start = now();
	for (int done = 0; done < wanted; done += batch) {
		int from = pace > 0 && done % pace == 0, to = pace > 0 && (done + batch) % pace == 0;
		if (from) printf("ready %d\n", done);
		if (from && getchar() == EOF) return 1;
		make(pids, batch);
		if (from && to) printf("made %d\n", done);
		/* The kernel finds children in the order in which they were made. */
		if (batch == 1 && !to) continue;
		wait_until_gone(pids[0]);
		double first = now();
		for (int i = batch - 1; i >= 0; i--) wait_until_gone(pids[i]);
		if (to) printf("gone %d %.6f\n", done + batch - pace, now() - first);
	}
	printf("orphans: %d in %.3f s\n", wanted, now() - start);
	sleep(1);
	return 0;
}
