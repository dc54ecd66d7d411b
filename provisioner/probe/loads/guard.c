/* The guard of loads: what no load takes more of, whatever its arguments are (getrlimit(2)). */
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "loads/loads.h"

#define MAX_SECONDS	600 /* a load that starves still ends */
#define MAX_CPU_SECONDS 120

static const struct rlimit *at_most(struct rlimit *now, rlim_t most)
{
	if (now->rlim_max > most)
		now->rlim_max = most;
	if (now->rlim_cur > now->rlim_max)
		now->rlim_cur = now->rlim_max;
	return now;
}

/* Lowers a resource limit of this process; one that is lower already stays. */
#define CAP(resource, most)                                               \
	do {                                                              \
		struct rlimit now;                                        \
                                                                          \
		if (getrlimit(resource, &now) == 0)                       \
			(void)setrlimit(resource, at_most(&now, (most))); \
	} while (0)

/*
 * A limit that does not hold must not hurt the host.  Children inherit the resource limits, and end
 * with this process (fork_child()), which SIGALRM ends.
 */
void guard_load(void)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow takes terabytes of addresses */
	CAP(RLIMIT_AS, MAX_MEMORY + GUARD_SLACK);
#endif
	CAP(RLIMIT_FSIZE, MAX_FILL + GUARD_SLACK);
	CAP(RLIMIT_CORE, MAX_CORE);
	CAP(RLIMIT_CPU, MAX_CPU_SECONDS);
	alarm(MAX_SECONDS);
}
