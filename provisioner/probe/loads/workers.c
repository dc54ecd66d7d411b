/* Runs the workers of a load, and counts what those that live hold. */
#include "loads/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

#define SETTLE_MS 100 /* the time that a killed worker may take to die */
#define SECONDS	  8   /* a worker ends after them by itself */

static struct share *share;

struct share *own_share(void)
{
	return share;
}

/* Takes the share, says so by a byte, and holds it. */
static _Noreturn void work(const struct way *w, uint64_t amount, int fd)
{
	share->pid = getpid();
	alarm(SECONDS);
	offer_to_oom();
	while (share->taken < amount && w->take(w->step))
		;
	(void)!write(fd, "d", 1);
	for (;;)
		pause();
}

static bool start_worker(const struct way *w, uint64_t amount, int fd)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0 && w->orphaned) {
		setsid();
		pid = fork();
		if (pid)
			_exit(pid < 0);
	}
	if (pid == 0)
		work(w, amount, fd);
	if (pid > 0 && w->orphaned)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	return pid > 0 && status == 0;
}

/* Waits until a worker says that it is done (true), or has died and so closed its end of the pipe.
 */
static bool is_done(int fd)
{
	struct pollfd wait = { fd, POLLIN, 0 };
	char byte;

	while (poll(&wait, 1, SECONDS * 1000) < 0 && errno == EINTR)
		;
	return read(fd, &byte, 1) == 1;
}

/* Whether a worker that was done has died since: the last one's step may have cost it its life. */
static bool has_died(int fd)
{
	struct pollfd wait = { fd, POLLIN, 0 };

	return poll(&wait, 1, 0) == 1;
}

/* Prints what the living workers hold, how many were killed, and the errno that stopped one. */
int run_way(const struct way *w, uint64_t amount)
{
	struct share *shares = mmap(NULL, MAX_WORKERS * sizeof(*shares), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[MAX_WORKERS][2], killed = 0, error = 0, count = 0;
	uint64_t held = 0, reached = 0;
	bool done[MAX_WORKERS];

	if (shares == MAP_FAILED)
		die(EX_OSERR, "cannot map memory");
	for (; count < w->workers; count++) {
		share = &shares[count];
		if (pipe2(ends[count], O_CLOEXEC) < 0)
			break;
		if (!start_worker(w, amount / (uint64_t)w->workers, ends[count][1])) {
			error = errno;
			close(ends[count][1]);
			break;
		}
		close(ends[count][1]);
	}
	for (int i = 0; i < count; i++)
		done[i] = is_done(ends[i][0]);
	poll(NULL, 0, SETTLE_MS);
	for (int i = 0; i < count; i++) {
		bool alive = done[i] && !has_died(ends[i][0]);

		held += alive ? shares[i].taken : 0;
		killed += !alive;
		reached += shares[i].taken;
		error = error ? error : shares[i].error;
	}
	for (int i = 0; i < count; i++)
		if (shares[i].pid > 0)
			kill(shares[i].pid, SIGKILL);
	dprintf(1, "held %llu reached %llu killed %d errno %s\n", (unsigned long long)held,
		(unsigned long long)(w->workers == 1 ? reached : held), killed,
		error ? errno_name(error) : "ok");
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	return 0;
}
