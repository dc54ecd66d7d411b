/* /proc/PID/task/TID/schedstat, as Documentation/scheduler/sched-stats.rst has it: nanoseconds. */
#include "base/schedule.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

bool read_schedule(pid_t pid, struct schedule *schedule)
{
	char path[64] = "/proc/thread-self/schedstat", text[96], *rest = text;
	uint64_t ran = 0, waited = 0;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, pid);
	if (read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	if (!parse_number(strsep(&rest, " "), UINT64_MAX, &ran) || !rest ||
	    !parse_number(strsep(&rest, " "), UINT64_MAX, &waited))
		return false;
	*schedule = (struct schedule){ ran / 1000, waited / 1000 };
	return true;
}

int schedule_text(char *text, size_t size, const struct schedule *schedule, uint64_t of_us)
{
	return snprintf(text, size, "schedule ran_us %llu waited_us %llu of_us %llu\n",
			(unsigned long long)schedule->ran_us,
			(unsigned long long)schedule->waited_us, (unsigned long long)of_us);
}
