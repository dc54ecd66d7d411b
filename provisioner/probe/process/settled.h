/* The tasks that count as the sandbox's own: an exec that has not finished does not. */
#ifndef PROCESS_SETTLED_H
#define PROCESS_SETTLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task {
	pid_t process, task;
	uint64_t start, state, program;
	bool pending, counts;
};

/*
 * Finds the tasks of the subject's sandbox.  Returns 0 or an errno.  `left_out` counts the tasks
 * that ended, or had not started their own program yet.
 */
int settle_tasks(int proc, pid_t subject, const struct task **found, size_t *number,
		 size_t *left_out);

/* Whether the last settle_tasks() found that the task counts; true if it failed. */
bool task_counts(pid_t task);

/* Whether it is the first process of its pid namespace: proc_pid_status(5), NSpid. */
bool is_init(int proc);

#endif
