/*
 * A runtime's exec is a process of the sandbox before it drops its rights: it joins the cgroup and
 * the namespaces, then takes the credentials, the filter and the label, then starts the program.
 * A task with the subject's own state counts at once.  Any other counts if two looks show the same
 * task, state and program, and it is not entering.
 */
#include "process/settled.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/members.h"
#include "process/parts.h"

#define MOST_TASKS   4096
#define BETWEEN	     20000000 /* nanoseconds between two looks */
#define MOST_CHANGES 10	      /* then a task that goes on changing its own state counts */
#define YOUNG	     5	      /* seconds after which a task is not entering any more */

static struct task tasks[MOST_TASKS];
static size_t count;
static bool complete;
static uint64_t mnt_ns; /* the subject's */

static uint64_t state_of(int proc)
{
	size_t mark = json_mark();
	uint64_t hash;

	json_open('{');
	json_state(proc);
	hash = json_hash(mark);
	json_back(mark);
	return hash;
}

static uint64_t program_of(int proc)
{
	char text[MAX_TEXT + 1];
	size_t mark = json_mark();
	uint64_t hash;

	if (read_link(proc, "exe", text, sizeof(text)) < 0)
		return 0;
	json_text(text);
	hash = json_hash(mark);
	json_back(mark);
	return hash;
}

/* Whether a process's own mount table lacks the mount of its program. */
static bool runs_from_outside(int proc)
{
	static char line[MAX_LINE];
	cleanup_fd int exe = openat(proc, "exe", O_PATH | O_CLOEXEC);
	struct reader r;
	struct mount m;
	char path[48];
	uint64_t id;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exe);
	if (exe < 0 || read_key(AT_FDCWD, path, "mnt_id", &id) < 0 ||
	    reader_open(&r, proc, "mountinfo") < 0)
		return false;
	while (!found && reader_line(&r, line, sizeof(line)) > 0)
		found = parse_mount(line, &m) && m.id == id;
	close_fd(&r.fd);
	return !found;
}

static bool is_young(uint64_t start)
{
	struct timespec now;
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &now);
	return start + YOUNG * ticks > (uint64_t)now.tv_sec * ticks;
}

/* It was not added to a sandbox. */
bool is_init(int proc)
{
	char text[4096], *line, *last;

	if (read_file(proc, "status", text, sizeof(text)) < 0 || !(line = strstr(text, "\nNSpid:")))
		return false;
	line[1 + strcspn(line + 1, "\n")] = 0;
	last = strrchr(line, '\t');
	return last && strcmp(last, "\t1") == 0;
}

/* Whether a process from outside has not yet started a program of the sandbox. */
static bool is_entering(const struct task *t, int proc)
{
	return is_young(t->start) && !is_member(parent_of(t->process)) && !is_init(proc) &&
	       (read_namespace(proc, "ns/mnt") != mnt_ns || runs_from_outside(proc));
}

static int open_task(pid_t process, pid_t task)
{
	char path[48], number[16];
	cleanup_fd int folder = -1;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	snprintf(number, sizeof(number), "%d", task);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || task_ended(folder, number))
		return -1;
	return openat(folder, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The first look at the tasks of one process; 0 or an errno. */
static int look(pid_t process, uint64_t own)
{
	struct folder f;
	char path[32];
	const char *name;
	uint64_t task;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	if (folder_open(&f, AT_FDCWD, path) < 0)
		return errno == ENOENT || errno == ESRCH ? 0 : errno;
	while ((name = folder_next(&f))) {
		struct task *t = &tasks[count];
		cleanup_fd int proc = -1;

		if (!parse_number(name, INT32_MAX, &task))
			continue;
		if (count == COUNT(tasks)) {
			close_fd(&f.fd);
			return E2BIG;
		}
		proc = open_task(process, (pid_t)task);
		*t = (struct task){ .process = process, .task = (pid_t)task };
		if (proc < 0 || read_start_time(proc, &t->start) < 0)
			continue; /* ended meanwhile */
		t->state = state_of(proc);
		t->program = program_of(proc);
		if (task_ended(proc, "."))
			continue;
		t->counts = t->state == own;
		t->pending = !t->counts;
		count++;
	}
	close_fd(&f.fd);
	return 0;
}

/* A further look at a task: decides whether it counts, or leaves it pending. */
static void look_again(struct task *t, int round)
{
	cleanup_fd int proc = open_task(t->process, t->task);
	uint64_t start, state, program;
	bool same;

	if (proc < 0 || read_start_time(proc, &start) < 0 || start != t->start) {
		t->pending = false;
		return;
	}
	state = state_of(proc);
	program = program_of(proc);
	if (task_ended(proc, ".")) {
		t->pending = false;
		return;
	}
	same = state == t->state && program == t->program;
	t->state = state;
	t->program = program;
	if ((same || round >= MOST_CHANGES) && !is_entering(t, proc)) {
		t->pending = false;
		t->counts = true;
	}
}

static bool wait_for_pending(int round)
{
	const struct timespec pause = { 0, BETWEEN };
	bool waited = false;

	for (size_t i = 0; i < count; i++) {
		if (!tasks[i].pending)
			continue;
		if (!waited)
			nanosleep(&pause, NULL);
		waited = true;
		look_again(&tasks[i], round);
	}
	return waited;
}

int settle_tasks(int proc, pid_t subject, const struct task **found, size_t *number,
		 size_t *left_out)
{
	const struct member *members;
	size_t size;
	uint64_t own = state_of(proc);
	int error = find_members(subject, &members, &size);

	count = *left_out = 0;
	mnt_ns = read_namespace(proc, "ns/mnt");
	for (size_t i = 0; !error && i < size; i++)
		if (members[i].pid)
			error = look(members[i].pid, own);
	/* a task is young for YOUNG seconds, so this ends */
	for (int round = 0; !error && wait_for_pending(round); round++)
		;
	for (size_t i = 0; i < count; i++)
		*left_out += !tasks[i].counts;
	complete = !error;
	*found = tasks;
	*number = count;
	return error;
}

bool task_counts(pid_t task)
{
	if (!complete)
		return true;
	for (size_t i = 0; i < count; i++)
		if (tasks[i].task == task)
			return tasks[i].counts;
	return false;
}
