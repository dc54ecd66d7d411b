/* Finds the processes of a sandbox. */
#ifndef PROCESS_MEMBERS_H
#define PROCESS_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct member {
	pid_t pid;	/* 0: left out */
	bool inner;	/* in the subject's pid namespace */
	bool by_cgroup; /* in its cgroup, and in another pid and mount namespace */
};

/* The processes of the sandbox in which the subject runs, found once; returns 0 or an errno. */
int find_members(pid_t subject, const struct member **found, size_t *number);

/* Whether the last find_members() found the process, or it is the subject of that call. */
bool is_member(pid_t pid);

#endif
