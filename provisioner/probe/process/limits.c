/*
 * The cgroup files that rule a process, read where the looking process sees them mounted.
 * The path in /proc/PID/cgroup and the root of the mount combine to a folder; a path that leaves
 * the mount (another cgroup namespace) has none, and the fact is unobserved.
 */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The folder of a process in one hierarchy; top is the length of the mount's target in it. */
struct place {
	int version; /* 0: the controller is mounted nowhere that we see */
	size_t top;
	char path[2200];
};

static char line[2048];

/* The process's path in the hierarchy of a v1 controller, or in v2 with controller 0. */
static bool find_path(int proc, unsigned controller, char *path, size_t size)
{
	struct reader r;
	bool found = false;

	if (proc < 0 || reader_open(&r, proc, "cgroup") < 0)
		return false;
	while (!found && reader_line(&r, line, sizeof(line)) > 0) {
		char *rest = line, *id = strsep(&rest, ":"), *list = strsep(&rest, ":");

		if (!rest)
			continue;
		if (controller ? !(parse_controllers(list, ',') & controller)
			       : *list || strcmp(id, "0") != 0)
			continue;
		found = copy_text(path, size, rest);
	}
	close_fd(&r.fd);
	return found;
}

static bool locate(struct place *p, const struct cgroup_mount *m, const char *path)
{
	size_t root = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);

	if (strncmp(path, m->root, root) != 0 || (path[root] && path[root] != '/'))
		return false;
	if (strstr(path + root, "/.."))
		return false;
	p->top = strlen(m->target);
	if (strcmp(path + root, "/") == 0)
		root++;
	if ((size_t)snprintf(p->path, sizeof(p->path), "%s%s", m->target, path + root) >=
	    sizeof(p->path))
		return false;
	return access(p->path, F_OK) == 0;
}

static bool holds_v2(const struct cgroup_mount *m, unsigned controller)
{
	char path[1100], list[512];

	if (!controller)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", m->target);
	return read_file(AT_FDCWD, path, list, sizeof(list)) >= 0 &&
	       (parse_controllers(list, ' ') & controller);
}

static void find_place(struct place *p, int proc, unsigned controller)
{
	static char path[1024];
	size_t count;
	const struct cgroup_mount *m = cgroup_mounts(&count);

	p->version = 0;
	p->path[0] = 0;
	for (size_t i = 0; i < count; i++) {
		if (m[i].version == 1 ? !controller || !(m[i].controllers & controller)
				      : !holds_v2(&m[i], controller))
			continue;
		if (!p->version)
			p->version = m[i].version;
		if (!find_path(proc, m[i].version == 1 ? controller : 0, path, sizeof(path)) ||
		    !locate(p, &m[i], path)) {
			p->path[0] = 0;
			continue;
		}
		p->version = m[i].version;
		return;
	}
}

/* The folder of a process in one hierarchy, by controller or (0) in v2; its version, 0: none. */
int cgroup_folder(int proc, unsigned controller, char *path, size_t size)
{
	static struct place p;

	find_place(&p, proc, controller);
	copy_text(path, size, p.path);
	return p.version;
}

static const char *file(const struct place *p, size_t length, const char *name)
{
	static char path[2300];

	snprintf(path, sizeof(path), "%.*s/%s", (int)length, p->path, name);
	return path;
}

/* The next folder upwards: its length, 0 above the mount's own. */
static size_t parent(const struct place *p, size_t length)
{
	if (length <= p->top)
		return 0;
	while (length > p->top && p->path[--length] != '/')
		;
	return length;
}

static void json_value(const struct place *p, const char *key, const char *name,
		       const char *line_key, uint64_t divisor, bool absent_is_null)
{
	const char *path = file(p, strlen(p->path), name);
	uint64_t number = 0;
	int got = line_key ? read_key(AT_FDCWD, path, line_key, &number)
			   : read_number(AT_FDCWD, path, &number);

	json_key(key);
	if (got == 0)
		json_u64(number / divisor);
	else if (absent_is_null && (errno == ENOENT || errno == ENODATA))
		json_null();
	else
		json_fail(json_mark(), errno, "read %s%s%s", name, line_key ? " " : "",
			  line_key ? line_key : "");
}

/* The least limit of the cgroup and its ancestors; "max" and v1's huge numbers are none. */
static void json_limit(const struct place *p, const char *name)
{
	uint64_t least = UINT64_MAX, number;
	bool seen = false;
	int error = 0;

	for (size_t at = strlen(p->path); at; at = parent(p, at)) {
		int got = read_number(AT_FDCWD, file(p, at, name), &number);

		if (got == 0 && number < least && number < 1ull << 62)
			least = number;
		if (got == 0 || errno == ERANGE)
			seen = true;
		else if (errno != ENOENT || !error)
			error = errno;
		if (got < 0 && errno != ERANGE && errno != ENOENT) {
			seen = false;
			break; /* an ancestor that cannot be read may hold the least one */
		}
	}
	json_key("limit");
	if (!seen)
		json_fail(json_mark(), error, "read %s", name);
	else if (least == UINT64_MAX)
		json_null();
	else
		json_u64(least);
}

static void json_memory(const struct place *p)
{
	bool v2 = p->version == 2;

	json_open('{');
	json_limit(p, v2 ? "memory.max" : "memory.limit_in_bytes");
	json_value(p, "usage", v2 ? "memory.current" : "memory.usage_in_bytes", NULL, 1, false);
	json_value(p, "peak", v2 ? "memory.peak" : "memory.max_usage_in_bytes", NULL, 1, true);
	json_value(p, "oom_kills", v2 ? "memory.events" : "memory.oom_control", "oom_kill", 1,
		   true);
	json_close('}');
}

/* One folder's quota and period: 1 a quota, 0 none, -1 unreadable. */
static int read_quota(const struct place *p, size_t at, uint64_t *quota, uint64_t *period)
{
	char text[64], *rest = text;

	if (p->version == 1) {
		if (read_number(AT_FDCWD, file(p, at, "cpu.cfs_period_us"), period) < 0)
			return -1;
		if (read_number(AT_FDCWD, file(p, at, "cpu.cfs_quota_us"), quota) == 0)
			return 1;
		return errno == ERANGE ? 0 : -1; /* -1: none */
	}
	if (read_file(AT_FDCWD, file(p, at, "cpu.max"), text, sizeof(text)) < 0)
		return -1;
	char *first = strsep(&rest, " ");

	if (!rest || !parse_number(trim(rest), UINT64_MAX, period)) {
		errno = EBADMSG;
		return -1;
	}
	return parse_number(first, UINT64_MAX, quota);
}

static void json_cpu(struct place *p, const struct place *acct)
{
	uint64_t quota = 0, period = 0, q = 0, t = 0;
	size_t length = strlen(p->path), found = 0;
	bool limited = false;
	int error = 0;

	for (size_t at = length; at; at = parent(p, at)) {
		int got = read_quota(p, at, &q, &t);

		if (got < 0) {
			error = errno;
			if (errno == ENOENT)
				continue;
			found = 0;
			break;
		}
		if (!found || (got && (!limited || q * period < quota * t))) {
			found = at;
			quota = q;
			period = t;
			limited = got > 0;
		}
	}
	json_open('{');
	json_key("quota_us");
	if (!found)
		json_fail(json_mark(), error, "read the cpu quota");
	else if (limited)
		json_u64(quota);
	else
		json_null();
	json_key("period_us");
	if (found)
		json_u64(period);
	else
		json_fail(json_mark(), error, "read the cpu period");
	if (p->version == 2)
		json_value(p, "usage_us", "cpu.stat", "usage_usec", 1, false);
	else
		json_value(acct, "usage_us", "cpuacct.usage", NULL, 1000, false);
	if (found)
		p->path[found] = 0; /* throttling is counted where the quota stands */
	json_value(p, "nr_periods", "cpu.stat", "nr_periods", 1, false);
	json_value(p, "nr_throttled", "cpu.stat", "nr_throttled", 1, false);
	json_close('}');
}

static void json_pids(const struct place *p)
{
	json_open('{');
	json_limit(p, "pids.max");
	json_value(p, "current", "pids.current", NULL, 1, false);
	json_value(p, "refusals", "pids.events", "max", 1, true);
	json_close('}');
}

static bool json_placed(const char *key, const struct place *p)
{
	json_key(key);
	if (p->version && p->path[0])
		return true;
	json_fail(json_mark(), ENOENT, p->version ? "find the process's %s cgroup below its mount"
						  : "find a mounted %s controller", key);
	return false;
}

void json_limits(int proc)
{
	static struct place memory, cpu, cpuacct, pids;

	find_place(&memory, proc, CTL_MEMORY);
	find_place(&cpu, proc, CTL_CPU);
	find_place(&cpuacct, proc, CTL_CPUACCT);
	find_place(&pids, proc, CTL_PIDS);
	json_open('{');
	json_key("version");
	json_i64(memory.version ? memory.version : cpu.version ? cpu.version : pids.version);
	if (json_placed("memory", &memory))
		json_memory(&memory);
	if (json_placed("cpu", &cpu))
		json_cpu(&cpu, &cpuacct);
	if (json_placed("pids", &pids))
		json_pids(&pids);
	json_close('}');
}
