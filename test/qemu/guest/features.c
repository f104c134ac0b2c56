/*
 * System calls that programs count on and a minimal kernel may lack: each is made once, with an effect that shows.
 *
 *     features                     a line for each: "feature: NAME ok", or the call that failed and its errno
 *     features xattr PATH          sets and reads an attribute user.* of a file, and an ACL
 *     features mount TYPE SOURCE TARGET [OPTIONS]
 *                                  mount(2) as it is: busybox would put a loop device before a regular file
 *
 * Numbers of system calls that musl does not know are those of arch/x86/entry/syscalls/syscall_64.tbl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_alg.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* The call that failed, or NULL; errno tells why. */
typedef const char *failure;

#define TRY(call) \
	do { \
		if ((long)(call) < 0) return #call; \
	} while (0)

/* Where no call failed, but its effect is not there. */
static failure without_effect(const char *what) {
	errno = 0;
	return what;
}

static failure io_uring(void) {
	struct io_uring_params parameters = {0};
	int ring = syscall(SYS_io_uring_setup, 4, &parameters);
	TRY(ring);
	size_t size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
	size_t done = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
	char *rings = mmap(NULL, size > done ? size : done, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries = mmap(NULL, parameters.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
		MAP_SHARED, ring, IORING_OFF_SQES);
	if (rings == MAP_FAILED || entries == MAP_FAILED) return "mmap of the rings";
	entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = 42};
	((unsigned *)(rings + parameters.sq_off.array))[0] = 0;
	*(unsigned *)(rings + parameters.sq_off.tail) = 1;
	TRY(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	struct io_uring_cqe *completed = (void *)(rings + parameters.cq_off.cqes);
	return completed->user_data == 42 ? NULL : without_effect("no completion");
}

static int load(enum bpf_prog_type type, enum bpf_attach_type attach, const struct bpf_insn *code, size_t count) {
	union bpf_attr attributes = {
		.prog_type = type,
		.expected_attach_type = attach,
		.insns = (unsigned long)code,
		.insn_cnt = count,
		.license = (unsigned long)"GPL",
	};
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

/* r0 = VALUE; exit */
#define RETURNS(value) \
	{ \
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = value}, {.code = BPF_JMP | BPF_EXIT}, \
	}

/* A filter that drops everything: what is sent does not arrive. */
static failure bpf_socket_filter(void) {
	static const struct bpf_insn drop[] = RETURNS(0);
	int program = load(BPF_PROG_TYPE_SOCKET_FILTER, 0, drop, LENGTH(drop)), pair[2];
	char byte;
	TRY(program);
	TRY(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	TRY(setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program));
	/* A filter that drops is no error to AF_UNIX's sender, or EPERM. */
	(void)!write(pair[0], "x", 1);
	return read(pair[1], &byte, 1) < 0 && errno == EAGAIN ? NULL : without_effect("the filter let it through");
}

/* How runc and crun keep a container from devices: with it attached, /dev/null does not open. */
static failure bpf_cgroup_device(void) {
	static const struct bpf_insn deny[] = RETURNS(0);
	int program = load(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, deny, LENGTH(deny));
	TRY(program);
	mkdir("/sys/fs/cgroup/features", 0755);
	int group = open("/sys/fs/cgroup/features", O_RDONLY | O_DIRECTORY);
	TRY(group);
	union bpf_attr attach = {.target_fd = group, .attach_bpf_fd = program, .attach_type = BPF_CGROUP_DEVICE};
	TRY(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
	int processes = open("/sys/fs/cgroup/features/cgroup.procs", O_WRONLY);
	TRY(processes);
	TRY(write(processes, "0", 1));
	return open("/dev/null", O_RDONLY) < 0 && errno == EPERM ? NULL : without_effect("/dev/null opens");
}

static failure seccomp_filter(void) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {LENGTH(code), code};
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	return syscall(SYS_getppid) < 0 && errno == 77 ? NULL : without_effect("the filter did nothing");
}

/* Allows nothing below /: then nothing opens. */
static failure landlock(void) {
	TRY(syscall(444, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
	struct landlock_ruleset_attr rules = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
	int ruleset = syscall(444, &rules, sizeof rules, 0);
	TRY(ruleset);
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(syscall(446, ruleset, 0));
	return open("/proc/version", O_RDONLY) < 0 && errno == EACCES ? NULL : without_effect("/proc/version opens");
}

static failure user_fault(void) {
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	TRY(fd);
	struct uffdio_api api = {.api = UFFD_API};
	TRY(ioctl(fd, UFFDIO_API, &api));
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = {.range = {(unsigned long)page, 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	TRY(ioctl(fd, UFFDIO_REGISTER, &range));
	return NULL;
}

static failure secret_memory(void) {
	int fd = syscall(447, 0);
	TRY(fd);
	TRY(ftruncate(fd, 4096));
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) return "mmap";
	strcpy(page, "secret");
	return strcmp(page, "secret") ? without_effect("another text") : NULL;
}

/* By AF_ALG: the hash of nothing is well known. */
static failure crypto_hash(void) {
	static const unsigned char begin[] = {0xe3, 0xb0, 0xc4, 0x42};
	struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256"};
	unsigned char sum[32];
	int bound = socket(AF_ALG, SOCK_SEQPACKET, 0);
	TRY(bound);
	TRY(bind(bound, (struct sockaddr *)&address, sizeof address));
	int hash = accept(bound, NULL, 0);
	TRY(hash);
	TRY(send(hash, "", 0, 0));
	TRY(read(hash, sum, sizeof sum));
	return memcmp(sum, begin, sizeof begin) ? without_effect("another sum") : NULL;
}

static failure crypto_cipher(void) {
	struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "skcipher", .salg_name = "xts(aes)"};
	int bound = socket(AF_ALG, SOCK_SEQPACKET, 0);
	TRY(bound);
	TRY(bind(bound, (struct sockaddr *)&address, sizeof address));
	return NULL;
}

/* To itself, by vsock_loopback: what tests of its users do without a host. */
static failure vsock(void) {
	struct sockaddr_vm here = {.svm_family = AF_VSOCK, .svm_port = 1000, .svm_cid = VMADDR_CID_ANY};
	struct sockaddr_vm there = {.svm_family = AF_VSOCK, .svm_port = 1000, .svm_cid = VMADDR_CID_LOCAL};
	int server = socket(AF_VSOCK, SOCK_STREAM, 0), client = socket(AF_VSOCK, SOCK_STREAM, 0);
	char byte = 0;
	TRY(server);
	TRY(bind(server, (struct sockaddr *)&here, sizeof here));
	TRY(listen(server, 1));
	TRY(connect(client, (struct sockaddr *)&there, sizeof there));
	int accepted = accept(server, NULL, NULL);
	TRY(accepted);
	TRY(write(client, "x", 1));
	TRY(read(accepted, &byte, 1));
	return byte == 'x' ? NULL : without_effect("another byte");
}

/* A process in namespaces of its own is PID 1 there, and root of its users. */
static failure namespaces(void) {
	TRY(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC
		| CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */));
	int status;
	pid_t pid = fork();
	TRY(pid);
	if (pid == 0) _exit(getpid() == 1 ? 0 : 1);
	TRY(waitpid(pid, &status, 0));
	return status == 0 ? NULL : without_effect("not PID 1");
}

static failure pidfd(void) {
	pid_t pid = fork();
	if (pid == 0) _exit(7);
	int fd = syscall(SYS_pidfd_open, pid, 0);
	TRY(fd);
	siginfo_t info;
	TRY(waitid(P_PIDFD, fd, &info, WEXITED));
	return info.si_status == 7 ? NULL : without_effect("another status");
}

static failure fanotify(void) {
	int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK, O_RDONLY);
	TRY(fd);
	TRY(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "/dev/null"));
	return NULL;
}

static failure message_queue(void) {
	mqd_t queue = mq_open("/features", O_RDWR | O_CREAT, 0600, NULL);
	TRY(queue);
	TRY(mq_send(queue, "x", 1, 0));
	TRY(mq_unlink("/features"));
	return NULL;
}

static failure keyring(void) {
	long key = syscall(SYS_add_key, "user", "features", "x", 1, KEY_SPEC_PROCESS_KEYRING);
	TRY(key);
	char text[2] = "";
	TRY(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text));
	return text[0] == 'x' ? NULL : without_effect("another key");
}

static failure perf_events(void) {
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_TASK_CLOCK};
	int fd = syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
	long long count = 0;
	TRY(fd);
	for (volatile int i = 0; i < 100000; i++) {
	}
	TRY(read(fd, &count, sizeof count));
	return count > 0 ? NULL : without_effect("nothing counted");
}

static failure huge_page(void) {
	int pages = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	TRY(pages);
	TRY(write(pages, "2", 1));
	char *page = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (page == MAP_FAILED) return "mmap";
	page[0] = 1;
	TRY(munmap(page, 2 << 20));
	TRY(write(pages, "0", 1));
	return NULL;
}

static failure transparent_huge_page(void) {
	TRY(madvise(mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4 << 20, MADV_HUGEPAGE));
	return NULL;
}

static failure memory_file(void) {
	int fd = memfd_create("features", MFD_ALLOW_SEALING);
	TRY(fd);
	TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	return write(fd, "x", 1) < 0 && errno == EPERM ? NULL : without_effect("sealed, and written to");
}

static failure file_handle(void) {
	struct {
		struct file_handle head;
		unsigned char room[128];
	} handle = {.head.handle_bytes = 128};
	int mount;
	TRY(name_to_handle_at(AT_FDCWD, "/dev/shm", &handle.head, &mount, 0));
	return NULL;
}

static failure compare_processes(void) {
	TRY(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
	return NULL;
}

static failure process_memory(void) {
	char from = 'x', to = 0;
	struct iovec source = {&from, 1}, target = {&to, 1};
	TRY(process_vm_readv(getpid(), &target, 1, &source, 1, 0));
	return to == 'x' ? NULL : without_effect("another byte");
}

static failure barrier(void) {
	TRY(syscall(SYS_membarrier, 0 /* MEMBARRIER_CMD_QUERY */, 0, 0));
	return NULL;
}

static failure cache_statistics(void) {
	unsigned long range[2] = {0, 0}, counts[5];
	int fd = open("/proc/self/exe", O_RDONLY);
	TRY(fd);
	TRY(syscall(451, fd, range, counts, 0));
	return counts[0] > 0 ? NULL : without_effect("no page of the running program");
}

static failure new_mount_api(void) {
	int context = syscall(SYS_fsopen, "tmpfs", 0);
	TRY(context);
	TRY(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
	int mounted = syscall(SYS_fsmount, context, 0, 0);
	TRY(mounted);
	TRY(openat(mounted, "file", O_CREAT | O_RDWR, 0600));
	return NULL;
}

/* As runc with user namespaces mounts a volume: owned by others than on disk. */
static failure id_mapped_mount(void) {
	int names[2];
	TRY(pipe(names));
	pid_t pid = fork();
	TRY(pid);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0) _exit(1);
		(void)!write(names[1], "x", 1);
		pause();
	}
	char path[64], byte;
	TRY(read(names[0], &byte, 1));
	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	int map = open(path, O_WRONLY);
	TRY(map);
	TRY(write(map, "0 1000 1", 8));
	snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	map = open(path, O_WRONLY);
	TRY(map);
	TRY(write(map, "0 1000 1", 8));
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	struct {
		unsigned long long set, clear, propagation, users;
	} attributes = {.set = 0x100000 /* MOUNT_ATTR_IDMAP */, .users = open(path, O_RDONLY)};
	int tree = syscall(SYS_open_tree, AT_FDCWD, "/dev/shm", 1 /* OPEN_TREE_CLONE */);
	TRY(tree);
	TRY(syscall(442, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes));
	struct stat found;
	TRY(fstatat(tree, "", &found, AT_EMPTY_PATH));
	kill(pid, SIGKILL);
	return found.st_uid == 1000 ? NULL : without_effect("not another owner");
}

/* A frame that the kernel sends by the interface is read from the descriptor. */
static failure tun(void) {
	struct ifreq request = {.ifr_name = "features", .ifr_flags = IFF_TAP | IFF_NO_PI};
	char frame[2048];
	int fd = open("/dev/net/tun", O_RDWR);
	TRY(fd);
	TRY(ioctl(fd, TUNSETIFF, &request));
	int any = socket(AF_INET6, SOCK_DGRAM, 0);
	TRY(ioctl(any, SIOCGIFFLAGS, &request));
	request.ifr_flags |= IFF_UP;
	TRY(ioctl(any, SIOCSIFFLAGS, &request));
	/* IPv6 asks for its neighbours as soon as it is up. */
	TRY(read(fd, frame, sizeof frame));
	return NULL;
}

static failure checkpoint(void) {
	int fd = open("/proc/sys/kernel/ns_last_pid", O_RDWR);
	TRY(fd);
	return NULL;
}

static const struct {
	const char *name;
	failure (*make)(void);
} features[] = {
	{"io_uring", io_uring},
	{"bpf-socket-filter", bpf_socket_filter},
	{"bpf-cgroup-device", bpf_cgroup_device},
	{"seccomp-filter", seccomp_filter},
	{"landlock", landlock},
	{"userfaultfd", user_fault},
	{"memfd_secret", secret_memory},
	{"af_alg-hash", crypto_hash},
	{"af_alg-skcipher", crypto_cipher},
	{"vsock", vsock},
	{"namespaces", namespaces},
	{"pidfd", pidfd},
	{"fanotify", fanotify},
	{"mqueue", message_queue},
	{"keyring", keyring},
	{"perf_event", perf_events},
	{"hugetlb", huge_page},
	{"thp", transparent_huge_page},
	{"memfd", memory_file},
	{"file-handle", file_handle},
	{"kcmp", compare_processes},
	{"process_vm_readv", process_memory},
	{"membarrier", barrier},
	{"cachestat", cache_statistics},
	{"fsopen", new_mount_api},
	{"idmapped-mount", id_mapped_mount},
	{"tun", tun},
	{"checkpoint", checkpoint},
};

/* Each in a process of its own: filters and namespaces stay with whoever took them on. */
static int all_features(void) {
	for (size_t i = 0; i < LENGTH(features); i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			/* What waits for something that never comes ends by itself. */
			alarm(20);
			failure failed = features[i].make();
			if (failed) dprintf(1, "feature: %s: %s: %s\n", features[i].name, failed, strerror(errno));
			_exit(failed != NULL);
		}
		waitpid(pid, &status, 0);
		if (status == 0) dprintf(1, "feature: %s ok\n", features[i].name);
		else if (!WIFEXITED(status)) dprintf(1, "feature: %s: signal %d\n", features[i].name, WTERMSIG(status));
	}
	return 0;
}

static failure attributes(const char *path) {
	/* struct posix_acl_xattr_header and three entries (linux/posix_acl_xattr.h): u::rw- g::r-- o::r-- */
	static const unsigned char list[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255,
		32, 0, 4, 0, 255, 255, 255, 255};
	char text[8] = "";
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	TRY(fd);
	TRY(fsetxattr(fd, "user.features", "value", 5, 0));
	TRY(fgetxattr(fd, "user.features", text, sizeof text - 1));
	if (strcmp(text, "value")) return without_effect("another value");
	TRY(fsetxattr(fd, "system.posix_acl_access", list, sizeof list, 0));
	struct stat found;
	TRY(fstat(fd, &found));
	return (found.st_mode & 0777) == 0644 ? NULL : without_effect("the ACL is not in the mode");
}

static int said(failure failed) {
	if (failed) fprintf(stderr, "features: %s: %s\n", failed, strerror(errno));
	return failed != NULL;
}

static failure mount_as_it_is(char **words) {
	TRY(mount(words[1], words[2], words[0], MS_RDONLY, words[3]));
	return NULL;
}

int main(int argc, char **argv) {
	if (argc == 3 && !strcmp(argv[1], "xattr")) return said(attributes(argv[2]));
	if (argc >= 5 && !strcmp(argv[1], "mount")) return said(mount_as_it_is(argv + 2));
	return all_features();
}
