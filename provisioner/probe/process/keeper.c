/*
 * The process outside that keeps the sandbox (containerd-shim, conmon), and the namespaces that the
 * sandbox has in common with it although they are not the host's: an engine's daemon may live in
 * namespaces of its own, which are then what it calls the host's.
 *
 * unshare(1) shares the namespaces that it makes.  So one counts only if a further process outside
 * lives in it, which is none of those that started the sandbox.  What the command that starts it
 * made in a namespace of its own does not count either: srt starts a proxy beside the sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/members.h"
#include "process/parts.h"
#include "process/process.h"

#define MOST_STARTERS 64

static const char *const shareable[] = { "cgroup", "ipc", "net", "time", "uts" };

static const struct member *members;
static size_t count;
static pid_t starters[MOST_STARTERS];
static size_t nstarters;
static pid_t command; /* that starts the sandbox; 0: not known */

static bool is_inside(pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].pid == pid)
			return true;
	return false;
}

static bool is_starter(pid_t pid)
{
	for (size_t i = 0; i < nstarters; i++)
		if (starters[i] == pid)
			return true;
	return false;
}

static uint64_t namespace_in(int dir, const char *pid, const char *kind)
{
	char path[48];

	snprintf(path, sizeof(path), "%s/ns/%s", pid, kind);
	return read_namespace(dir, path);
}

/* The keeper; 0 if it cannot be told. */
static pid_t find_starters(pid_t subject)
{
	pid_t pid = parent_of(subject);

	while (pid > 1 && is_inside(pid))
		pid = parent_of(pid);
	nstarters = 0;
	for (pid_t up = pid; up > 1 && nstarters < COUNT(starters); up = parent_of(up))
		starters[nstarters++] = up;
	return pid;
}

/* The first process of the command that lives in the namespace; 0 if there is none. */
static pid_t find_maker(int dir, const char *kind, uint64_t inode)
{
	char name[16];
	pid_t maker = 0;

	for (size_t i = 0; command && i < nstarters; i++) {
		snprintf(name, sizeof(name), "%d", starters[i]);
		if (namespace_in(dir, name, kind) == inode)
			maker = starters[i];
		if (starters[i] == command)
			return maker == command ? 0 : maker;
	}
	return 0;
}

static bool descends_from(pid_t pid, pid_t ancestor)
{
	while (pid > 1 && pid != ancestor)
		pid = parent_of(pid);
	return pid == ancestor;
}

/* A process outside that did not start the sandbox and lives in the namespace; 0 if there is none.
 */
static pid_t find_other(int dir, const char *kind, uint64_t inode)
{
	struct folder f;
	const char *name;
	uint64_t pid;
	pid_t found = 0, maker = find_maker(dir, kind, inode);

	if (folder_open(&f, dir, ".") < 0)
		return 0;
	while (!found && (name = folder_next(&f)))
		if (parse_number(name, INT32_MAX, &pid) && namespace_in(dir, name, kind) == inode &&
		    !is_inside((pid_t)pid) && !is_starter((pid_t)pid) &&
		    !(maker && descends_from((pid_t)pid, maker)))
			found = (pid_t)pid;
	close_fd(&f.fd);
	return found;
}

static void json_shared(int dir, const char *kind, pid_t pid)
{
	char path[32], name[64];

	snprintf(path, sizeof(path), "%d/comm", pid);
	if (read_file(dir, path, name, sizeof(name)) < 0)
		name[0] = 0; /* ended meanwhile */
	json_open('{');
	json_key("kind");
	json_text(kind);
	json_key("pid");
	json_i64(pid);
	json_key("name");
	json_text(trim(name));
	json_close('}');
}

void set_command(pid_t pid)
{
	command = pid;
}

void json_keeper(pid_t subject, bool self)
{
	size_t mark;
	struct folder f;
	char own[16], keeper[16];
	int error = self ? 0 : find_members(subject, &members, &count);

	json_key("keeper");
	mark = json_mark();
	if (self || error || folder_open(&f, AT_FDCWD, "/proc") < 0) {
		json_fail(mark,
			  self	  ? 0
			  : error ? error
				  : errno,
			  self ? "looked at from outside alone" : "list /proc");
		return;
	}
	snprintf(own, sizeof(own), "%d", subject);
	snprintf(keeper, sizeof(keeper), "%d", find_starters(subject));
	json_open('[');
	for (size_t i = 0; nstarters && i < COUNT(shareable); i++) {
		uint64_t inode = namespace_in(f.fd, own, shareable[i]);
		pid_t other;

		if (!inode || inode == namespace_in(f.fd, "self", shareable[i]) ||
		    inode != namespace_in(f.fd, keeper, shareable[i]))
			continue;
		other = find_other(f.fd, shareable[i], inode);
		if (other)
			json_shared(f.fd, shareable[i], other);
	}
	json_close(']');
	close_fd(&f.fd);
}
