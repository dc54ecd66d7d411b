/* Loads of processors: busy processes, bounded in number and time. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/schedule.h"
#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

#define MAX_MS	  60000
#define MAX_TASKS 256

/* What one child writes before it ends.  Each has its own place: no compiler needs atomics. */
struct spent {
	uint64_t told;
	struct schedule times;
};

static _Noreturn void spin(uint64_t until, struct spent *spent)
{
	while (now_us() < until)
		;
	spent->told = read_schedule(0, &spent->times);
	_exit(0);
}

/* Nothing if a child could not read its times: they would be too small. */
static void print_schedule(const struct spent *spent, uint64_t tasks, uint64_t each_us)
{
	struct schedule all = { 0, 0 };
	char text[128];
	int size;

	for (uint64_t i = 0; i < tasks; i++) {
		if (!spent[i].told)
			return;
		all.ran_us += spent[i].times.ran_us;
		all.waited_us += spent[i].times.waited_us;
	}
	size = schedule_text(text, sizeof(text), &all, tasks * each_us);
	(void)write_all(1, text, (size_t)size);
}

int load_cpu(char **argv)
{
	uint64_t threads, ms, wall, start = now_us();
	struct rusage used;
	struct spent *spent = mmap(NULL, MAX_TASKS * sizeof(*spent), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!argv[1] || !parse_number(argv[0], MAX_TASKS, &threads) ||
	    !parse_number(argv[1], MAX_MS, &ms))
		return usage("load cpu THREADS MS (at most 256, 60000)");
	if (spent == MAP_FAILED)
		die(EX_OSERR, "mmap");
	for (uint64_t i = 0; i < threads; i++) {
		pid_t pid = fork_child();

		if (pid < 0) {
			int error = errno;
			size_t count = end_children(true);

			errno = error;
			die(EX_OSERR, "cannot fork spinning process %zu", count + 1);
		}
		if (pid == 0)
			spin(start + ms * 1000, &spent[i]);
	}
	end_children(false);
	wall = now_us() - start;
	if (getrusage(RUSAGE_CHILDREN, &used) < 0)
		die(EX_OSERR, "getrusage");
	dprintf(1, "cpu_us %llu wall_us %llu\n",
		(unsigned long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
			(unsigned long long)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
		(unsigned long long)wall);
	print_schedule(spent, threads, wall);
	return 0;
}
