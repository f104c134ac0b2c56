/*
 * A tool for Valgrind: counts PID 1's instructions in user space by the function of JavaScript that they are executed for,
 * as called by which (profile.ts). Beside callgrind, which knows functions of C: here each instruction asks the engine
 * for its current frame. PID 1 is profiled-engine.c's.
 *
 * --out=FILE      written each time that PID 1 is about to start a child
 * --layout=A,...  where the engine has what: tell_layout() of profiled-engine.c
 *
 * FILE has a line for each
 *   note PART ADDRESS                               function of the bundle that is read, in their order
 *   function NUMBER bytecode ADDRESS NOTED          function that is called; how many had been noted before, as another one may
 *   function NUMBER built-in PLACE MAGIC              have had the address
 *   node NUMBER PARENT FUNCTION CALLS               function as called by those above it; 0 is what is above all
 *   cost NODE PLACE COUNT FRESH                     C function: instructions in it, and how many of them for the first time
 */
#include "pub_tool_basics.h"
#include "pub_tool_aspacemgr.h"
#include "pub_tool_debuginfo.h"
#include "pub_tool_hashtable.h"
#include "pub_tool_libcassert.h"
#include "pub_tool_libcbase.h"
#include "pub_tool_libcfile.h"
#include "pub_tool_libcprint.h"
#include "pub_tool_mallocfree.h"
#include "pub_tool_options.h"
#include "pub_tool_tooliface.h"
#include "pub_tool_vki.h"

#include "libvex_guest_offsets.h"

#define DEEPEST 1024
/* Where a child is started, and where a function that is read is told, with the address of its module in rdx, its own in rsi. */
#define START "host_spawn"
#define NOTE "note_function"

/* A C function. */
struct place {
	struct place *next;
	const HChar *name;
};

/* An instruction. */
struct site {
	struct site *next;
	UWord address;
	struct place *place;
	Bool seen;
};

/* A function of JavaScript: of the bundle by its bytecode, of the engine by its C function and what that is told. */
struct function {
	Addr address;
	Bool built_in;
	/* The address is another one's by now. */
	Bool gone;
	Int magic;
	UInt noted;
};

struct cost {
	struct cost *next;
	const struct place *place;
	ULong count, fresh;
};

struct node {
	UInt parent, function, child, sibling;
	ULong calls;
	struct cost *costs;
};

struct note {
	Addr part, function;
};

/* Grows by doubling. */
#define APPEND(list, count, ...)                                                                      \
	do {                                                                                                \
		if (((count) & ((count) - 1)) == 0)                                                               \
			(list) = VG_(realloc)(#list, (list), ((count) ? 2 * (count) : 1) * sizeof *(list));             \
		(list)[(count)++] = __VA_ARGS__;                                                                  \
	} while (0)

static const HChar *out_name, *layout;
static Addr frame_address;
static SizeT function_at, class_at, bytecode_at, code_at, magic_at;
static UInt c_class;

static VgHashTable *sites;
static struct place *places;
static struct function *functions;
static struct node *nodes;
static struct note *notes;
static UInt function_count, node_count, note_count;

/* The frames as the engine has them. A frame on top may have no node yet: who pushes it writes later whose it is. */
#define UNKNOWN 0xffffffff
static struct {
	Addr frame;
	UInt node;
} stack[DEEPEST];
static UInt depth;
static struct cost unknown;

static struct place *place_of(Addr address)
{
	const HChar *name;
	/* Names have no blanks: what comes before main() is `(below main)`. */
	if (!VG_(get_fnname)(VG_(current_DiEpoch)(), address, &name) || VG_(strchr)(name, ' '))
		name = "elsewhere";
	struct place *place = places;
	while (place && VG_(strcmp)(place->name, name) != 0)
		place = place->next;
	if (place)
		return place;
	place = VG_(malloc)("place", sizeof *place);
	place->name = VG_(strdup)("place.name", name);
	place->next = places;
	return places = place;
}

static struct site *site_of(Addr address)
{
	struct site *site = VG_(HT_lookup)(sites, address);
	if (!site) {
		site = VG_(calloc)("site", 1, sizeof *site);
		site->address = address;
		site->place = place_of(address);
		VG_(HT_add_node)(sites, site);
	}
	return site;
}

static void count(struct cost **costs, const struct place *place, ULong executed, ULong fresh)
{
	struct cost **link = costs, *cost;
	while ((cost = *link) && cost->place != place)
		link = &cost->next;
	if (cost) {
		*link = cost->next;
	} else {
		cost = VG_(calloc)("cost", 1, sizeof *cost);
		cost->place = place;
	}
	/* The last one is looked for first. */
	cost->next = *costs;
	*costs = cost;
	cost->count += executed;
	cost->fresh += fresh;
}

static UInt function_of(Addr frame)
{
	const Addr object = *(Addr *)(frame + function_at);
	const Bool built_in = *(UShort *)(object + class_at) == c_class;
	const Addr address = *(Addr *)(object + (built_in ? code_at : bytecode_at));
	const Int magic = built_in ? *(Short *)(object + magic_at) : 0;
	for (UInt i = 0; i < function_count; i++) {
		const struct function *each = &functions[i];
		if (each->address == address && each->built_in == built_in && each->magic == magic && !each->gone)
			return i;
	}
	APPEND(functions, function_count, (struct function){address, built_in, False, magic, note_count});
	return function_count - 1;
}

static UInt node_of(UInt parent, UInt function)
{
	for (UInt i = nodes[parent].child; i; i = nodes[i].sibling)
		if (nodes[i].function == function)
			return i;
	APPEND(nodes, node_count, (struct node){parent, function, 0, nodes[parent].child, 0, NULL});
	return nodes[parent].child = node_count - 1;
}

static void know_frame(void)
{
	if (stack[depth].node != UNKNOWN)
		return;
	const UInt node = node_of(stack[depth - 1].node, function_of(stack[depth].frame));
	stack[depth].node = node;
	nodes[node].calls++;
	count(&nodes[node].costs, unknown.place, unknown.count, unknown.fresh);
}

static void change_frame(Addr frame, const struct place *place)
{
	know_frame();
	for (UInt i = depth + 1; i-- > 0;)
		if (stack[i].frame == frame) {
			depth = i;
			return;
		}
	tl_assert(depth + 1 < DEEPEST);
	stack[++depth].frame = frame;
	stack[depth].node = UNKNOWN;
	unknown = (struct cost){NULL, place, 0, 0};
}

static Addr current_frame(void)
{
	static Bool mapped;
	if (!mapped)
		mapped = VG_(am_is_valid_for_client)(frame_address, sizeof(Addr), VKI_PROT_READ);
	return mapped ? *(Addr *)frame_address : 0;
}

static VG_REGPARM(1) void on_instruction(struct site *site)
{
	const Bool fresh = !site->seen;
	site->seen = True;
	const Addr frame = current_frame();
	if (frame != stack[depth].frame)
		change_frame(frame, site->place);
	/* In the function that the frame is for: it is known by now. */
	if (stack[depth].node == UNKNOWN && site->place != unknown.place)
		know_frame();
	if (stack[depth].node == UNKNOWN) {
		unknown.count++;
		unknown.fresh += fresh;
	} else {
		count(&nodes[stack[depth].node].costs, site->place, 1, fresh);
	}
}

static VG_REGPARM(2) void on_note(Addr function, Addr part)
{
	for (UInt i = 0; i < function_count; i++)
		if (functions[i].address == function)
			functions[i].gone = True;
	APPEND(notes, note_count, (struct note){part, function});
}

static void write_out(void)
{
	know_frame();
	VgFile *out = VG_(fopen)(out_name, VKI_O_CREAT | VKI_O_TRUNC | VKI_O_WRONLY, 0600);
	if (!out)
		return;
	for (UInt i = 0; i < note_count; i++)
		VG_(fprintf)(out, "note %lx %lx\n", notes[i].part, notes[i].function);
	for (UInt i = 0; i < function_count; i++) {
		const struct function *each = &functions[i];
		if (each->built_in)
			VG_(fprintf)(out, "function %u built-in %s %d\n", i, place_of(each->address)->name, each->magic);
		else
			VG_(fprintf)(out, "function %u bytecode %lx %u\n", i, each->address, each->noted);
	}
	for (UInt i = 0; i < node_count; i++) {
		VG_(fprintf)(out, "node %u %u %u %llu\n", i, nodes[i].parent, nodes[i].function, nodes[i].calls);
		for (const struct cost *cost = nodes[i].costs; cost; cost = cost->next)
			VG_(fprintf)(out, "cost %u %s %llu %llu\n", i, cost->place->name, cost->count, cost->fresh);
	}
	VG_(fclose)(out);
}

static void add(IRSB *block, IRDirty *call)
{
	addStmtToIRSB(block, IRStmt_Dirty(call));
}

static IRExpr *read_register(IRSB *block, Int offset)
{
	const IRTemp value = newIRTemp(block->tyenv, Ity_I64);
	addStmtToIRSB(block, IRStmt_WrTmp(value, IRExpr_Get(offset, Ity_I64)));
	return IRExpr_RdTmp(value);
}

static IRSB *instrument(VgCallbackClosure *closure, IRSB *in, const VexGuestLayout *guest, const VexGuestExtents *extents,
                        const VexArchInfo *arch, IRType guest_word, IRType host_word)
{
	IRSB *out = deepCopyIRSBExceptStmts(in);
	for (Int i = 0; i < in->stmts_used; i++) {
		const IRStmt *stmt = in->stmts[i];
		addStmtToIRSB(out, in->stmts[i]);
		if (stmt->tag != Ist_IMark)
			continue;
		const Addr address = stmt->Ist.IMark.addr;
		const HChar *entered = "";
		VG_(get_fnname_if_entry)(VG_(current_DiEpoch)(), address, &entered);
		const Bool starts = VG_(strcmp)(entered, START) == 0, notes_one = VG_(strcmp)(entered, NOTE) == 0;
		struct site *site = site_of(address);
		if (starts)
			add(out, unsafeIRDirty_0_N(0, "write_out", &write_out, mkIRExprVec_0()));
		if (notes_one)
			add(out, unsafeIRDirty_0_N(2, "on_note", &on_note,
			                           mkIRExprVec_2(read_register(out, OFFSET_amd64_RSI), read_register(out, OFFSET_amd64_RDX))));
		/* What notes is not there in the product. */
		if (VG_(strcmp)(site->place->name, NOTE) != 0)
			add(out, unsafeIRDirty_0_N(1, "on_instruction", &on_instruction, mkIRExprVec_1(mkIRExpr_HWord((HWord)site))));
	}
	return out;
}

static Bool take_option(const HChar *option)
{
	if (VG_STR_CLO(option, "--out", out_name)) {
	} else if (VG_STR_CLO(option, "--layout", layout)) {
	} else {
		return False;
	}
	return True;
}

static void print_usage(void)
{
	VG_(printf)("    --out=FILE --layout=A,B,...\n");
}

static void begin(void)
{
	tl_assert(out_name && layout);
	HChar *rest = VG_(strdup)("layout", layout);
	frame_address = VG_(strtoull16)(rest, &rest);
	function_at = VG_(strtoull10)(rest + 1, &rest);
	class_at = VG_(strtoull10)(rest + 1, &rest);
	c_class = VG_(strtoull10)(rest + 1, &rest);
	bytecode_at = VG_(strtoull10)(rest + 1, &rest);
	code_at = VG_(strtoull10)(rest + 1, &rest);
	magic_at = VG_(strtoull10)(rest + 1, &rest);
	sites = VG_(HT_construct)("sites");
	APPEND(nodes, node_count, (struct node){0, 0, 0, 0, 1, NULL});
}

static void end(Int code) {}

static void prepare(void)
{
	VG_(details_name)("profile");
	VG_(details_description)("instructions by functions of JavaScript");
	VG_(details_copyright_author)("test/bench/profile-tool.c");
	VG_(details_bug_reports_to)("test/bench");
	VG_(basic_tool_funcs)(begin, instrument, end);
	VG_(needs_command_line_options)(take_option, print_usage, print_usage);
}

VG_DETERMINE_INTERFACE_VERSION(prepare)
