/* The verb load: uses memory, processors, processes or files, bounded in amount and time. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "acts/acts.h"
#include "acts/loads.h"
#include "base/text.h"
#include "base/verb.h"

static pid_t children[MAX_CHILDREN];
static size_t count;

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

pid_t fork_child(void)
{
	pid_t parent = getpid(), pid;

	if (count == MAX_CHILDREN) {
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(0);
	} else if (pid > 0) {
		children[count++] = pid;
	}
	return pid;
}

size_t end_children(bool kill_them)
{
	size_t ended = count;

	for (size_t i = 0; kill_them && i < count; i++)
		kill(children[i], SIGKILL);
	for (; count; count--)
		while (waitpid(children[count - 1], NULL, 0) < 0 && errno == EINTR)
			;
	return ended;
}

int verb_load(const struct call *call)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} loads[] = {
		{ "memory", load_memory }, { "swap", load_swap },   { "cpu", load_cpu },
		{ "pids", load_pids },	   { "files", load_files }, { "orphans", load_orphans },
	};

	for (size_t i = 0; call->argc > 2 && i < COUNT(loads); i++)
		if (strcmp(call->argv[1], loads[i].name) == 0)
			return loads[i].run(call->argv + 2);
	return usage(
		"load memory BYTES | swap BYTES | cpu THREADS MS | pids COUNT | files COUNT | orphans "
		"COUNT SECONDS");
}
