/* The loop of the server.  It allocates no memory. */
#include "serve/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/verb.h"
#include "serve/channel.h"
#include "serve/request.h"

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
	if (number == SIGTERM)
		terminated = 1;
}

/* SIGCHLD and SIGTERM arrive only in ppoll(), so none is lost between a check and the wait. */
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

/* Handles the complete frames; false if one of them ends the server. */
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

static void wait_for_events(const sigset_t *waiting, bool *readable, bool *writable)
{
	struct pollfd fds[2 + 3 * MAX_REQUESTS];
	int timeout = request_timeout();
	struct timespec limit = { timeout / 1000, timeout % 1000 * 1000000L };
	bool room = channel_room() >= RESERVE;
	size_t count = 2;

	channel_poll(fds, room);
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

void serve(const char *nonce, int in, int out, const struct verb *(*find)(const char *name))
{
	bool going = true, readable, writable;
	sigset_t waiting;

	channel_open(in, out, nonce);
	request_verbs(find);
	set_signals(&waiting);
	while (going && !terminated) {
		wait_for_events(&waiting, &readable, &writable);
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
