/*
 * sealed PROGRAM [ARGUMENT...]: what runs our PID 1 beside others in a namespace, where the machine is not its own.
 *
 * mount(2) answers EBUSY for the pseudo file systems that are there already, which PID 1 takes for what it is; so
 * /proc stays the one with a command line for it. A seed's disk is there already as well: mount(2) of one does nothing.
 * The machine's log level, swap, clock and modules are out of reach.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEALED (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define DEVTMPFS (MS_NOSUID | MS_STRICTATIME)
#define SEED (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUALS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

int main(int count, char **arguments) {
	struct sock_filter filter[] = {
		LOAD(nr),
		EQUALS(SYS_mount, 6, 0),
		EQUALS(SYS_syslog, 4, 0),
		EQUALS(SYS_swapoff, 3, 0),
		EQUALS(SYS_finit_module, 2, 0),
		EQUALS(SYS_settimeofday, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		ANSWER(EPERM),
		LOAD(args[3]),
		EQUALS(SEALED, 3, 0),
		EQUALS(DEVTMPFS, 2, 0),
		EQUALS(SEED, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		ANSWER(EBUSY),
		ANSWER(0),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (count < 2) return 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("seccomp");
		return 1;
	}
	execv(arguments[1], arguments + 1);
	perror(arguments[1]);
	return 127;
}
