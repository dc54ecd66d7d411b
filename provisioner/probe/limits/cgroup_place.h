/* Finds the folder of a process in a cgroup hierarchy, as this process sees it mounted. */
#ifndef LIMITS_CGROUP_PLACE_H
#define LIMITS_CGROUP_PLACE_H

#include <stddef.h>

struct cgroup_place {
	int version;	 /* 0: the controller is not mounted */
	size_t top;	 /* the length of the mount's target in path */
	char path[2200]; /* "" if the folder is not below the mount */
};

/*
 * The place of a process by controller.  `v1` NULL: no version 1 hierarchy; `v2` NULL: version 2
 * with any controllers.
 */
void find_cgroup(struct cgroup_place *p, int proc, const char *v1, const char *v2);

#endif
