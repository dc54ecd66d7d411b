/*
 * Sections of a facts document about one process.  `proc` is a descriptor of /proc/PID, or a
 * negative errno: then the facts are unobserved.  `self`: the process is this one.
 */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Record what this process was started with, before it opens anything itself. */
void record_fds(void);
void record_descriptors(void);

/* The process that serves the nonce `subject`; exits unless there is exactly one. */
pid_t find_subject(const char *subject);

/* The value of `process`.  `filters` asks its tasks for their seccomp filters, which stops them. */
void json_process(int proc, pid_t pid, bool self, bool filters);

/* The process that runs the command which starts the sandbox, before json_process() of its subject.
 */
void set_command(pid_t pid);

/*
 * Finds the tasks of the sandbox, before any other function here is called.  It waits if an exec
 * is under way.
 */
void find_tasks(int proc, pid_t subject);

/*
 * The keys `tasks`, the states of the sandbox's tasks that differ from the subject's state, and
 * `left_out`, how many tasks did not count.
 */
void json_other_tasks(int proc);

#endif
