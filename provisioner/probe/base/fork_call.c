/* Runs what may hang or be killed by a filter in a child of its own with a 1 s alarm. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void child(void (*call)(const void *, void *), const void *in, void *out,
			    size_t size, int to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGALRM, SIG_DFL);
	alarm(1);
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

/* Not waited for without bound: SIGKILL does not end a child that sleeps uninterruptibly. */
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
 * Those that answered and are ending still.  The kernel may take its time: whoever closes a packet
 * socket waits for a grace period of RCU (packet_release() in net/packet/af_packet.c), some 10 ms
 * in which the next can be asked.
 */
static pid_t ending[32];
static size_t ending_count;

void guard_settle(void)
{
	int status;

	for (size_t i = 0; i < ending_count; i++)
		reap(ending[i], &status);
	ending_count = 0;
}

static void let_end(pid_t pid)
{
	if (ending_count == COUNT(ending))
		guard_settle();
	ending[ending_count++] = pid;
}

/* Those that are ending count against a limit on processes. */
static pid_t fork_one(void)
{
	pid_t pid = fork();

	if (pid < 0 && errno == EAGAIN && ending_count > 0) {
		guard_settle();
		pid = fork();
	}
	return pid;
}

struct guarded guard(void (*call)(const void *in, void *out), const void *in, void *out,
		     size_t size)
{
	struct guarded g = guard_next(call, in, out, size);

	guard_settle();
	return g;
}

struct guarded guard_next(void (*call)(const void *in, void *out), const void *in, void *out,
			  size_t size)
{
	struct guarded g = { GUARD_ERROR, 0 };
	int ends[2], status = 0;
	struct pollfd closed;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		g.number = errno;
		return g;
	}
	pid = fork_one();
	if (pid < 0)
		g.number = errno;
	if (pid == 0) {
		close(ends[0]);
		child(call, in, out, size, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return g;
	}
	if (read_all(ends[0], out, size) == size)
		g.end = GUARD_DONE;
	closed = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (g.end == GUARD_DONE) {
		let_end(pid);
	} else if (poll(&closed, 1, 0) == 0) {
		/* neither an answer nor an end: it hangs where no alarm reaches */
		kill(pid, SIGKILL);
		g.end = GUARD_TIMEOUT;
	} else if (reap(pid, &status)) {
		g.end = GUARD_KILLED;
		g.number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		if (g.number == SIGALRM)
			g.end = GUARD_TIMEOUT;
	}
	close(ends[0]);
	return g;
}
