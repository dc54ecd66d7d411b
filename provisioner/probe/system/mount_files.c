/*
 * Files by which a mounted file system is steered, wherever it is mounted: a process leaves its
 * cgroup, a helper runs on the host, an interpreter is registered, a cache is divided.  Only what
 * the mount table shows is touched: a look at /proc/sys/fs/binfmt_misc itself would mount it where
 * systemd has put its automount there.
 */
#include "base/probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *fstype, *file;
} steered[] = {
	{ "cgroup", "cgroup.procs" },
	{ "cgroup", "release_agent" },
	{ "cgroup2", "cgroup.procs" },
	{ "binfmt_misc", "register" },
	{ "resctrl", "schemata" },
};

static bool is_steered(const char *fstype)
{
	for (size_t i = 0; i < COUNT(steered); i++)
		if (strcmp(fstype, steered[i].fstype) == 0)
			return true;
	return false;
}

static void json_files_of(const char *fstype, const char *target)
{
	for (size_t i = 0; i < COUNT(steered); i++) {
		char key[1200], path[1200];
		struct look l = { path, true };

		if (strcmp(fstype, steered[i].fstype) != 0)
			continue;
		snprintf(key, sizeof(key), "%s:%s", steered[i].file, target);
		snprintf(path, sizeof(path), "%s/%s", target, steered[i].file);
		json_look(key, &l);
	}
}

/* One target twice is one key: what is mounted last hides what is below. */
void json_mount_files(void)
{
	static char line[MAX_LINE];
	static struct {
		char fstype[16], target[1024];
	} found[48];
	size_t count = 0;
	struct reader r;
	struct mount m;

	if (reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return;
	while (count < COUNT(found) && reader_line(&r, line, sizeof(line)) > 0) {
		size_t at = 0;

		if (!parse_mount(line, &m) || !is_steered(m.fstype))
			continue;
		while (at < count && strcmp(found[at].target, m.target) != 0)
			at++;
		if (copy_text(found[at].fstype, sizeof(found[at].fstype), m.fstype) &&
		    copy_text(found[at].target, sizeof(found[at].target), m.target) && at == count)
			count++;
	}
	close_fd(&r.fd);
	for (size_t i = 0; i < count; i++)
		json_files_of(found[i].fstype, found[i].target);
}
