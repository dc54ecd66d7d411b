/* Starts the child process of a request. */
#include "serve/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/verb.h"

int split_words(unsigned char *payload, size_t size, char **argv, int most)
{
	char *word = (char *)payload, *end = word + size;
	int argc = 0;

	for (; word < end; word += strlen(word) + 1) {
		if (argc == most - 1)
			return -1;
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

/* A standard input at its end: /dev/null, or without it a pipe that has no writer. */
static int open_null(void)
{
	int ends[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	close(ends[1]);
	return ends[0];
}

/* `theirs` become 0, 1 and 2. */
static _Noreturn void child(const struct verb *verb, const struct call *call, int theirs[3],
			    int ours[3], pid_t server, void (*close_all)(void))
{
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != server)
		_exit(EX_UNAVAILABLE);
	for (int i = 0; i < 3; i++) {
		if (dup2(theirs[i], i) < 0)
			_exit(EX_OSERR);
		close_fd(&theirs[i]);
		close_fd(&ours[i]);
	}
	close_all();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(verb->run(call));
}

static int make_pipe(int *theirs, int *ours, bool to_child)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*theirs = ends[to_child ? 0 : 1];
	*ours = ends[to_child ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

pid_t spawn(const struct verb *verb, const struct call *call, int ends[3], void (*close_all)(void))
{
	int theirs[3] = { -1, -1, -1 };
	pid_t server = getpid(), pid = -1;
	int error;

	if (!verb->input)
		theirs[0] = open_null();
	else if (make_pipe(&theirs[0], &ends[0], true) < 0)
		theirs[0] = -1;
	if (theirs[0] >= 0 && make_pipe(&theirs[1], &ends[1], false) == 0 &&
	    make_pipe(&theirs[2], &ends[2], false) == 0)
		pid = fork();
	if (pid == 0)
		child(verb, call, theirs, ends, server, close_all);
	error = errno;
	for (int i = 0; i < 3; i++)
		close_fd(&theirs[i]);
	errno = error;
	return pid;
}
