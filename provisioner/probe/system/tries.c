/*
 * System calls without effect: the kernel refuses their arguments even to root, and the error shows
 * what refuses first.  They are called by number, so that no wrapper of the C library changes them.
 *
 * Never call kexec_load with 0 segments (it unloads), acct with NULL (it turns accounting off),
 * mount or fsopen with a real file system, quotactl with Q_SYNC.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/foreign_abi.h"
#include "system/parts.h"

/* Numbers that some C libraries do not have; equal on every architecture since Linux 5.1. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

#define N(number) ((const void *)(intptr_t)(number))
#define NEWUSER	  0x10000000

struct
try {
	const char *name;
	long number;
	const void *args[6];
	long (*call)(void); /* instead of number, for more than one call */
};

struct outcome {
	long value;
	int error;
};

/* Not const: the kernel writes an answer, into the copy of the child process. */
static uint64_t zeros[16];

static struct { /* union bpf_attr of BPF_PROG_LOAD: a socket filter of no instructions */
	uint32_t type, count;
	const void *instructions;
	const char *license;
	uint64_t rest[12];
} empty_program = { 1, 0, zeros, "GPL", { 0 } };

static struct { /* struct perf_event_attr: a software event that does not exist */
	uint32_t type, size;
	uint64_t config, rest[6];
} bad_event = { 1, 64, 0xffff, { 0 } };

static struct { /* struct timex: ADJ_TICK to 0, outside the valid range */
	uint32_t modes;
	uint64_t rest[32];
} bad_tick = { 0x4000, { 0 } };

static long try_kcmp(void)
{
	pid_t self = getpid();

	return syscall(SYS_kcmp, self, self, 1 /* KCMP_VM */, 0, 0);
}

/* Creates a node in a new folder; if no folder can be created, that error counts. */
static long try_mknod(void)
{
	static const char *const places[] = { "/tmp", "", "/dev/shm", "/run", "/dev" };
	char folder[64], node[80];
	int error = 0;
	long value;

	for (size_t i = 0; i < COUNT(places); i++) {
		snprintf(folder, sizeof(folder), "%s/.probe-%d", places[i], getpid());
		snprintf(node, sizeof(node), "%s/null", folder);
		if (mkdir(folder, 0700) < 0) {
			error = i == 0 || errno == EROFS ? errno : error;
			continue;
		}
		value = syscall(SYS_mknodat, AT_FDCWD, node, S_IFCHR | 0600, makedev(1, 3));
		error = errno;
		if (value == 0)
			unlink(node);
		rmdir(folder);
		errno = error;
		return value;
	}
	errno = error;
	return -1;
}

/* Opens and closes the log; does not read it. */
static long try_kmsg(void)
{
	struct stat st;
	int fd;

	if (lstat("/dev/kmsg", &st) < 0)
		return -1;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 11)) {
		errno = ENODEV;
		return -1;
	}
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Takes the lowest real-time priority and gives it back at once. */
static long try_fifo(void)
{
	int priority = 1, none = 0;
	long value = syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority);

	if (value == 0)
		syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
	return value;
}

/* clang-format off */
static const struct try tries[] = {
	{ "bpf.bad_cmd", SYS_bpf, { N(9999), zeros, N(sizeof(zeros)) }, NULL },
	{ "bpf.map_create_zero", SYS_bpf, { N(0), zeros, N(sizeof(zeros)) }, NULL },
	{ "bpf.prog_load_empty", SYS_bpf,
	  { N(5), &empty_program, N(sizeof(empty_program)) }, NULL },
	{ "bpf.prog_get_next_id", SYS_bpf, { N(11), zeros, N(sizeof(zeros)) }, NULL },
	{ "perf.null", SYS_perf_event_open, { NULL, N(0), N(-1), N(-1), N(0) }, NULL },
	{ "perf.software_bad_config", SYS_perf_event_open,
	  { &bad_event, N(0), N(-1), N(-1), N(0) }, NULL },
	{ "userfaultfd.kernel_bad_flag", SYS_userfaultfd, { N(0x40000000) }, NULL },
	{ "userfaultfd.user_bad_flag", SYS_userfaultfd, { N(0x40000001) }, NULL },
	{ "io_uring.setup_null", SYS_io_uring_setup, { N(0), NULL }, NULL },
	{ "mount.no_such_fs", SYS_mount, { "none", "/", "no_such_fs", N(0), NULL }, NULL },
	{ "fsopen.no_such_fs", SYS_fsopen, { "no_such_fs", N(0) }, NULL },
	{ "pivot_root.null", SYS_pivot_root, { NULL, NULL }, NULL },
	{ "open_tree.bad_fd", SYS_open_tree, { N(-1), "x", N(1) }, NULL },
	{ "move_mount.bad_fd", SYS_move_mount, { N(-1), "x", N(-1), "x", N(0) }, NULL },
	{ "unshare.no_such_flag", SYS_unshare, { N(1) }, NULL },
	{ "unshare.newuser", SYS_unshare, { N(NEWUSER) }, NULL },
	{ "clone3.null", SYS_clone3, { NULL, N(0) }, NULL },
	{ "init_module.null", SYS_init_module, { NULL, N(0), NULL }, NULL },
	{ "finit_module.bad_fd", SYS_finit_module, { N(-1), "", N(0) }, NULL },
	{ "delete_module.null", SYS_delete_module, { NULL, N(0) }, NULL },
	{ "kexec_load.bad_flags", SYS_kexec_load, { N(0), N(-1), NULL, N(0xfff0) }, NULL },
	{ "reboot.bad_magic", SYS_reboot, { N(0), N(0), N(0), NULL }, NULL },
	{ "swapon.null", SYS_swapon, { NULL, N(0) }, NULL },
	{ "swapoff.null", SYS_swapoff, { NULL }, NULL },
	{ "acct.no_such_path", SYS_acct, { "/nonexistent/x" }, NULL },
	{ "settimeofday.null", SYS_settimeofday, { NULL, NULL }, NULL },
	{ "adjtimex.bad_tick", SYS_adjtimex, { &bad_tick }, NULL },
	{ "sethostname.null", SYS_sethostname, { NULL, N(-1) }, NULL },
	{ "syslog.size_buffer", SYS_syslog, { N(10), NULL, N(0) }, NULL },
	{ "add_key.null", SYS_add_key, { NULL, NULL, NULL, N(0), N(0) }, NULL },
	{ "request_key.null", SYS_request_key, { NULL, NULL, NULL, N(0) }, NULL },
	{ "keyctl.bad_cmd", SYS_keyctl, { N(9999) }, NULL },
	{ "open_by_handle_at.null", SYS_open_by_handle_at, { N(-1), NULL, N(0) }, NULL },
	{ "quotactl.bad_cmd", SYS_quotactl, { N(0x123400), NULL, N(0), NULL }, NULL },
	{ "kcmp.self", 0, { NULL }, try_kcmp },
	{ "set_mempolicy.bad_mode", SYS_set_mempolicy, { N(99), NULL, N(0) }, NULL },
	{ "move_pages.none", SYS_move_pages, { N(0), N(0), NULL, NULL, NULL, N(0) }, NULL },
	{ "socket.packet_raw", SYS_socket, { N(AF_PACKET), N(SOCK_RAW), N(0) }, NULL },
	{ "socket.inet_raw", SYS_socket, { N(AF_INET), N(SOCK_RAW), N(1) }, NULL },
	{ "socket.vsock", SYS_socket, { N(40), N(SOCK_STREAM), N(0) }, NULL },
	{ "socket.alg", SYS_socket, { N(38), N(SOCK_SEQPACKET), N(0) }, NULL },
	{ "socket.netlink_audit", SYS_socket, { N(AF_NETLINK), N(SOCK_RAW), N(9) }, NULL },
	{ "mknod.null_device", 0, { NULL }, try_mknod },
	{ "personality.no_randomize", SYS_personality, { N(ADDR_NO_RANDOMIZE) }, NULL },
	{ "i386.personality", 0, { NULL }, try_i386_personality },
	{ "i386.add_key", 0, { NULL }, try_i386_add_key },
	{ "i386.bpf", 0, { NULL }, try_i386_bpf },
	{ "i386.vsock", 0, { NULL }, try_i386_vsock },
	{ "i386.alg", 0, { NULL }, try_i386_alg },
	{ "i386.socketcall_vsock", 0, { NULL }, try_i386_socketcall_vsock },
	{ "i386.socketcall_alg", 0, { NULL }, try_i386_socketcall_alg },
	{ "x32.personality", 0, { NULL }, try_x32_personality },
	{ "x32.add_key", 0, { NULL }, try_x32_add_key },
	{ "x32.bpf", 0, { NULL }, try_x32_bpf },
	{ "x32.vsock", 0, { NULL }, try_x32_vsock },
	{ "x32.alg", 0, { NULL }, try_x32_alg },
	{ "kmsg.open", 0, { NULL }, try_kmsg },
	/* LANDLOCK_CREATE_RULESET_VERSION: returns the number of the ABI and creates nothing */
	{ "landlock.version", SYS_landlock_create_ruleset, { NULL, N(0), N(1) }, NULL },
	{ "prctl.get_memory_merge", SYS_prctl, { N(68), N(0), N(0), N(0), N(0) }, NULL },
	{ "fanotify.bad_flag", SYS_fanotify_init, { N(0x40000000), N(0) }, NULL },
	{ "sched.fifo", 0, { NULL }, try_fifo },
	{ "syscall.unknown", 9999, { NULL }, NULL },
};
/* clang-format on */

static bool creates_something(const struct try *t)
{
	return t->call == try_mknod;
}

static void make_try(const void *in, void *out)
{
	const struct try *t = in;
	struct outcome *o = out;
	const void *const *a = t->args;

	errno = 0;
	if (t->call)
		o->value = t->call();
	else
		o->value = syscall(t->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	o->error = o->value < 0 ? errno : 0;
}

static void json_outcome(const char *result, const long *value)
{
	json_open('{');
	json_key("result");
	json_text(result);
	json_key("value");
	if (value)
		json_i64(*value);
	else
		json_null();
	json_close('}');
}

void json_tries(bool untouched)
{
	json_key("tries");
	json_open('{');
	for (size_t i = 0; i < COUNT(tries); i++) {
		struct outcome o = { 0, 0 };
		struct call_result done;

		json_key(tries[i].name);
		if (untouched && creates_something(&tries[i])) {
			json_fail(json_mark(), 0, UNTOUCHED);
			continue;
		}
		done = fork_call_next(make_try, &tries[i], &o, sizeof(o));
		if (done.end == CALL_DONE)
			json_outcome(o.error ? errno_name(o.error) : "ok", &o.value);
		else if (done.end == CALL_TIMEOUT)
			json_outcome("timeout", NULL);
		else if (done.end == CALL_KILLED && done.number == SIGSYS)
			json_outcome("SIGSYS", NULL);
		else if (done.end == CALL_KILLED && done.number == SIGSEGV)
			json_outcome("SIGSEGV", NULL); /* int 0x80 on a kernel without i386 */
		else if (done.end == CALL_KILLED)
			json_fail(json_mark(), 0, "try: killed by signal %d", done.number);
		else
			json_fail(json_mark(), done.number, "fork to try");
	}
	fork_call_wait();
	json_close('}');
}
