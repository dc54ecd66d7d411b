/*
 * Finds the subject, which is the process that serves a nonce, and the processes of its sandbox.
 * A process belongs to the sandbox if it is in the subject's pid or mount namespace, or in the
 * subject's cgroup or one below, provided that the namespace or cgroup is not shared with the host
 * or with another sandbox.
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
#include "base/own_cgroups.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/parts.h"
#include "process/process.h"

#define MOST_PROCESSES 4096

static struct member members[MOST_PROCESSES];
static size_t count;

static uint64_t pid_ns, mnt_ns; /* 0: shared with the host */

static uint64_t namespace_of(int dir, pid_t pid, const char *kind)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/ns/%s", pid, kind);
	return read_namespace(dir, path);
}

static bool lives_in(int dir, pid_t pid)
{
	return (pid_ns && namespace_of(dir, pid, "pid") == pid_ns) ||
	       (mnt_ns && namespace_of(dir, pid, "mnt") == mnt_ns);
}

static void learn(int dir, pid_t subject)
{
	pid_t starter = parent_of(subject);

	pid_ns = namespace_of(dir, subject, "pid");
	mnt_ns = namespace_of(dir, subject, "mnt");
	if (pid_ns == read_namespace(dir, "self/ns/pid"))
		pid_ns = 0;
	if (mnt_ns == read_namespace(dir, "self/ns/mnt"))
		mnt_ns = 0;
	learn_cgroups(dir, subject);
	forget_cgroups_of(dir, 0);
	while (starter > 1 && lives_in(dir, starter))
		starter = parent_of(starter);
	if (starter > 0)
		forget_cgroups_of(dir, starter);
}

static bool add_member(struct member member)
{
	if (count == COUNT(members))
		return false;
	members[count++] = member;
	return true;
}

/*
 * Whether a process is in a pid namespace that is neither the host's nor the sandbox's nor below
 * it: another sandbox made it.
 */
static bool is_of_another(int dir, pid_t pid)
{
	uint64_t own = pid_ns ? namespace_of(dir, pid, "pid") : 0;
	char path[48];

	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	return own && own != read_namespace(dir, "self/ns/pid") && !may_be_below(dir, path, pid_ns);
}

/* A cgroup that holds a process of another sandbox tells nothing about the others in it. */
static void leave_out_neighbours(int dir)
{
	bool shared = false;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (members[i].by_cgroup && is_of_another(dir, members[i].pid)) {
			forget_cgroups_of(dir, members[i].pid);
			shared = true;
		}
	for (size_t i = 0; shared && i < count; i++)
		if (!members[i].by_cgroup || in_own_cgroup(dir, members[i].pid))
			members[kept++] = members[i];
	count = shared ? kept : count;
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
		struct member m = { 0 };

		if (!parse_number(name, INT32_MAX, &pid) || (pid_t)pid == getpid())
			continue;
		m.pid = (pid_t)pid;
		m.inner =
			m.pid == subject || (pid_ns && namespace_of(f.fd, m.pid, "pid") == pid_ns);
		if (!m.inner && (!mnt_ns || namespace_of(f.fd, m.pid, "mnt") != mnt_ns)) {
			m.by_cgroup = in_own_cgroup(f.fd, m.pid);
			if (!m.by_cgroup)
				continue;
		}
		if (!add_member(m)) {
			close_fd(&f.fd);
			return E2BIG;
		}
	}
	leave_out_neighbours(f.fd);
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
