/* What limits a process: the value of limits, and its parts. */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include "limits/cgroup_place.h"

/* The value of limits. */
void json_limits(int proc);

/* memory_total, swap_total, cpus and resources of the system: what a process is shown. */
void json_resources(void);

/* The values of limits.cpuset and limits.shm. */
void json_cpuset(const struct cgroup_place *p);
void json_shm(int proc);

/* The value of a resource limit in limits, by its name in /proc/PID/limits. */
void json_rlimit(int proc, const char *name);

/* The name fills 25 columns of a line of /proc/PID/limits (fs/proc/base.c, proc_pid_limits). */
#define NAME_COLUMNS 26

/* Writes a key with a number, or null for "unlimited"; returns what follows it. */
char *json_bound(const char *key, char *at);

#endif
