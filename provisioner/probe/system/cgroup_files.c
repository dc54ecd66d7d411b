/*
 * Opens the files by which a process leaves its cgroup or raises its own limits (cgroups(7)), at
 * every cgroup mount that it sees: cgroup.procs of its cgroup and of those above it, and the limit
 * files of its own.  Nothing is written.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/look.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "system/parts.h"

#define MAX_TRIED 96
#define MAX_NAME  1200

static const char *const limit_files[] = {
	"memory.max",
	"memory.high",
	"cpu.max",
	"pids.max",
	"cpuset.cpus",
	"io.max",
	"memory.limit_in_bytes",
	"cpu.cfs_quota_us",
	"devices.allow",
	"memory.swap.max",
	"memory.oom_control",
};

static char names[MAX_TRIED][MAX_NAME];
static size_t count;

static void add(const char *folder, size_t length, const char *file, bool must_be_there)
{
	if (count == MAX_TRIED || (size_t)snprintf(names[count], MAX_NAME, "%.*s/%s", (int)length,
						   folder, file) >= MAX_NAME)
		return;
	if (must_be_there && access(names[count], F_OK) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], names[count]) == 0)
			return;
	count++;
}

/* Whether a line of /proc/self/cgroup names the hierarchy of a mount. */
static bool is_of(const struct cgroup_mount *m, char *controllers)
{
	if (m->version == 2)
		return !*controllers;
	return *controllers && list_has(m->options, ',', strsep(&controllers, ","));
}

/* The path of this process in the hierarchy of a mount. */
static bool own_path(const struct cgroup_mount *m, char *path, size_t size)
{
	static char line[2048];
	struct reader r;
	bool found = false;

	if (reader_open(&r, AT_FDCWD, "/proc/self/cgroup") < 0)
		return false;
	while (!found && reader_line(&r, line, sizeof(line)) > 0) {
		char *rest = line, *id = strsep(&rest, ":"), *controllers = strsep(&rest, ":");

		if (id && rest && is_of(m, controllers))
			found = copy_text(path, size, rest);
	}
	close_fd(&r.fd);
	return found;
}

static void add_mount(const struct cgroup_mount *m)
{
	static char path[1024], folder[MAX_NAME];
	size_t root = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root), top = strlen(m->target);

	if (!own_path(m, path, sizeof(path)) || strncmp(path, m->root, root) != 0 ||
	    (path[root] && path[root] != '/') || strstr(path + root, "/.."))
		return; /* the mount shows another part of the hierarchy */
	if (strcmp(path + root, "/") == 0)
		root++;
	if ((size_t)snprintf(folder, sizeof(folder), "%s%s", m->target, path + root) >=
	    sizeof(folder))
		return;
	for (size_t i = 0; i < COUNT(limit_files); i++)
		add(folder, strlen(folder), limit_files[i], true);
	for (size_t at = strlen(folder); at >= top; at--)
		if (!folder[at] || (folder[at] == '/' && at > top) || at == top)
			add(folder, at, "cgroup.procs", false);
}

static void look_all(const void *in, void *out)
{
	struct seen *s = out;

	(void)in;
	for (size_t i = 0; i < count; i++) {
		struct look l = { names[i], true };

		look_at(&l, &s[i]);
	}
}

void json_cgroup_files(void)
{
	static struct seen seen[MAX_TRIED];
	size_t mounts;
	const struct cgroup_mount *m = cgroup_mounts(&mounts);
	struct call_result done;

	count = 0;
	for (size_t i = 0; i < mounts; i++)
		add_mount(&m[i]);
	if (!count)
		return;
	done = fork_call(look_all, NULL, seen, sizeof(seen));
	for (size_t i = 0; i < count; i++) {
		struct look l = { names[i], true };

		if (done.end != CALL_DONE) { /* one of them hangs or kills: find it */
			json_look(names[i], &l);
			continue;
		}
		json_key(names[i]);
		json_seen(&l, &seen[i]);
	}
}
