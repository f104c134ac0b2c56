/*
 * latency COUNT: how long it takes from a signal to PID 1 until it arrives here, in microseconds: the median, and what nine of
 * ten stay below. With pauses, so that PID 1 sleeps each time.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int count, char **arguments) {
	int wanted = count > 1 ? atoi(arguments[1]) : 100;
	double *taken = malloc(wanted * sizeof *taken);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < wanted; i++) {
		usleep(2000);
		double start = now();
		siginfo_t info;
		if (kill(1, SIGUSR1) < 0 || sigtimedwait(&set, &info, &(struct timespec){1, 0}) < 0) return 1;
		taken[i] = now() - start;
	}
	qsort(taken, wanted, sizeof *taken, compare);
	printf("latency: %.1f %.1f\n", taken[wanted / 2], taken[wanted * 9 / 10]);
	return 0;
}
