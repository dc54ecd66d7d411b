/*
 * The descriptors, folders and program of a process that lead out of its sandbox: a file on a mount
 * that no mount table of the sandbox holds, a disk, or a namespace that the process is not in.
 * Pipes, sockets and files in memory lead to no file system.  Files are opened with O_PATH only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "process/members.h"
#include "process/parts.h"
#include "process/settled.h"

#define MOST_LEADS  64
#define MOST_LOOKED 65536

static const char *const kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };
static const char *const apart[] = { "pipe:[", "socket:[", "anon_inode:", "/memfd:" };

static uint64_t mounts[16384], tables[64]; /* ids; the mount namespaces that they are from */
static size_t nmounts, ntables, looked;
static bool partial;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Adds the mount table of a process, once for each namespace. */
static void learn_table(int proc)
{
	static char line[MAX_LINE];
	uint64_t ns = read_namespace(proc, "ns/mnt");
	struct reader r;
	struct mount m;

	for (size_t i = 0; i < ntables; i++)
		if (tables[i] == ns)
			return;
	if (ntables == COUNT(tables) || reader_open(&r, proc, "mountinfo") < 0) {
		partial = true;
		return;
	}
	tables[ntables++] = ns;
	while (reader_line(&r, line, sizeof(line)) > 0) {
		if (nmounts == COUNT(mounts) || !parse_mount(line, &m))
			partial = true;
		else
			mounts[nmounts++] = m.id;
	}
	close_fd(&r.fd);
}

void learn_mounts(int proc, const struct task *tasks, size_t count)
{
	uint64_t host = read_namespace(AT_FDCWD, "/proc/self/ns/mnt");

	nmounts = ntables = looked = 0;
	partial = false;
	learn_table(proc);
	for (size_t i = 0; i < count; i++) {
		char path[32];

		if (!tasks[i].counts || tasks[i].process != tasks[i].task)
			continue;
		snprintf(path, sizeof(path), "/proc/%d", tasks[i].process);
		cleanup_fd int other = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (other >= 0 && read_namespace(other, "ns/mnt") != host)
			learn_table(other);
	}
	qsort(mounts, nmounts, sizeof(*mounts), compare);
}

/* The kind of a namespace that a link names, such as "net:[4026531840]"; NULL if it names none. */
static const char *namespace_in(const char *target, uint64_t *inode)
{
	size_t size = strcspn(target, ":");

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strlen(kinds[i]) == size && strncmp(target, kinds[i], size) == 0 &&
		    starts_with(target + size, ":[")) {
			*inode = strtoull(target + size + 2, NULL, 10);
			return kinds[i];
		}
	return NULL;
}

/* A process outside the sandbox that is in the namespace; 0 if there is none. */
static pid_t who_is_in(const char *kind, uint64_t inode)
{
	struct folder f;
	const char *name;
	uint64_t pid, who = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return 0;
	while (!who && (name = folder_next(&f))) {
		char path[48];

		snprintf(path, sizeof(path), "%.16s/ns/%s", name, kind);
		if (parse_number(name, INT32_MAX, &pid) && !is_member((pid_t)pid) &&
		    read_namespace(f.fd, path) == inode)
			who = pid;
	}
	close_fd(&f.fd);
	return (pid_t)who;
}

static bool is_own(int proc, const char *kind, uint64_t inode)
{
	char path[32];

	snprintf(path, sizeof(path), "ns/%s", kind);
	if (read_namespace(proc, path) == inode)
		return true;
	snprintf(path, sizeof(path), "ns/%s_for_children", kind);
	return read_namespace(proc, path) == inode;
}

static void json_lead(const char *name, const char *target, uint64_t flags, const struct stat *st,
		      pid_t who)
{
	static const char *const access[] = { "r", "w", "rw", "rw" };

	json_open('{');
	json_key("fd");
	json_text(name);
	json_key("target");
	json_text(target);
	json_key("type");
	json_text(file_type(st->st_mode, "other"));
	json_key("access"); /* the digits of fdinfo's flags are octal; O_PATH is 010000000 */
	json_text(flags / 10000000 % 2 ? "path" : access[flags % 10 & 3]);
	json_key("major");
	json_u64(major(st->st_dev));
	json_key("minor");
	json_u64(minor(st->st_dev));
	json_key("inode");
	json_u64(st->st_ino);
	json_key("rdev");
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		json_open('[');
		json_u64(major(st->st_rdev));
		json_u64(minor(st->st_rdev));
		json_close(']');
	} else {
		json_null();
	}
	json_key("holder");
	if (who)
		json_i64(who);
	else
		json_null();
	json_close('}');
}

/*
 * Writes the lead of an open descriptor, if it is one.  `from` is /proc/PID of the process that has
 * it open, `proc` of the process that it is about, where it has the name `name`.
 */
static bool json_descriptor(int proc, int from, const char *fd, const char *name)
{
	char path[48], target[MAX_TEXT + 1];
	uint64_t inode, mount, flags;
	const char *kind;
	struct stat st;
	pid_t who = 0;

	snprintf(path, sizeof(path), "fd/%.16s", fd);
	if (read_link(from, path, target, sizeof(target)) < 0)
		return false;
	for (size_t i = 0; i < COUNT(apart); i++)
		if (starts_with(target, apart[i]))
			return false;
	if (fstatat(from, path, &st, 0) < 0)
		return false;
	snprintf(path, sizeof(path), "fdinfo/%.16s", fd);
	if (read_key(from, path, "mnt_id", &mount) < 0 || read_key(from, path, "flags", &flags) < 0)
		return false;
	kind = namespace_in(target, &inode);
	if (kind) {
		if (is_own(proc, kind, inode))
			return false;
		who = who_is_in(kind, inode);
	} else if (!S_ISBLK(st.st_mode) &&
		   bsearch(&mount, mounts, nmounts, sizeof(*mounts), compare)) {
		return false;
	}
	json_lead(name, target, flags, &st, who);
	return true;
}

static size_t json_links(int proc)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	size_t items = 0;

	for (size_t i = 0; i < COUNT(links); i++) {
		cleanup_fd int fd = openat(proc, links[i], O_PATH | O_CLOEXEC);
		cleanup_fd int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		char number[16];

		snprintf(number, sizeof(number), "%d", fd);
		if (fd >= 0 && self >= 0)
			items += json_descriptor(proc, self, number, links[i]);
	}
	return items;
}

void json_leads(int proc)
{
	size_t mark, items = 0;
	struct folder f;
	const char *name;

	json_key("leads");
	mark = json_mark();
	if (partial || folder_open(&f, proc, "fd") < 0) {
		json_fail(mark, partial ? E2BIG : errno, "list fd and the mounts of the sandbox");
		return;
	}
	json_open('[');
	items = json_links(proc);
	while ((name = folder_next(&f)) && items <= MOST_LEADS && looked++ < MOST_LOOKED)
		items += json_descriptor(proc, proc, name, name);
	if (name || errno)
		json_fail(mark, name ? E2BIG : errno, "list fd");
	else
		json_close(']');
	close_fd(&f.fd);
}
