/* The loads of the verb load, by kind: each takes its arguments and returns an exit status. */
#ifndef LOADS_LOADS_H
#define LOADS_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MIB	     (1ul << 20)
#define MAX_MEMORY   (2048 * MIB)
#define MAX_FILL     (512 * MIB)
#define MAX_CORE     (64 * MIB)
#define GUARD_SLACK  (64 * MIB) /* a load ends at its own bound before its guard ends it */
#define MAX_CHILDREN 4096

int load_memory(char **argv);
int load_swap(char **argv);
int load_cpu(char **argv);
int load_cpuset(char **argv);
int load_fill(char **argv);
int load_core(char **argv);
int load_pids(char **argv);
int load_files(char **argv);
int load_orphans(char **argv);

/* Caps this process and its children before a load runs, so that it ends where no limit holds. */
void guard_load(void);

/* Lets the OOM killer choose the load, not the server (proc_pid_oom_score_adj(5)). */
void offer_to_oom(void);

/* Forks a child that ends with the load: 0 in the child, -1 with errno; at most MAX_CHILDREN. */
pid_t fork_child(void);

/* Waits for all children, and kills them before it if told so; returns how many there were. */
size_t end_children(bool kill_them);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t now_us(void);

#endif
