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
#include "process/parts.h"
#include "process/process.h"
#include "process/settled.h"

#define MOST_STATES 128
#define MOST_BYTES  (256 << 10)

static struct {
	size_t at, size;
} states[MOST_STATES];
static size_t distinct;
static char first[64 << 10]; /* the subject's own state */
static size_t first_size;

static struct {
	int error;
	const struct task *tasks;
	size_t count, left_out;
} seen;

static char leads[16 << 10]; /* the subject's own */
static size_t leads_size;

/* The state: all facts except those that identify a task. */
void json_state(int proc)
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

/* Whether a task has the subject's state, and leads to nothing else. */
static bool is_like_subject(int proc)
{
	size_t mark = json_mark(), size;
	bool same;

	json_leads(proc);
	size = json_mark() - mark;
	same = size == leads_size && json_equal(mark, leads, size);
	json_back(mark);
	return same;
}

/* Returns 0 or an errno.  Omits a task that ended meanwhile. */
static int json_task(const struct task *t, bool same_state)
{
	size_t before = json_mark(), mark, size;
	cleanup_fd int proc = -1;
	char path[48];
	uint64_t ticks;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", t->process, t->task);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return 0;
	json_open('{');
	mark = json_mark();
	if (same_state && is_like_subject(proc)) {
		json_back(before);
		return 0;
	}
	json_state(proc);
	json_leads(proc);
	size = json_mark() - mark;
	if (read_start_time(proc, &ticks) < 0 || ticks != t->start || task_ended(proc, ".") ||
	    is_known(mark, size)) {
		json_back(before);
		return 0;
	}
	if (distinct == COUNT(states))
		return E2BIG;
	/* one that starts the sandbox from inside may not count: others with its state are told too
	 */
	if (!is_init(proc)) {
		states[distinct].at = mark;
		states[distinct++].size = size;
	}
	json_key("pid");
	json_i64(t->task);
	json_key("process");
	json_i64(t->process);
	json_names();
	json_close('}');
	return 0;
}

static int json_tasks(uint64_t own, size_t mark)
{
	const struct task *leader = NULL;
	int error = 0;

	for (size_t i = 0; !error && i < seen.count; i++) {
		const struct task *t = &seen.tasks[i];

		if (!t->counts ||
		    (leader && t->process == leader->process && t->state == leader->state))
			continue; /* threads of a process have its descriptors */
		leader = t->process == t->task ? t : leader;
		error = json_task(t, t->state == own);
		if (!error && json_over(mark, MOST_BYTES))
			error = E2BIG;
	}
	return error;
}

void find_tasks(int proc, pid_t subject)
{
	seen.error = settle_tasks(proc, subject, &seen.tasks, &seen.count, &seen.left_out);
	learn_mounts(proc, seen.tasks, seen.count);
}

void json_other_tasks(int proc)
{
	size_t mark, start;
	int error = seen.error;
	uint64_t own;

	json_key("tasks");
	mark = json_mark();
	distinct = 0;
	json_open('{');
	start = json_mark();
	json_state(proc);
	own = json_hash(mark);
	first_size = 0;
	json_leads(proc);
	first_size = json_copy(start, first, sizeof(first));
	json_back(start);
	json_leads(proc);
	leads_size = json_copy(start, leads, sizeof(leads));
	json_back(mark);
	if ((!first_size || !leads_size) && !error)
		error = E2BIG;
	json_open('[');
	error = error ? error : json_tasks(own, mark);
	if (error)
		json_fail(mark, error, "look at the tasks of the sandbox");
	else
		json_close(']');
	json_key("left_out");
	if (seen.error)
		json_fail(json_mark(), seen.error, "look at the tasks of the sandbox");
	else
		json_u64(seen.left_out);
}
