/*
 * Finds the subject, which is the process that serves a nonce, and the processes of its sandbox.
 * A process belongs to the sandbox if it is in the subject's pid or mount namespace, or in the
 * subject's cgroup or one below, provided that the namespace or cgroup is not shared with the host.
 * A process that started one of them from outside (runc, lxc-start, unshare, nsenter) does not.
 */
#include "process/members.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/parts.h"
#include "process/process.h"

#define MOST_PROCESSES 4096

static struct member members[MOST_PROCESSES];
static size_t count;

static uint64_t pid_ns, mnt_ns; /* 0: shared with the host */

static struct {
	uint64_t hierarchy;
	char path[1024];
} own[32]; /* the sandbox's cgroups that are not shared with the host */
static size_t cgroups;

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

/* Calls `line` for each line of a process's cgroup file until a call returns true. */
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

/* A cgroup that contains a process outside is shared with the host. */
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

/* Returns 0 or an errno. */
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

bool is_member(pid_t pid)
{
	return pid > 0 && find_member(pid) != NULL;
}

int find_members(pid_t subject, const struct member **found, size_t *number)
{
	static pid_t known; /* a request looks once: every part of its answer tells of the same
			       processes */
	static int error;

	if (known != subject) {
		error = collect(subject);
		leave_out_starters();
		known = subject;
	}
	*found = members;
	*number = count;
	return error;
}

static bool is_subject(pid_t pid, const char *subject)
{
	char path[32], text[4096];
	const char *word = text, *end;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	size = read_file(AT_FDCWD, path, text, sizeof(text));
	if (size <= 0)
		return false;
	end = text + size;
	for (int i = 0; i < 3 && word < end; i++, word += strlen(word) + 1) {
		if (i == 1 && strcmp(word, "serve") != 0)
			return false;
		if (i == 2)
			return strcmp(word, subject) == 0;
	}
	return false;
}

/* A request is a child of the subject with the same command line: it does not count. */
pid_t find_subject(const char *subject)
{
	struct folder f;
	const char *name;
	uint64_t pid;
	pid_t found = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		die(EX_UNAVAILABLE, "cannot list /proc");
	while ((name = folder_next(&f))) {
		if (!parse_number(name, INT32_MAX, &pid) || !is_subject((pid_t)pid, subject))
			continue;
		if (is_subject(parent_of((pid_t)pid), subject))
			continue;
		errno = 0;
		if (found)
			die(EX_DATAERR, "several processes serve '%s': %d and %s", subject, found,
			    name);
		found = (pid_t)pid;
	}
	close_fd(&f.fd);
	errno = 0;
	if (!found)
		die(EX_UNAVAILABLE, "no process serves '%s'", subject);
	return found;
}
