/* Loads of what is counted: processes and open files, bounded in number. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

#define MAX_FILES	   ((1u << 20) + 64)
#define MAX_ORPHANS	   16
#define MAX_ORPHAN_SECONDS 60

/*
 * Tells RLIMIT_NPROC too: processes of one user, in whatever cgroup, may reach it before pids.max
 * (getrlimit(2)).
 */
int load_pids(char **argv)
{
	struct rlimit own = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t wanted;
	uint64_t count = 0;
	int error = 0;

	if (!parse_number(argv[0], MAX_CHILDREN, &wanted))
		return usage("load pids COUNT (at most 4096)");
	for (; count < wanted && !error; count++) {
		pid_t pid = fork_child();

		if (pid < 0)
			error = errno;
		for (; pid == 0;)
			pause();
	}
	dprintf(1, "children %llu errno %s", (unsigned long long)(error ? count - 1 : count),
		error ? errno_name(error) : "ok");
	if (getrlimit(RLIMIT_NPROC, &own) == 0 && own.rlim_cur != RLIM_INFINITY)
		dprintf(1, " nproc %llu", (unsigned long long)own.rlim_cur);
	dprintf(1, "\n");
	end_children(true);
	return 0;
}

/*
 * Opens files until the bound: the soft limit is no bound, for any process may raise it to the hard
 * one, and with CAP_SYS_RESOURCE beyond (getrlimit(2)).  A duplicate needs no file that can be
 * opened.
 */
int load_files(char **argv)
{
	uint64_t wanted;
	struct rlimit now;
	int last = -1, error = 0;

	if (!parse_number(argv[0], MAX_FILES, &wanted))
		return usage("load files COUNT (at most 1048640)");
	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		die(EX_OSERR, "getrlimit");
	if (now.rlim_max < wanted)
		(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ wanted, wanted });
	if (getrlimit(RLIMIT_NOFILE, &now) == 0)
		(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ now.rlim_max, now.rlim_max });
	while (!error && (last < 0 || (uint64_t)last + 1 < wanted)) {
		int fd = dup(1);

		if (fd < 0)
			error = errno;
		else
			last = fd;
	}
	dprintf(1, "descriptors %d errno %s\n", last + 1, error ? errno_name(error) : "ok");
	return 0;
}

/* Closes its descriptors, so that the request's pipes end, and ends after that time. */
static _Noreturn void orphan(unsigned int seconds)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	while (seconds)
		seconds = sleep(seconds);
	_exit(0);
}

/* Forks twice with a new session: neither a process group nor a parent ends the children. */
int load_orphans(char **argv)
{
	uint64_t wanted, seconds;
	size_t count = 0;
	int error = 0;

	if (!argv[1] || !parse_number(argv[0], MAX_ORPHANS, &wanted) ||
	    !parse_number(argv[1], MAX_ORPHAN_SECONDS, &seconds))
		return usage("load orphans COUNT SECONDS (at most 16, 60)");
	for (; count < wanted && !error; count++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			setsid();
			pid = fork();
			if (pid == 0)
				orphan((unsigned int)seconds);
			_exit(pid < 0 ? errno : 0);
		}
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		error = pid < 0 ? errno : WEXITSTATUS(status);
	}
	dprintf(1, "orphans %zu errno %s\n", error ? count - 1 : count,
		error ? errno_name(error) : "ok");
	return 0;
}
