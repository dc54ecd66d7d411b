/* The cgroups of a sandbox, from /proc/PID/cgroup (cgroups(7)): one path for each hierarchy. */
#include "base/own_cgroups.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static struct {
	uint64_t hierarchy;
	char path[1024];
} own[32];
static size_t count;

static bool at_or_below(const char *path, const char *top)
{
	size_t size = strlen(top);

	return strncmp(path, top, size) == 0 && (path[size] == '/' || !path[size]);
}

/* Calls `line` for each line of a process's cgroup file until a call returns true. */
static bool each_cgroup(int dir, pid_t pid, bool (*line)(uint64_t hierarchy, const char *path))
{
	static char text[16 << 10];
	char name[48], *at = text;
	cleanup_fd int fd = -1;
	ssize_t n;

	snprintf(name, sizeof(name), pid ? "%d/cgroup" : "self/cgroup", pid);
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
	if (count < COUNT(own) && strcmp(path, "/") != 0 &&
	    copy_text(own[count].path, sizeof(own[0].path), path))
		own[count++].hierarchy = hierarchy;
	return false;
}

static bool is_own(uint64_t hierarchy, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (own[i].hierarchy == hierarchy && at_or_below(path, own[i].path))
			return true;
	return false;
}

static bool forget(uint64_t hierarchy, const char *path)
{
	for (size_t i = 0; i < count;) {
		if (own[i].hierarchy == hierarchy && at_or_below(path, own[i].path))
			own[i] = own[--count];
		else
			i++;
	}
	return false;
}

void learn_cgroups(int dir, pid_t subject)
{
	count = 0;
	each_cgroup(dir, subject, keep);
}

void forget_cgroups_of(int dir, pid_t pid)
{
	each_cgroup(dir, pid, forget);
}

bool in_own_cgroup(int dir, pid_t pid)
{
	return count && each_cgroup(dir, pid, is_own);
}
