/*
 * The seccomp filters installed in the tasks of a sandbox, as classic BPF: ptrace(2),
 * PTRACE_SECCOMP_GET_FILTER.  The kernel needs CONFIG_CHECKPOINT_RESTORE; the tracer needs
 * CAP_SYS_ADMIN in the initial user namespace and must not be filtered itself.  Reading stops each
 * task for some tenths of a millisecond.  An error never means "no filter".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/parts.h"
#include "process/settled.h"

/* Constants of linux/ptrace.h that some C libraries do not have. */
enum { DETACH = 17, SEIZE = 0x4206, INTERRUPT = 0x4207, GET_FILTER = 0x420c, EVENT_STOP = 128 };
enum { MODE_FILTER = 2, LONGEST = 4096 /* BPF_MAXINSNS */, DEEPEST = 64, MOST_TASKS = 256 };

struct instruction {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

static struct instruction pool[4 * LONGEST], answer[LONGEST];
static struct {
	size_t start, count;
} programs[DEEPEST];
static size_t nprograms, ninstructions, ntasks, longest_stop;
static int spare; /* waits of 5 ms that tasks have left together */

static long trace(long request, pid_t tid, uintptr_t address, uintptr_t data)
{
	return syscall(SYS_ptrace, request, (long)tid, address, data);
}

/* The index of a program, which is stored once; -1 with E2BIG. */
static int keep_program(size_t count)
{
	for (size_t i = 0; i < nprograms; i++)
		if (programs[i].count == count &&
		    memcmp(pool + programs[i].start, answer, count * sizeof(*answer)) == 0)
			return (int)i;
	if (nprograms == COUNT(programs) || count > COUNT(pool) - ninstructions) {
		errno = E2BIG;
		return -1;
	}
	memcpy(pool + ninstructions, answer, count * sizeof(*answer));
	programs[nprograms].start = ninstructions;
	programs[nprograms].count = count;
	ninstructions += count;
	return (int)nprograms++;
}

/*
 * Waits for the task to stop: in uninterruptible sleep it does not, on a busy host it has to be
 * scheduled first.  It runs on until then.  One task takes 1 s at most, and all together 2 s; when
 * they are used up, a task takes 100 ms.
 */
static int wait_stop(pid_t tid, int *inject)
{
	struct timespec patience = { 0, 5000000 };
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = 0; i < 20 || (i < 200 && spare > 0); i++) {
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got < 0)
			return -1;
		if (got == tid && !WIFSTOPPED(status)) {
			errno = ESRCH;
			return -1;
		}
		if (got == tid) {
			/* deliver a signal that arrived meanwhile */
			*inject = status >> 16 == EVENT_STOP ? 0 : WSTOPSIG(status);
			return 0;
		}
		sigtimedwait(&child, NULL, &patience);
		spare -= i >= 20;
	}
	errno = ETIMEDOUT;
	return -1;
}

/* Reads the filters of one task; the indexes of their programs, or -1 with errno. */
static int dump(pid_t tid, int *stack)
{
	int depth = 0, inject = 0, error = 0;
	struct timespec since, until;
	size_t stopped;

	clock_gettime(CLOCK_MONOTONIC, &since);
	if (trace(SEIZE, tid, 0, 0) < 0)
		return -1;
	if (trace(INTERRUPT, tid, 0, 0) < 0 || wait_stop(tid, &inject) < 0)
		return -1; /* the kernel detaches when this process exits */
	while (!error) {
		long count = trace(GET_FILTER, tid, (uintptr_t)depth, 0);

		if (count < 0 && errno == ENOENT && depth > 0)
			break; /* no more filters */
		if (count >= 0 && (count > LONGEST || depth == DEEPEST))
			error = E2BIG;
		else if (count < 0 ||
			 trace(GET_FILTER, tid, (uintptr_t)depth, (uintptr_t)answer) != count)
			error = errno ? errno : EIO;
		else if ((stack[depth] = keep_program((size_t)count)) < 0)
			error = errno;
		else
			depth++;
	}
	trace(DETACH, tid, 0, (uintptr_t)inject);
	clock_gettime(CLOCK_MONOTONIC, &until);
	stopped = (size_t)((until.tv_sec - since.tv_sec) * 1000000 +
			   (until.tv_nsec - since.tv_nsec) / 1000);
	longest_stop = stopped > longest_stop ? stopped : longest_stop;
	errno = error;
	return error ? -1 : depth;
}

/* The value of stack: indexes of programs; empty if the status shows no filter. */
static int json_stack(int tasks, const char *name, pid_t tid)
{
	uint64_t mode, filters;
	int stack[DEEPEST], depth = 0;
	char path[64];

	snprintf(path, sizeof(path), "%s/status", name);
	if (read_key(tasks, path, "Seccomp", &mode) < 0 ||
	    (mode != 0 && mode != MODE_FILTER && (errno = EINVAL)) ||
	    (mode == MODE_FILTER && (depth = dump(tid, stack)) < 0))
		return -1;
	if (mode == MODE_FILTER && read_key(tasks, path, "Seccomp_filters", &filters) == 0 &&
	    filters != (uint64_t)depth) {
		errno = EAGAIN; /* the task added one meanwhile */
		return -1;
	}
	json_open('[');
	for (int i = 0; i < depth; i++)
		json_u64((uint64_t)stack[i]);
	json_close(']');
	return 0;
}

/* The tasks of one process, without those that ended meanwhile; -1 with errno. */
static int json_process_tasks(pid_t pid, bool subject)
{
	struct folder f;
	const char *name;
	char path[32];
	uint64_t tid;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (folder_open(&f, AT_FDCWD, path) < 0)
		return subject ? -1 : 0;
	while ((name = folder_next(&f))) {
		size_t mark = json_mark(), value;
		int error;

		if (!parse_number(name, INT32_MAX, &tid) || (!subject && !task_counts((pid_t)tid)))
			continue;
		if (++ntasks > MOST_TASKS) {
			errno = E2BIG;
			break;
		}
		json_open('{');
		json_key("pid");
		json_i64(pid);
		json_key("tid");
		json_u64(tid);
		json_key("stack");
		value = json_mark();
		if (json_stack(f.fd, name, (pid_t)tid) < 0) {
			error = errno;
			if (task_ended(f.fd, name)) {
				json_back(mark);
				continue;
			}
			if (subject && tid == (uint64_t)pid) {
				close_fd(&f.fd);
				errno = error;
				return -1;
			}
			json_fail(value, error, "ask task %s for its filters", name);
		}
		json_close('}');
	}
	close_fd(&f.fd);
	return name ? -1 : 0;
}

static bool pid_namespace(const char *pid, char text[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/ns/pid", pid);
	n = readlink(path, text, 63);
	text[n < 0 ? 0 : n] = 0;
	return n >= 0;
}

/* The other processes of the subject's pid namespace, unless this process shares it. */
static int json_others(pid_t subject)
{
	char own[64], its[64], other[64], number[16];
	struct folder f;
	const char *name;
	uint64_t pid;
	int result = 0;

	snprintf(number, sizeof(number), "%d", subject);
	if (!pid_namespace("self", own) || !pid_namespace(number, its))
		return -1;
	if (strcmp(own, its) == 0)
		return 0;
	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return -1;
	while (result == 0 && (name = folder_next(&f)))
		if (parse_number(name, INT32_MAX, &pid) && pid != (uint64_t)subject &&
		    pid_namespace(name, other) && strcmp(other, its) == 0)
			result = json_process_tasks((pid_t)pid, false);
	close_fd(&f.fd);
	return result;
}

static void json_programs(void)
{
	unsigned char bytes[sizeof(struct instruction)];

	json_key("programs");
	json_open('[');
	for (size_t i = 0; i < nprograms; i++) {
		json_base64_open();
		for (size_t j = 0; j < programs[i].count; j++) {
			const struct instruction *in = &pool[programs[i].start + j];

			/* struct sock_filter, little endian on every machine */
			bytes[0] = (unsigned char)(in->code & 0xff);
			bytes[1] = (unsigned char)(in->code >> 8);
			bytes[2] = in->jump_true;
			bytes[3] = in->jump_false;
			for (int k = 0; k < 4; k++)
				bytes[4 + k] = (unsigned char)(in->k >> 8 * k & 0xff);
			json_base64(bytes, sizeof(bytes));
		}
		json_base64_close();
	}
	json_close(']');
}

void json_filters(pid_t pid, bool ask)
{
	sigset_t child, before;
	size_t mark;

	json_key("filters");
	mark = json_mark();
	if (!ask || !pid) {
		json_fail(mark, 0,
			  pid ? "not asked for: it stops the process for a moment"
			      : "only another process can ask the kernel for them");
		return;
	}
	nprograms = ninstructions = ntasks = longest_stop = 0;
	spare = 400;
	/* sigtimedwait() needs a signal that is not ignored; requests inherit the server's */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	json_open('{');
	json_key("tasks");
	json_open('[');
	if (json_process_tasks(pid, true) < 0 || json_others(pid) < 0) {
		json_fail(mark, errno, "ask process %d for its filters by ptrace", pid);
	} else {
		json_close(']');
		json_programs();
		json_key("stopped_us");
		json_u64(longest_stop);
		json_close('}');
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}
