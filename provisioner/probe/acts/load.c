/* The verb load: uses memory, processors or processes, bounded in amount and time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"

#define MIB		   (1ul << 20)
#define MAX_CHILDREN	   4096
#define MAX_FILES	   ((1u << 20) + 64)
#define MAX_ORPHANS	   16
#define MAX_ORPHAN_SECONDS 60

static pid_t children[MAX_CHILDREN];

/* The OOM killer must choose the load, not the server (proc_pid_oom_score_adj(5)). */
static void offer_to_oom(void)
{
	cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "1000", 4);
}

static int load_memory(char **argv)
{
	uint64_t bytes;

	if (!parse_number(argv[0], 1ull << 50, &bytes))
		return usage("load memory BYTES");
	offer_to_oom();
	for (uint64_t done = 0; done < bytes; done += MIB) {
		size_t step = bytes - done < MIB ? (size_t)(bytes - done) : MIB;
		char *block = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);

		if (block == MAP_FAILED)
			die(EX_OSERR, "cannot map memory after %llu MiB",
			    (unsigned long long)(done / MIB));
		memset(block, 1, step);
		dprintf(1, "step %llu\n", (unsigned long long)(done / MIB + 1));
	}
	dprintf(1, "done\n");
	return 0;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Forks a child that ends with the load: 0 in the child, -1 with errno. */
static pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

static void end_children(size_t count, bool kill_them)
{
	for (size_t i = 0; kill_them && i < count; i++)
		kill(children[i], SIGKILL);
	for (size_t i = 0; i < count; i++)
		while (waitpid(children[i], NULL, 0) < 0 && errno == EINTR)
			;
}

static int load_cpu(char **argv)
{
	uint64_t threads, ms, start = now_us();
	struct rusage used;
	size_t count = 0;

	if (!argv[1] || !parse_number(argv[0], 256, &threads) ||
	    !parse_number(argv[1], 3600000, &ms))
		return usage("load cpu THREADS MS");
	for (; count < threads; count++) {
		children[count] = fork_child();
		if (children[count] < 0) {
			int error = errno;

			end_children(count, true);
			errno = error;
			die(EX_OSERR, "cannot fork spinning process %zu", count + 1);
		}
		if (children[count] == 0) {
			while (now_us() - start < ms * 1000)
				;
			_exit(0);
		}
	}
	end_children(count, false);
	if (getrusage(RUSAGE_CHILDREN, &used) < 0)
		die(EX_OSERR, "getrusage");
	dprintf(1, "cpu_us %llu wall_us %llu\n",
		(unsigned long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
			(unsigned long long)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
		(unsigned long long)(now_us() - start));
	return 0;
}

static int load_pids(char **argv)
{
	uint64_t wanted;
	size_t count = 0;
	int error = 0;

	if (!parse_number(argv[0], MAX_CHILDREN, &wanted))
		return usage("load pids COUNT (at most 4096)");
	for (; count < wanted; count++) {
		children[count] = fork_child();
		if (children[count] < 0) {
			error = errno;
			break;
		}
		for (; children[count] == 0;)
			pause();
	}
	dprintf(1, "children %zu errno %s\n", count, error ? errno_name(error) : "ok");
	end_children(count, true);
	return 0;
}

/*
 * Opens files until the bound: the soft limit is no bound, for any process may raise it to the hard
 * one, and with CAP_SYS_RESOURCE beyond (getrlimit(2)).  A duplicate needs no file that can be
 * opened.
 */
static int load_files(char **argv)
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
static int load_orphans(char **argv)
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

int verb_load(const struct call *call)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} loads[] = {
		{ "memory", load_memory }, { "cpu", load_cpu },		{ "pids", load_pids },
		{ "files", load_files },   { "orphans", load_orphans },
	};

	for (size_t i = 0; call->argc > 2 && i < COUNT(loads); i++)
		if (strcmp(call->argv[1], loads[i].name) == 0)
			return loads[i].run(call->argv + 2);
	return usage("load memory BYTES | cpu THREADS MS | pids COUNT | files COUNT | orphans "
		     "COUNT SECONDS");
}
