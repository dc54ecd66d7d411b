/* What loads share: their children, the time, and whom the OOM killer ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "loads/loads.h"

static pid_t children[MAX_CHILDREN];
static size_t count;

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void offer_to_oom(void)
{
	cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "1000", 4);
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
