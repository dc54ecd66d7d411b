/* The command serve: answers requests on a byte stream until its end.  Allocates nothing. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
	if (number == SIGTERM)
		terminated = 1;
}

/* SIGCHLD and SIGTERM arrive in ppoll() alone, so that none is lost between a look and a wait. */
static void set_signals(sigset_t *waiting)
{
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t blocked;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&act.sa_mask);
	sigaction(SIGCHLD, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigemptyset(waiting);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Carries out the frames that are there; false when one of them ends the server. */
static bool take_frames(void)
{
	unsigned char *payload;
	uint32_t id;
	size_t size;
	int type;

	while (channel_room() >= RESERVE && channel_next(&id, &type, &payload, &size))
		if (!request_frame(id, type, payload, size))
			return false;
	return true;
}

static void wait_for_something(const sigset_t *waiting, bool *readable, bool *writable)
{
	struct pollfd fds[2 + 3 * 16];
	int timeout = request_timeout();
	struct timespec limit = { timeout / 1000, timeout % 1000 * 1000000L };
	bool room = channel_room() >= RESERVE;
	size_t count = 2;

	fds[0] = (struct pollfd){ .fd = room ? channel_in : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = channel_pending() ? channel_out : -1, .events = POLLOUT };
	count += request_poll(fds + 2);
	if (ppoll(fds, count, timeout < 0 ? NULL : &limit, waiting) < 0) {
		if (errno != EINTR)
			die(EX_OSERR, "poll");
		*readable = *writable = false;
		return;
	}
	*readable = fds[0].revents != 0;
	*writable = fds[1].revents != 0;
}

static void answer(void)
{
	bool going = true, readable, writable;
	sigset_t waiting;

	set_signals(&waiting);
	while (going && !terminated) {
		wait_for_something(&waiting, &readable, &writable);
		if (writable && !channel_flush())
			break;
		if (readable && !channel_fill())
			break;
		request_reap();
		going = take_frames();
		request_turn();
	}
	while (!going && channel_pending() && channel_flush())
		;
	request_kill_all();
}

/* A closed 0, 1 or 2 would become the end of a request's pipe. */
static void fill_standard_fds(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd < 2)
		fd = dup(fd);
	if (fd > 2)
		close(fd);
}

int cmd_serve(int argc, char **argv)
{
	const char *tty = NULL;
	bool init = false;

	if (argc < 2)
		return usage("serve NONCE [--init] [--tty PATH]");
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--init") == 0)
			init = true;
		else if (strcmp(argv[i], "--tty") == 0 && i + 1 < argc)
			tty = argv[++i];
		else
			return usage("serve NONCE [--init] [--tty PATH]");
	}
	one_shot = false;
	if (init)
		machine_start();
	fill_standard_fds();
	if (tty)
		channel_in = channel_out = machine_tty(tty);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	channel_hello(argv[1]);
	answer();
	if (init)
		machine_stop();
	return 0;
}
