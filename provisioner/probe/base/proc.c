/* Reads processes in /proc. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define MOST_ENTRIES 65536 /* of /proc */
#define EXITING	     0x4   /* PF_EXITING in field 9 of stat */

int open_self(void)
{
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return proc < 0 ? -errno : proc;
}

pid_t parent_of(pid_t pid)
{
	char path[32];
	uint64_t parent;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return read_key(AT_FDCWD, path, "PPid", &parent) == 0 ? (pid_t)parent : 0;
}

int each_process(void (*each)(int proc, pid_t pid))
{
	struct folder f;
	const char *name;
	uint64_t pid;
	int count = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return -1;
	while (count++ < MOST_ENTRIES && (name = folder_next(&f))) {
		cleanup_fd int proc = -1;

		if (!parse_number(name, INT32_MAX, &pid))
			continue;
		proc = openat(f.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc >= 0)
			each(proc, (pid_t)pid);
	}
	close_fd(&f.fd);
	return 0;
}

void each_socket(int proc, pid_t pid, void (*each)(uint64_t inode, int proc, pid_t pid))
{
	struct folder f;
	const char *name;
	char text[64];

	if (folder_open(&f, proc, "fd") < 0)
		return; /* ended meanwhile, or it may not be looked at */
	while ((name = folder_next(&f))) {
		ssize_t n = readlinkat(f.fd, name, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		if (starts_with(text, "socket:["))
			each(strtoull(text + 8, NULL, 10), proc, pid);
	}
	close_fd(&f.fd);
}

/* Field 22 of stat.  The name in field 2 may contain anything: count from its last parenthesis. */
int read_start_time(int proc, uint64_t *ticks)
{
	char text[1024], *at;

	if (proc < 0) {
		errno = -proc;
		return -1;
	}
	if (read_file(proc, "stat", text, sizeof(text)) < 0)
		return -1;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at) {
		errno = EBADMSG;
		return -1;
	}
	*ticks = strtoull(at, NULL, 10);
	return 0;
}

/* A task that exits shows the root as its cgroup of version 1 (kernel/cgroup/cgroup.c,
 * proc_cgroup_show). */
bool task_ended(int tasks, const char *tid)
{
	char path[64], text[256], *at;

	snprintf(path, sizeof(path), "%s/stat", tid);
	if (read_file(tasks, path, text, sizeof(text)) < 0)
		return true;
	at = strrchr(text, ')');
	if (!at || !at[1])
		return false;
	if (at[2] == 'Z' || at[2] == 'X')
		return true;
	for (int field = 2; at && field < 9; field++)
		at = strchr(at + 1, ' ');
	return at && (strtoull(at, NULL, 10) & EXITING);
}
