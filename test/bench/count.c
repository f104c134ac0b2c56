/*
 * A plugin for QEMU that counts the instructions which are executed in user space until the entrypoint's first one: PID 1's
 * and those of all that it starts before; and of the same time all instructions, the kernel's among them. TCG runs it (qemu-system-x86_64 -plugin count.so,out=FILE), so the count is
 * exact and the same on any computer.
 *
 * Programs are told by their addresses: the probe is linked to lie at 0x20000000, where no other program does. The first
 * instruction there ends the counting. Kernel addresses are in the upper half and count for nothing; before the first of
 * them, firmware and the kernel's unpacker run at low addresses too, and so does the kernel's own beginning, behind
 * 16 MB, where no program begins: neither a static one (0x400000) nor what loads a dynamic one.
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
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
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
#define STATIC_START 0x400000u
#define KERNEL_LOADED 0x1000000u
#define DYNAMIC_START 0x40000000u
#define USER_END 0x800000000000u
#define KERNEL_START 0xffffffff80000000u

static uint64_t count;
/* By whole blocks, of which a fault may leave a few instructions undone. */
static uint64_t all, all_before, all_counted;
static bool kernel_runs, user_runs;
static bool done;
static const char *out;

static void of_user(unsigned int cpu, void *data) {
	(void)cpu;
	(void)data;
	if (user_runs && !done) count++;
}

static void of_beginning(unsigned int cpu, void *data) {
	(void)cpu;
	(void)data;
	if (!kernel_runs || user_runs) return;
	user_runs = true;
	all_before = all;
}

static void of_probe(unsigned int cpu, void *data) {
	(void)cpu;
	(void)data;
	if (!user_runs || done) return;
	done = true;
	all_counted = all - all_before;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &all, qemu_plugin_tb_n_insns(tb));
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		if (address >= KERNEL_START) kernel_runs = true;
		else if (address >= PROBE_START && address < PROBE_END)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, of_probe, QEMU_PLUGIN_CB_NO_REGS, NULL);
		else if (address < USER_END) {
			if ((address >= STATIC_START && address < KERNEL_LOADED) || address >= DYNAMIC_START)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, of_beginning, QEMU_PLUGIN_CB_NO_REGS, NULL);
			qemu_plugin_register_vcpu_insn_exec_cb(insn, of_user, QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
	}
}

static void end(qemu_plugin_id_t id, void *data) {
	(void)id;
	(void)data;
	FILE *file = fopen(out, "w");
	if (!file) return;
	fprintf(file, "%" PRIu64 " %" PRIu64 " %s\n", count, all_counted, done ? "entrypoint" : "no-entrypoint");
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
