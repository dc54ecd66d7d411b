/* Loads of processors: busy processes, bounded in number and time. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

#define MAX_MS 60000

int load_cpu(char **argv)
{
	uint64_t threads, ms, start = now_us();
	struct rusage used;

	if (!argv[1] || !parse_number(argv[0], 256, &threads) ||
	    !parse_number(argv[1], MAX_MS, &ms))
		return usage("load cpu THREADS MS (at most 256, 60000)");
	for (uint64_t i = 0; i < threads; i++) {
		pid_t pid = fork_child();

		if (pid < 0) {
			int error = errno;
			size_t count = end_children(true);

			errno = error;
			die(EX_OSERR, "cannot fork spinning process %zu", count + 1);
		}
		if (pid == 0) {
			while (now_us() - start < ms * 1000)
				;
			_exit(0);
		}
	}
	end_children(false);
	if (getrusage(RUSAGE_CHILDREN, &used) < 0)
		die(EX_OSERR, "getrusage");
	dprintf(1, "cpu_us %llu wall_us %llu\n",
		(unsigned long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
			(unsigned long long)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
		(unsigned long long)(now_us() - start));
	return 0;
}
