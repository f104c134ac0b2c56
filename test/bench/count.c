/*
 * A plugin for QEMU that counts the instructions which PID 1 executes in user space until the entrypoint's first one.
 * TCG runs it (qemu-system-x86_64 -plugin count.so,out=FILE), so the count is exact and the same on any computer.
 *
 * Programs are told apart by their addresses: PID 1 is a static program at its usual place (0x400000), and so is what
 * it forks before the execve; the probe is linked to lie at 0x20000000. The first instruction there ends the counting.
 * Kernel addresses are in the upper half and count for nothing; before the first of them, firmware and the kernel's
 * unpacker run at low addresses too.
 *
 * Debian does not package qemu-plugin.h; what is used of it is declared here, as in QEMU's docs/devel/tcg-plugins.rst.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*executed)(unsigned int, void *),
	enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*end)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

/* The plugin interface's version, of QEMU 4.2 to 8.2; newer ones still take it or say that they do not. */
EXPORT int qemu_plugin_version = 1;

#define PROBE_START 0x20000000u
#define PROBE_END 0x30000000u
#define KERNEL_START 0xffffffff80000000u

static uint64_t count;
static bool kernel_runs;
static bool done;
static const char *out;

static void of_pid1(unsigned int cpu, void *data) {
	(void)cpu;
	(void)data;
	if (kernel_runs && !done) count++;
}

static void of_probe(unsigned int cpu, void *data) {
	(void)cpu;
	(void)data;
	if (kernel_runs) done = true;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		if (address >= KERNEL_START) kernel_runs = true;
		else if (address < PROBE_START)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, of_pid1, QEMU_PLUGIN_CB_NO_REGS, NULL);
		else if (address >= PROBE_START && address < PROBE_END)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, of_probe, QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

static void end(qemu_plugin_id_t id, void *data) {
	(void)id;
	(void)data;
	FILE *file = fopen(out, "w");
	if (!file) return;
	fprintf(file, "%" PRIu64 " %s\n", count, done ? "entrypoint" : "no-entrypoint");
	fclose(file);
}

struct qemu_info;

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv) {
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
	if (!out) return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, end, NULL);
	return 0;
}
