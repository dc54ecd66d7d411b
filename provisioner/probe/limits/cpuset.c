/* The processors that a process's cpuset leaves it (cpuset(7), cgroup-v2.rst "Cpuset"). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "limits/cgroup_place.h"
#include "limits/limits.h"

static char set[4096];

/* The set of the cgroup that the first `length` characters of the path name; false with errno. */
static bool read_set(const struct cgroup_place *p, size_t length)
{
	static char path[2300];
	const char *name = p->version == 2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";

	snprintf(path, sizeof(path), "%.*s/%s", (int)length, p->path, name);
	return read_file(AT_FDCWD, path, set, sizeof(set)) >= 0;
}

/* How many processors a list such as "0-1,4" has. */
static uint64_t count(void)
{
	uint64_t sum = 0;

	for (char *at = set; *at >= '0' && *at <= '9'; at += *at == ',') {
		unsigned long first = strtoul(at, &at, 10);
		unsigned long last = *at == '-' ? strtoul(at + 1, &at, 10) : first;

		sum += last - first + 1;
	}
	return sum;
}

void json_cpuset(const struct cgroup_place *p)
{
	size_t mark = json_mark(), at = p->version ? strlen(p->path) : 0;
	uint64_t all;

	if (!at) {
		json_fail(mark, ENOENT, "find the process's cpuset");
		return;
	}
	bool seen = read_set(p, p->top);

	all = seen ? count() : 0;
	/* On version 2 a cgroup without the controller has the set of the one above it. */
	while (!read_set(p, at) && at > p->top)
		while (at > p->top && p->path[--at] != '/')
			;
	trim(set);
	if (!seen || !count()) {
		json_fail(mark, errno, "read the effective cpuset");
		return;
	}
	json_open('{');
	json_key("limit");
	if (count() < all)
		json_u64(count());
	else
		json_null();
	json_key("cpus");
	json_text(set);
	json_close('}');
}
