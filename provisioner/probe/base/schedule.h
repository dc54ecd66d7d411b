/* How long a task ran, and how long it waited for a processor. */
#ifndef BASE_SCHEDULE_H
#define BASE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct schedule {
	uint64_t ran_us;    /* on a processor */
	uint64_t waited_us; /* ready to run, without one: others had it, or a quota was used up */
};

/* Reads it of a process with one thread, of this one if `pid` is 0; false if it cannot be read. */
bool read_schedule(pid_t pid, struct schedule *schedule);

/* "schedule ran_us N waited_us N of_us N": `of_us` is how long the tasks existed, added up. */
int schedule_text(char *text, size_t size, const struct schedule *schedule, uint64_t of_us);

#endif
