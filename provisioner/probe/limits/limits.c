/*
 * What limits a process: its RLIMIT_NOFILE (getrlimit(2)), and the cgroup files of cgroup-v2.rst
 * and cgroup-v1/{memory,cpuacct,pids}.rst in the kernel's Documentation/admin-guide, sched-bwc.rst
 * in its Documentation/scheduler.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "limits/cgroup_place.h"
#include "limits/limits.h"

enum kind {
	VALUE,	     /* a number */
	OPTIONAL,    /* the same; null on kernels that do not have it */
	LIMIT,	     /* the least number of the cgroup and its ancestors */
	SUM,	     /* the same; the sum of those of two files */
	QUOTA,	     /* the least share of a processor of the cgroup and its ancestors */
	PERIOD,	     /* the period of that quota */
	QUOTA_VALUE, /* a number, read in the cgroup that has that quota */
};

/* Where one version of cgroups shows a fact. */
struct source {
	const char *file;
	const char *key;	/* the start of a line; NULL: the file holds one number */
	const char *plus;	/* the second file of a sum; NULL: the first has it all */
	const char *controller; /* if not the limit's own */
	uint64_t divisor;	/* 0: 1 */
};

struct fact {
	const char *name;
	enum kind kind;
	struct source v1, v2;
};

/* clang-format off */
static const struct fact memory[] = {
	{ "limit", LIMIT, { .file = "memory.limit_in_bytes" }, { .file = "memory.max" } },
	{ "usage", VALUE, { .file = "memory.usage_in_bytes" }, { .file = "memory.current" } },
	{ "peak", OPTIONAL, { .file = "memory.max_usage_in_bytes" }, { .file = "memory.peak" } },
	{ "oom_kills", OPTIONAL, { "memory.oom_control", .key = "oom_kill" },
				 { "memory.events", .key = "oom_kill" } },
	{ "oom_kill_disable", OPTIONAL, { "memory.oom_control", .key = "oom_kill_disable" },
					{ .file = "memory.oom_control" } },
	{ "oom_group", OPTIONAL, { .file = "memory.oom.group" }, { .file = "memory.oom.group" } },
};

static const struct fact swap[] = {
	{ "limit", SUM, { .file = "memory.memsw.limit_in_bytes" },
			{ .file = "memory.max", .plus = "memory.swap.max" } },
	{ "swapped", OPTIONAL, { "memory.stat", .key = "swap" },
			       { .file = "memory.swap.current" } },
};

static const struct fact cpu[] = {
	{ "quota_us", QUOTA, { .file = "cpu.cfs_quota_us" }, { .file = "cpu.max" } },
	{ "period_us", PERIOD, { .file = "cpu.cfs_period_us" }, { .file = "cpu.max" } },
	{ "usage_us", VALUE, { "cpuacct.usage", .controller = "cpuacct", .divisor = 1000 },
			     { "cpu.stat", .key = "usage_usec" } },
	{ "nr_periods", QUOTA_VALUE, { "cpu.stat", .key = "nr_periods" },
				     { "cpu.stat", .key = "nr_periods" } },
	{ "nr_throttled", QUOTA_VALUE, { "cpu.stat", .key = "nr_throttled" },
				       { "cpu.stat", .key = "nr_throttled" } },
};

static const struct fact pids[] = {
	{ "limit", LIMIT, { .file = "pids.max" }, { .file = "pids.max" } },
	{ "current", VALUE, { .file = "pids.current" }, { .file = "pids.current" } },
	{ "refusals", OPTIONAL, { "pids.events", .key = "max" }, { "pids.events", .key = "max" } },
};

static const struct limit {
	const char *name, *v1, *v2; /* the controllers of both versions */
	const struct fact *facts;
	size_t count;
} limits[] = {
	{ "memory", "memory", "memory", memory, COUNT(memory) },
	{ "swap", "memory", "memory", swap, COUNT(swap) },
	{ "cpu", "cpu", "cpu", cpu, COUNT(cpu) },
	{ "pids", "pids", "pids", pids, COUNT(pids) },
};
/* clang-format on */

/* The tightest quota found above a process. */
struct quota {
	size_t at; /* the length of the cgroup's path; 0: none was read */
	bool limited;
	uint64_t us, period;
	int error;
};

/* The file NAME in the folder that the first `length` characters of the path name. */
static const char *file_in(const struct cgroup_place *p, size_t length, const char *name)
{
	static char path[2300];

	snprintf(path, sizeof(path), "%.*s/%s", (int)length, p->path, name);
	return path;
}

/* The length of the parent folder's path; 0 above the mount. */
static size_t parent(const struct cgroup_place *p, size_t length)
{
	if (length <= p->top)
		return 0;
	while (length > p->top && p->path[--length] != '/')
		;
	return length;
}

static void json_value(const struct cgroup_place *p, size_t length, const struct source *s,
		       bool optional)
{
	const char *path = file_in(p, length, s->file);
	uint64_t number = 0;
	int got = s->key ? read_key(AT_FDCWD, path, s->key, &number)
			 : read_number(AT_FDCWD, path, &number);

	if (got == 0)
		json_u64(s->divisor ? number / s->divisor : number);
	else if (optional && (errno == ENOENT || errno == ENODATA))
		json_null();
	else
		json_fail(json_mark(), errno, "read %s%s%s", s->file, s->key ? " " : "",
			  s->key ? s->key : "");
}

/*
 * The least number of a file in the cgroup and those above; UINT64_MAX for none.  False: unobserved
 * was written.  "max" and the huge numbers of version 1 mean that there is no limit.
 */
static bool find_least(const struct cgroup_place *p, const char *name, uint64_t *least)
{
	uint64_t number;
	bool seen = false;
	int error = 0;

	*least = UINT64_MAX;
	for (size_t at = strlen(p->path); at; at = parent(p, at)) {
		int got = read_number(AT_FDCWD, file_in(p, at, name), &number);

		if (got == 0 && number < *least && number < 1ull << 62)
			*least = number;
		if (got == 0 || errno == ERANGE)
			seen = true;
		else if (errno != ENOENT || !error)
			error = errno;
		if (got < 0 && errno != ERANGE && errno != ENOENT) {
			seen = false;
			break; /* an ancestor that cannot be read may have the least limit */
		}
	}
	if (!seen)
		json_fail(json_mark(), error, "read %s", name);
	return seen;
}

static void json_least(const struct cgroup_place *p, const struct source *s)
{
	uint64_t least, more = 0;

	if (!find_least(p, s->file, &least) || (s->plus && !find_least(p, s->plus, &more)))
		return;
	if (least == UINT64_MAX || more == UINT64_MAX)
		json_null();
	else
		json_u64(least + more);
}

/* Quota and period of one cgroup: 1; 0 without a quota; -1 with errno. */
static int read_quota(const struct cgroup_place *p, size_t at, uint64_t *quota, uint64_t *period)
{
	char text[64], *rest = text;

	if (p->version == 1) {
		if (read_number(AT_FDCWD, file_in(p, at, "cpu.cfs_period_us"), period) < 0)
			return -1;
		if (read_number(AT_FDCWD, file_in(p, at, "cpu.cfs_quota_us"), quota) == 0)
			return 1;
		return errno == ERANGE ? 0 : -1; /* the file holds -1: no quota */
	}
	if (read_file(AT_FDCWD, file_in(p, at, "cpu.max"), text, sizeof(text)) < 0)
		return -1;
	char *first = strsep(&rest, " ");

	if (!rest || !parse_number(trim(rest), UINT64_MAX, period)) {
		errno = EBADMSG;
		return -1;
	}
	return parse_number(first, UINT64_MAX, quota);
}

static void find_quota(const struct cgroup_place *p, struct quota *found)
{
	uint64_t us = 0, period = 0;

	*found = (struct quota){ 0 };
	for (size_t at = strlen(p->path); at; at = parent(p, at)) {
		int got = read_quota(p, at, &us, &period);

		if (got < 0) {
			found->error = errno;
			if (errno == ENOENT)
				continue;
			found->at = 0;
			break;
		}
		if (!found->at ||
		    (got && (!found->limited || us * found->period < found->us * period)))
			*found = (struct quota){ at, got > 0, us, period, found->error };
	}
}

static void json_fact(int proc, const struct cgroup_place *p, const struct fact *f,
		      struct quota *quota)
{
	static struct cgroup_place other;
	const struct source *s = p->version == 2 ? &f->v2 : &f->v1;

	json_key(f->name);
	if (s->controller) {
		find_cgroup(&other, proc, s->controller, s->controller);
		p = &other;
	}
	if (f->kind == QUOTA)
		find_quota(p, quota);
	if (f->kind == LIMIT || f->kind == SUM)
		json_least(p, s);
	else if (f->kind == VALUE || f->kind == OPTIONAL)
		json_value(p, strlen(p->path), s, f->kind == OPTIONAL);
	else if (f->kind == QUOTA_VALUE)
		json_value(p, quota->at ? quota->at : strlen(p->path), s, false);
	else if (!quota->at)
		json_fail(json_mark(), quota->error, "read the cpu %s",
			  f->kind == QUOTA ? "quota" : "period");
	else if (f->kind == PERIOD)
		json_u64(quota->period);
	else if (quota->limited)
		json_u64(quota->us);
	else
		json_null();
}

static void json_limit(int proc, const struct cgroup_place *p, const struct limit *l)
{
	struct quota quota = { 0 };

	json_key(l->name);
	if (!p->version || !p->path[0]) {
		json_fail(json_mark(), ENOENT,
			  p->version ? "find the process's %s cgroup below its mount"
				     : "find a mounted %s controller",
			  l->name);
		return;
	}
	json_open('{');
	for (size_t i = 0; i < l->count; i++)
		json_fact(proc, p, &l->facts[i], &quota);
	json_close('}');
}

void json_limits(int proc)
{
	static struct cgroup_place places[COUNT(limits)];
	int version = 0;

	for (size_t i = 0; i < COUNT(limits); i++) {
		find_cgroup(&places[i], proc, limits[i].v1, limits[i].v2);
		version = version ? version : places[i].version;
	}
	json_open('{');
	json_key("version");
	json_i64(version);
	for (size_t i = 0; i < COUNT(limits); i++)
		json_limit(proc, &places[i], &limits[i]);
	json_key("cpuset");
	find_cgroup(&places[0], proc, "cpuset", "cpuset");
	json_cpuset(&places[0]);
	json_key("shm");
	json_shm(proc);
	json_key("files");
	json_rlimit(proc, "Max open files");
	json_key("nproc");
	json_rlimit(proc, "Max processes");
	json_key("core");
	json_rlimit(proc, "Max core file size");
	json_close('}');
}
