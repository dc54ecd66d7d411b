/* The cgroups that a sandbox has for itself.  `dir` is a descriptor of /proc, pid 0 is this
 * process. */
#ifndef BASE_OWN_CGROUPS_H
#define BASE_OWN_CGROUPS_H

#include <stdbool.h>
#include <sys/types.h>

/* Takes those of the subject for the sandbox's own, except roots. */
void learn_cgroups(int dir, pid_t subject);

/* A process outside is in them or below: they are shared. */
void forget_cgroups_of(int dir, pid_t pid);

/* Whether a process is in one of them or below. */
bool in_own_cgroup(int dir, pid_t pid);

#endif
