/* Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)) and finds the cgroup file systems. */
#ifndef BASE_MOUNT_TABLE_H
#define BASE_MOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount {
	uint64_t id, parent, major, minor;
	char *root, *target, *options, *fstype, *source, *super;
	char *tags[8];
	size_t ntags;
};

struct cgroup_mount {
	int version;
	char options[256]; /* of the file system: in version 1 its controllers */
	char root[1024], target[1024];
};

/* Undoes the octal escapes of seq_path(), such as \040, in place. */
void unescape(char *text);

/* Splits one line in place; the members of `m` point into it. */
bool parse_mount(char *line, struct mount *m);

/* Whether a list such as "rw,cpu,cpuacct" has the item; a newline ends an item too. */
bool list_has(const char *list, char separator, const char *item);

/*
 * A mount of procfs or sysfs, or of a part of it, at another place than runtimes use: the same
 * files under other names.  Only the first of them are kept.
 */
#define MAX_COPIES 16

struct copy {
	const char *place; /* "/proc" or "/sys" */
	char root[256];	   /* "" for the whole file system */
	char target[1024];
};

/* The copies that this process sees; read once. */
const struct copy *kernel_copies(size_t *count);

/* The name of a path of /proc or /sys in a copy; false if it is not in it. */
bool name_in_copy(const struct copy *c, const char *path, char *name, size_t size);

/* The cgroup file systems that this process sees; read once. */
const struct cgroup_mount *cgroup_mounts(size_t *count);

#endif
