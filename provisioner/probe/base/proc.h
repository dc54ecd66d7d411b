/* Reads processes in /proc. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor of /proc/self, or a negative errno. */
int open_self(void);

/* The parent of a process; 0 if it is unknown. */
pid_t parent_of(pid_t pid);

/*
 * Calls `each` for every process, with a descriptor of its folder; -1 with errno if /proc cannot be
 * listed.  At most 65,536 entries are read.
 */
int each_process(void (*each)(int proc, pid_t pid));

/* Calls `each` for every socket that a process holds: its inode, and what was passed. */
void each_socket(int proc, pid_t pid, void (*each)(uint64_t inode, int proc, pid_t pid));

/* The start time in clock ticks; `proc` is a descriptor of /proc/PID or a negative errno. */
int read_start_time(int proc, uint64_t *ticks);

/* Whether a task has ended: it is not in the folder `tasks`, exits, or is a zombie. */
bool task_ended(int tasks, const char *tid);

#endif
