/* Makes many tries to reach addresses side by side, in one process. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "network/attempt.h"
#include "network/network.h"

#define MOST_TRIES 1024
#define MOST_INPUT (MOST_TRIES * 128)
#define MOST_MS	   60000
/* Started in one turn: a neighbour that is not resolved yet keeps few packets (arp(7)). */
#define MOST_STARTS 32

static struct attempt attempts[MOST_TRIES];
static size_t count;
static char input[MOST_INPUT + 1];

static void read_input(void)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(0, input + used, MOST_INPUT - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die(EX_OSERR, "cannot read the tries");
		used += (size_t)n;
	}
	errno = 0;
	if (used == MOST_INPUT)
		die(EX_DATAERR, "more than %d bytes of tries", MOST_INPUT - 1);
}

/* ID PROTO ADDRESS PORT TOKEN */
static bool parse_line(char *line, struct attempt *a)
{
	char *words[5], *rest = line;

	for (size_t i = 0; i < COUNT(words); i++) {
		words[i] = strsep(&rest, " ");
		if (!words[i] || !*words[i])
			return false;
	}
	if (rest || !copy_text(a->id, sizeof(a->id), words[0]) ||
	    !copy_text(a->token, sizeof(a->token), words[4]))
		return false;
	if (parse_endpoint(&a->to, words[1], words[2], words[3]))
		return true;
	if (errno != ENODEV)
		return false;
	attempt_end(a, "error", ENODEV); /* no such interface */
	return true;
}

static void parse_input(void)
{
	char *rest = input, *line;

	for (size_t number = 1; (line = strsep(&rest, "\n")); number++) {
		struct attempt *a = &attempts[count];

		if (!*line)
			continue;
		errno = 0;
		if (count == MOST_TRIES)
			die(EX_DATAERR, "more than %d tries", MOST_TRIES);
		a->fd = -1;
		if (!parse_line(line, a)) {
			errno = 0;
			die(EX_DATAERR, "line %zu is no try", number);
		}
		count++;
	}
}

static void print(const struct attempt *a)
{
	json_open('{');
	json_key("id");
	json_text(a->id);
	json_key("result");
	json_text(a->result);
	json_key("errno");
	json_text(errno_name(a->error));
	json_key("answer");
	json_text(a->answer);
	json_key("from");
	json_text(a->from);
	json_key("ms");
	json_u64(a->start ? now_ms() - a->start : 0);
	json_close('}');
	if (json_print() < 0)
		_exit(EX_OSERR);
}

/* Starts tries that wait; returns whether some still do. */
static bool start_some(uint64_t ms)
{
	size_t started = 0, open = 0;

	for (size_t i = 0; i < count; i++)
		open += attempts[i].fd >= 0;
	for (size_t i = 0; i < count; i++) {
		if (attempts[i].phase != PHASE_WAITING)
			continue;
		if (started == MOST_STARTS)
			return true;
		if (!attempt_start(&attempts[i], now_ms(), ms)) {
			if (open + started)
				return true;
			attempt_end(&attempts[i], "error", errno);
		}
		started++;
		if (attempts[i].phase == PHASE_DONE)
			print(&attempts[i]);
	}
	return false;
}

/* Waits for the open tries and lets each go on; false if there is none. */
static bool turn(bool more_wait)
{
	static struct pollfd fds[MOST_TRIES];
	static struct attempt *owners[MOST_TRIES];
	uint64_t now = now_ms(), due = UINT64_MAX;
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		struct attempt *a = &attempts[i];

		if (a->fd < 0)
			continue;
		owners[open] = a;
		fds[open++] = (struct pollfd){ .fd = a->fd, .events = attempt_events(a) };
		due = a->end < due ? a->end : due;
		due = a->next > now && a->next < due ? a->next : due;
	}
	if (!open)
		return false;
	poll(fds, open, more_wait ? 1 : due > now ? (int)(due - now) : 0);
	now = now_ms();
	for (size_t i = 0; i < open; i++) {
		if (fds[i].revents)
			attempt_continue(owners[i]);
		if (owners[i]->phase != PHASE_DONE)
			attempt_tick(owners[i], now);
		if (owners[i]->phase == PHASE_DONE)
			print(owners[i]);
	}
	return true;
}

int net_try(const char *milliseconds)
{
	uint64_t ms;

	if (!parse_number(milliseconds, MOST_MS, &ms) || !ms)
		return usage("net try MILLISECONDS <TRIES");
	read_input();
	parse_input();
	raise_file_limit();
	for (size_t i = 0; i < count; i++) {
		attempts[i].echo_id = (uint16_t)((size_t)getpid() * 1031 + i);
		if (attempts[i].phase == PHASE_DONE)
			print(&attempts[i]);
	}
	for (bool more = start_some(ms); turn(more) || more; more = start_some(ms))
		;
	return 0;
}
