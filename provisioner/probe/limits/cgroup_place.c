/*
 * The path in /proc/PID/cgroup and the root of the mount combine to a folder (cgroups(7)).  A path
 * outside the mount's root, as another cgroup namespace shows it, has no folder.
 */
#include "limits/cgroup_place.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mount_table.h"
#include "base/text.h"

static char line[2048];

/* The path of a process in the hierarchy of a v1 controller, or in v2 if `controller` is NULL. */
static bool find_path(int proc, const char *controller, char *path, size_t size)
{
	struct reader r;
	bool found = false;

	if (proc < 0 || reader_open(&r, proc, "cgroup") < 0)
		return false;
	while (!found && reader_line(&r, line, sizeof(line)) > 0) {
		char *rest = line, *id = strsep(&rest, ":"), *list = strsep(&rest, ":");

		if (!rest)
			continue;
		if (controller ? !list_has(list, ',', controller) : *list || strcmp(id, "0") != 0)
			continue;
		found = copy_text(path, size, rest);
	}
	close_fd(&r.fd);
	return found;
}

static bool locate(struct cgroup_place *p, const struct cgroup_mount *m, const char *path)
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

static bool has_v2(const struct cgroup_mount *m, const char *controller)
{
	char path[1100], list[512];

	if (!controller)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", m->target);
	return read_file(AT_FDCWD, path, list, sizeof(list)) >= 0 &&
	       list_has(list, ' ', controller);
}

static bool has_v1(const struct cgroup_mount *m, const char *controller)
{
	return controller && list_has(m->options, ',', controller);
}

void find_cgroup(struct cgroup_place *p, int proc, const char *v1, const char *v2)
{
	static char path[1024];
	size_t count;
	const struct cgroup_mount *m = cgroup_mounts(&count);

	p->version = 0;
	p->path[0] = 0;
	for (size_t i = 0; i < count; i++) {
		if (m[i].version == 1 ? !has_v1(&m[i], v1) : !has_v2(&m[i], v2))
			continue;
		if (!p->version)
			p->version = m[i].version;
		if (!find_path(proc, m[i].version == 1 ? v1 : NULL, path, sizeof(path)) ||
		    !locate(p, &m[i], path)) {
			p->path[0] = 0;
			continue;
		}
		p->version = m[i].version;
		return;
	}
}
