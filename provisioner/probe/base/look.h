/* Looks at one path: lstat, statfs, and for some an open for writing. */
#ifndef BASE_LOOK_H
#define BASE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct look {
	const char *path;
	bool write; /* the file has a write handler */
};

/* The results: each number with the errno of the call that gives it. */
struct seen {
	int lstat_error, statfs_error, entries_error, write_error;
	uint32_t mode;
	uint32_t major, minor;
	uint64_t fstype, entries;
	bool read_only;
};

void look_at(const struct look *l, struct seen *s);

/* The value of a path's key. */
void json_seen(const struct look *l, const struct seen *s);

/* The key of a path and its value, looked at in a child process; call fork_call_wait() later. */
void json_look(const char *key, const struct look *l);

#endif
