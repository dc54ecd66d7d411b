/* Calls a function in a child process. */
#include "base/fork_call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static _Noreturn void child(void (*call)(const void *, void *), const void *in, void *out,
			    size_t size, int to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGALRM, SIG_DFL);
	alarm(1);
	dup2(2, 1); /* an emulator that crashes prints; the answer on 1 is the parent's */
	call(in, out);
	_exit(write_all(to, out, size) < 0);
}

static size_t read_all(int fd, char *out, size_t size)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	while (used < size) {
		int ready = poll(&wait, 1, 1500);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			break;
		ssize_t n = read(fd, out + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	return used;
}

/* Waits 100 ms at most: SIGKILL does not end a child in uninterruptible sleep. */
static bool reap(pid_t pid, int *status)
{
	for (int i = 0; i < 100; i++) {
		pid_t got = waitpid(pid, status, i == 0 ? 0 : WNOHANG);

		if (got == pid)
			return true;
		usleep(1000);
	}
	return false;
}

/*
 * Children that have answered and not ended yet.  Ending may take 10 ms: closing a packet socket
 * waits for an RCU grace period (packet_release() in net/packet/af_packet.c).  The next call runs
 * meanwhile.
 */
static pid_t ending[32];
static size_t ending_count;

void fork_call_wait(void)
{
	int status;

	for (size_t i = 0; i < ending_count; i++)
		reap(ending[i], &status);
	ending_count = 0;
}

static void end_later(pid_t pid)
{
	if (ending_count == COUNT(ending))
		fork_call_wait();
	ending[ending_count++] = pid;
}

/* Children that are ending count towards RLIMIT_NPROC: wait for them and try again. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0 && errno == EAGAIN && ending_count > 0) {
		fork_call_wait();
		pid = fork();
	}
	return pid;
}

struct call_result fork_call(void (*call)(const void *in, void *out), const void *in, void *out,
			     size_t size)
{
	struct call_result result = fork_call_next(call, in, out, size);

	fork_call_wait();
	return result;
}

struct call_result fork_call_next(void (*call)(const void *in, void *out), const void *in,
				  void *out, size_t size)
{
	struct call_result result = { CALL_ERROR, 0 };
	int ends[2], status = 0;
	struct pollfd closed;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		result.number = errno;
		return result;
	}
	pid = fork_child();
	if (pid < 0)
		result.number = errno;
	if (pid == 0) {
		close(ends[0]);
		child(call, in, out, size, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return result;
	}
	if (read_all(ends[0], out, size) == size)
		result.end = CALL_DONE;
	closed = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (result.end == CALL_DONE) {
		end_later(pid);
	} else if (poll(&closed, 1, 0) == 0) {
		/* no answer and no end: SIGALRM does not reach it */
		kill(pid, SIGKILL);
		result.end = CALL_TIMEOUT;
	} else if (reap(pid, &status)) {
		result.end = CALL_KILLED;
		result.number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		if (result.number == SIGALRM)
			result.end = CALL_TIMEOUT;
	}
	close(ends[0]);
	return result;
}
