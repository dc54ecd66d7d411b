/*
 * Workers that take their share of an amount, say so, and hold it until they are ended.  The OOM
 * killer may end one before: what it took is not held any more.
 */
#ifndef LOADS_WORKERS_H
#define LOADS_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_WORKERS 4

/* What a worker holds, and the errno that stopped it; shared with the process that waits. */
struct share {
	pid_t pid;
	uint64_t taken;
	int error;
};

/* The share of this worker. */
struct share *own_share(void);

struct way {
	const char *name;
	bool (*take)(uint64_t amount); /* adds to `share`; false: it can take no more */
	uint64_t step;
	int workers;
	bool orphaned; /* workers fork twice, with a new session */
};

/* Prints what the living workers hold, how many were killed, and the errno that stopped one. */
int run_way(const struct way *w, uint64_t amount);

#endif
