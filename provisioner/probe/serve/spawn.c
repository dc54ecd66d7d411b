/* Starts the child that carries out one request. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Words that each end with NUL, as the payload does; -1 when there are too many. */
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

/* A standard input at its end: /dev/null, or where there is none a pipe without a writer. */
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

/* theirs: what become 0, 1 and 2; the channel's own ends are replaced or closed. */
static _Noreturn void child(const struct verb *verb, int argc, char **argv, int theirs[3],
			    int ours[3], pid_t server)
{
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != server)
		_exit(EX_UNAVAILABLE);
	request_close_all();
	for (int i = 0; i < 3; i++) {
		if (dup2(theirs[i], i) < 0)
			_exit(EX_OSERR);
		close_fd(&theirs[i]);
		close_fd(&ours[i]);
	}
	if (channel_in > 2)
		close(channel_in);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(verb->run(argc, argv));
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

/* Returns the child's pid and in ends the server's ends of its 0, 1 and 2; -1 with errno. */
pid_t spawn(const struct verb *verb, int argc, char **argv, int ends[3])
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
		child(verb, argc, argv, theirs, ends, server);
	error = errno;
	for (int i = 0; i < 3; i++)
		close_fd(&theirs[i]);
	errno = error;
	return pid;
}
