/*
 * What else runs in a sandbox: each of its tasks that shows another state than the subject, every
 * distinct state once.
 *
 * A process is in the sandbox when it lives in the subject's pid namespace or mount namespace, or
 * in a cgroup at or below the subject's; each counts only where it is the sandbox's own.  What
 * started a process of it from outside (runc, lxc-start, unshare, a waiting nsenter) is not in it.
 */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST_PROCESSES 4096
#define MOST_TASKS     4096
#define MOST_STATES    128
#define MOST_BYTES     (256 << 10)

static struct member {
	pid_t pid;
	bool inner; /* in the subject's pid namespace */
} members[MOST_PROCESSES];
static size_t count;

static uint64_t pid_ns, mnt_ns; /* 0 where it is not the sandbox's own */

static struct {
	uint64_t hierarchy;
	char path[1024];
} own[32]; /* cgroups that are the sandbox's own */
static size_t cgroups;

static struct {
	size_t at, size;
} states[MOST_STATES];
static size_t distinct, looked_at;
static char first[64 << 10]; /* the subject's own state */
static size_t first_size;

static uint64_t namespace_of(int dir, pid_t pid, const char *kind)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/ns/%s", pid, kind);
	return read_namespace(dir, path);
}

static bool at_or_below(const char *path, const char *top)
{
	size_t size = strlen(top);

	return strncmp(path, top, size) == 0 && (path[size] == '/' || !path[size]);
}

/* Calls `line` for each line of PID's cgroup file, until it answers true; one read tells it all. */
static bool each_cgroup(int dir, const char *pid,
			bool (*line)(uint64_t hierarchy, const char *path))
{
	static char text[16 << 10];
	char name[48], *at = text;
	cleanup_fd int fd = -1;
	ssize_t n;

	snprintf(name, sizeof(name), "%s/cgroup", pid);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	while (at && *at) {
		char *path = strsep(&at, "\n"), *id = strsep(&path, ":");
		uint64_t hierarchy;

		if (strsep(&path, ":") && path && parse_number(id, UINT64_MAX, &hierarchy) &&
		    line(hierarchy, path))
			return true;
	}
	return false;
}

static bool keep(uint64_t hierarchy, const char *path)
{
	if (cgroups < COUNT(own) && strcmp(path, "/") != 0 &&
	    copy_text(own[cgroups].path, sizeof(own[0].path), path))
		own[cgroups++].hierarchy = hierarchy;
	return false;
}

static bool is_own(uint64_t hierarchy, const char *path)
{
	for (size_t i = 0; i < cgroups; i++)
		if (own[i].hierarchy == hierarchy && at_or_below(path, own[i].path))
			return true;
	return false;
}

/* A cgroup that holds who is outside is not the sandbox's own. */
static bool forget(uint64_t hierarchy, const char *path)
{
	for (size_t i = 0; i < cgroups;) {
		if (own[i].hierarchy == hierarchy && at_or_below(path, own[i].path))
			own[i] = own[--cgroups];
		else
			i++;
	}
	return false;
}

static bool lives_in(int dir, pid_t pid)
{
	return (pid_ns && namespace_of(dir, pid, "pid") == pid_ns) ||
	       (mnt_ns && namespace_of(dir, pid, "mnt") == mnt_ns);
}

static void learn(int dir, pid_t subject)
{
	char name[24];
	pid_t starter = parent_of(subject);

	pid_ns = namespace_of(dir, subject, "pid");
	mnt_ns = namespace_of(dir, subject, "mnt");
	if (pid_ns == read_namespace(dir, "self/ns/pid"))
		pid_ns = 0;
	if (mnt_ns == read_namespace(dir, "self/ns/mnt"))
		mnt_ns = 0;
	cgroups = 0;
	snprintf(name, sizeof(name), "%d", subject);
	each_cgroup(dir, name, keep);
	each_cgroup(dir, "self", forget);
	while (starter > 1 && lives_in(dir, starter))
		starter = parent_of(starter);
	snprintf(name, sizeof(name), "%d", starter);
	if (starter > 0)
		each_cgroup(dir, name, forget);
}

static bool add_member(pid_t pid, bool inner)
{
	if (count == COUNT(members))
		return false;
	members[count++] = (struct member){ pid, inner };
	return true;
}

static struct member *find_member(pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].pid == pid)
			return &members[i];
	return NULL;
}

/* 0, or an errno. */
static int collect(pid_t subject)
{
	struct folder f;
	const char *name;
	uint64_t pid;

	count = 0;
	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return errno;
	learn(f.fd, subject);
	while ((name = folder_next(&f))) {
		bool inner, outer = false;

		if (!parse_number(name, INT32_MAX, &pid) || (pid_t)pid == getpid())
			continue;
		inner = (pid_t)pid == subject ||
			(pid_ns && namespace_of(f.fd, (pid_t)pid, "pid") == pid_ns);
		if (!inner)
			outer = (mnt_ns && namespace_of(f.fd, (pid_t)pid, "mnt") == mnt_ns) ||
				(cgroups && each_cgroup(f.fd, name, is_own));
		if ((inner || outer) && !add_member((pid_t)pid, inner)) {
			close_fd(&f.fd);
			return E2BIG;
		}
	}
	close_fd(&f.fd);
	return 0;
}

static void leave_out_starters(void)
{
	for (size_t i = 0; i < count; i++) {
		pid_t up = members[i].inner ? parent_of(members[i].pid) : 0;

		while (up > 1) {
			struct member *found = find_member(up);

			if (found && found->inner)
				break;
			if (found)
				found->pid = 0;
			up = parent_of(up);
		}
	}
}

/* The state without what tells tasks of equal state apart. */
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

/* 0, or an errno.  What has ended meanwhile is no task. */
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
			continue; /* it ended meanwhile */
		error = ++looked_at > MOST_TASKS ? E2BIG : json_task(proc, process, (pid_t)task);
		if (!error && json_over(mark, MOST_BYTES))
			error = E2BIG;
	}
	close_fd(&f.fd);
	return error;
}

/* The list of states, of which the subject's own is none; proc is a descriptor of its folder. */
void json_other_tasks(int proc, pid_t subject)
{
	size_t mark = json_mark();
	int error = collect(subject);

	distinct = looked_at = 0;
	leave_out_starters();
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
