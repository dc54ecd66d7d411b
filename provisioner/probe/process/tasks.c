/* The states of a sandbox's tasks, each state once; the subject's own state is left out. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/members.h"
#include "process/parts.h"
#include "process/process.h"

#define MOST_TASKS  4096
#define MOST_STATES 128
#define MOST_BYTES  (256 << 10)

static struct {
	size_t at, size;
} states[MOST_STATES];
static size_t distinct, looked_at;
static char first[64 << 10]; /* the subject's own state */
static size_t first_size;

/* The state: all facts except those that identify a task. */
static void json_state(int proc)
{
	json_key("namespaces");
	json_namespaces(proc);
	json_credentials(proc);
	json_lsm(proc);
	json_key("cgroups");
	json_cgroups(proc);
}

static bool is_known(size_t mark, size_t size)
{
	if (size == first_size && json_equal(mark, first, size))
		return true;
	for (size_t i = 0; i < distinct; i++)
		if (states[i].size == size && json_repeats(mark, states[i].at, size))
			return true;
	return false;
}

/* Returns 0 or an errno.  Omits a task that ended meanwhile. */
static int json_task(int proc, pid_t process, pid_t task)
{
	size_t before = json_mark(), mark, size;
	uint64_t ticks;

	json_open('{');
	mark = json_mark();
	json_state(proc);
	size = json_mark() - mark;
	if (read_start_time(proc, &ticks) < 0 || is_known(mark, size)) {
		json_back(before);
		return 0;
	}
	if (distinct == COUNT(states))
		return E2BIG;
	states[distinct].at = mark;
	states[distinct++].size = size;
	json_key("pid");
	json_i64(task);
	json_key("process");
	json_i64(process);
	json_names();
	json_close('}');
	return 0;
}

static int json_threads(pid_t process, size_t mark)
{
	struct folder f;
	char path[32];
	const char *name;
	uint64_t task;
	int error = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	if (folder_open(&f, AT_FDCWD, path) < 0)
		return errno == ENOENT || errno == ESRCH ? 0 : errno;
	while (!error && (name = folder_next(&f))) {
		cleanup_fd int proc = -1;

		if (!parse_number(name, INT32_MAX, &task))
			continue;
		proc = openat(f.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc < 0)
			continue; /* ended meanwhile */
		error = ++looked_at > MOST_TASKS ? E2BIG : json_task(proc, process, (pid_t)task);
		if (!error && json_over(mark, MOST_BYTES))
			error = E2BIG;
	}
	close_fd(&f.fd);
	return error;
}

void json_other_tasks(int proc, pid_t subject)
{
	size_t mark = json_mark();
	const struct member *members;
	size_t count;
	int error = find_members(subject, &members, &count);

	distinct = looked_at = 0;
	json_open('{');
	json_state(proc);
	first_size = json_copy(mark + 1, first, sizeof(first));
	json_back(mark);
	if (!first_size && !error)
		error = E2BIG;
	json_open('[');
	for (size_t i = 0; !error && i < count; i++)
		if (members[i].pid)
			error = json_threads(members[i].pid, mark);
	if (error)
		json_fail(mark, error, "look at the tasks of the sandbox");
	else
		json_close(']');
}
