/*
 * orphans COUNT BATCH: so many processes that end as PID 1's, BATCH at a time, as fast as they can be made; then how long it
 * took until the last of them was reaped. Waits a second at the end, so that PID 1 can be looked at.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
	int wanted = count > 1 ? atoi(arguments[1]) : 1000, batch = count > 2 ? atoi(arguments[2]) : 1000;
	pid_t *pids = mmap(NULL, batch * sizeof *pids, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pids == MAP_FAILED) return 1;
	double start = now(), waited = 0;
	for (int done = 0; done < wanted; done += batch) {
		pid_t middle = fork();
		if (middle == 0) {
			for (int i = 0; i < batch; i++) {
				pids[i] = vfork();
				if (pids[i] == 0) _exit(0);
				if (pids[i] < 0) _exit(1);
			}
			_exit(0);
		}
		int status;
		if (waitpid(middle, &status, 0) < 0 || status != 0) return 1;
		double ended = now();
		/* A zombie can still be signalled: gone is who was reaped. */
		for (int i = batch - 1; i >= 0; i--) while (kill(pids[i], 0) == 0 || errno != ESRCH) usleep(50);
		waited += now() - ended;
	}
	printf("orphans: %d in %.3f s, %.3f s of it behind the last end of a batch\n", wanted, now() - start, waited);
	fflush(stdout);
	sleep(1);
	return 0;
}
