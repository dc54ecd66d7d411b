/* The open requests: each child has its own session and process group. */
#include "serve/request.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/big_endian.h"
#include "base/file.h"
#include "base/schedule.h"
#include "base/text.h"
#include "base/verb.h"
#include "serve/channel.h"
#include "serve/input.h"
#include "serve/spawn.h"

struct request {
	bool open, exited;
	uint32_t id, left;	  /* left: bytes of output that are still allowed */
	uint64_t began, deadline; /* in milliseconds */
	pid_t pid;
	int status, out, err;
	struct input in;
};

static struct request requests[MAX_REQUESTS];
static const struct verb *(*verb_of)(const char *name);

void request_verbs(const struct verb *(*find_name)(const char *name))
{
	verb_of = find_name;
}

static struct request *find(uint32_t id)
{
	for (size_t i = 0; i < COUNT(requests); i++)
		if (requests[i].open && requests[i].id == id)
			return &requests[i];
	return NULL;
}

static void shut(struct request *r)
{
	close_fd(&r->in.fd);
	close_fd(&r->out);
	close_fd(&r->err);
	r->open = false;
}

/* In the child of a request: closes what belongs to other requests and to the server. */
static void close_all(void)
{
	for (size_t i = 0; i < COUNT(requests); i++)
		if (requests[i].open)
			shut(&requests[i]);
	channel_close();
}

static void put_error(uint32_t id, const char *text)
{
	channel_put(id, FRAME_ERROR, text, strlen(text));
}

/* Before its setsid() the child has no group; later the group may outlive the child. */
static void kill_group(const struct request *r)
{
	if (r->exited)
		return;
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
}

static void give_up(struct request *r, const char *text)
{
	kill_group(r);
	put_error(r->id, text);
	shut(r);
}

static void start(struct request *r, const struct verb *verb, const struct call *call)
{
	int ends[3] = { -1, -1, -1 };
	char text[64];

	r->pid = spawn(verb, call, ends, close_all);
	r->in.fd = ends[0];
	r->out = ends[1];
	r->err = ends[2];
	if (r->pid > 0)
		return;
	snprintf(text, sizeof(text), "cannot fork: %s", errno_name(errno));
	put_error(r->id, text);
	shut(r);
}

/* Opens a request; false if it is `exit`. */
static bool open_request(uint32_t id, unsigned char *payload, size_t size)
{
	char *argv[256], text[80];
	struct call call = { .argv = argv, .served = true };
	struct request *r = NULL;
	const struct verb *verb;

	if (id == 0 || find(id))
		protocol_error("a request's id is 0 or already open");
	if (size < 10 || payload[size - 1])
		protocol_error("a request without a verb, or whose last word is incomplete");
	call.argc = split_words(payload + 8, size - 8, argv, COUNT(argv));
	if (call.argc < 0) {
		put_error(id, "too many arguments");
		return true;
	}
	if (strcmp(argv[0], "exit") == 0) {
		channel_put(id, FRAME_RESULT, "\0\0", 2);
		return false;
	}
	verb = verb_of(argv[0]);
	for (size_t i = 0; i < COUNT(requests) && !r; i++)
		r = requests[i].open ? NULL : &requests[i];
	if (!verb) {
		snprintf(text, sizeof(text), "unknown verb %.60s", argv[0]);
		put_error(id, text);
	} else if (!r) {
		put_error(id, "busy");
	} else {
		r->open = true;
		r->exited = false;
		r->id = id;
		r->out = r->err = -1;
		input_reset(&r->in);
		r->began = now_ms();
		r->deadline = r->began + get_u32(payload);
		r->left = get_u32(payload + 4);
		start(r, verb, &call);
	}
	return true;
}

bool request_frame(uint32_t id, int type, unsigned char *payload, size_t size)
{
	struct request *r = find(id);

	if (type == FRAME_END)
		return false; /* a terminal between has no end of input */
	if (type == FRAME_REQUEST)
		return open_request(id, payload, size);
	if (type == FRAME_CANCEL && r)
		give_up(r, "cancelled");
	else if (type == FRAME_INPUT && r)
		input_take(&r->in, id, payload, size);
	else if (type != FRAME_CANCEL && type != FRAME_INPUT)
		protocol_error("a frame of a type that the host does not send");
	return true; /* frames for a request that has ended are dropped */
}

/* Forwards one piece of output; false if there is none now. */
static bool drain(struct request *r, int *fd, enum frame type)
{
	static char piece[PIECE];
	ssize_t n;

	if (*fd < 0 || channel_room() < HEADER + PIECE + RESERVE)
		return false;
	n = read(*fd, piece, sizeof(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close_fd(fd);
		return false;
	}
	if ((size_t)n > r->left) {
		give_up(r, "too much output");
		return false;
	}
	r->left -= (uint32_t)n;
	channel_put(r->id, type, piece, (size_t)n);
	return true;
}

/* Tells whether the child wanted to run all the time, or waited for something else. */
static void put_schedule(const struct request *r)
{
	struct schedule schedule;
	char text[128];

	if (r->exited || channel_room() < HEADER + PIECE + RESERVE ||
	    !read_schedule(r->pid, &schedule))
		return;
	int size = schedule_text(text, sizeof(text), &schedule, (now_ms() - r->began) * 1000);

	channel_put(r->id, FRAME_LOG, text, (size_t)size);
}

/* The child has ended and its group is killed: the result follows when its pipes are empty. */
static void finish(struct request *r)
{
	unsigned char result[2] = { WIFSIGNALED(r->status), 0 };

	while (drain(r, &r->out, FRAME_DATA) || drain(r, &r->err, FRAME_LOG))
		;
	if (!r->open || channel_room() < HEADER + PIECE + RESERVE)
		return;
	result[1] = (unsigned char)(result[0] ? WTERMSIG(r->status) : WEXITSTATUS(r->status));
	channel_put(r->id, FRAME_RESULT, result, sizeof(result));
	shut(r);
}

void request_turn(void)
{
	uint64_t now = now_ms();

	for (size_t i = 0; i < COUNT(requests); i++) {
		struct request *r = &requests[i];

		if (r->open)
			input_feed(&r->in, r->id);
		if (r->open && r->exited)
			finish(r);
		if (r->open)
			drain(r, &r->out, FRAME_DATA);
		if (r->open)
			drain(r, &r->err, FRAME_LOG);
		if (r->open && now >= r->deadline) {
			put_schedule(r);
			give_up(r, "deadline");
		}
	}
}

/* The group is killed before the child is reaped, as long as its number is not reused. */
void request_reap(void)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
			return;
		for (size_t i = 0; i < COUNT(requests); i++) {
			struct request *r = &requests[i];

			if (!r->open || r->exited || r->pid != info.si_pid)
				continue;
			kill(-r->pid, SIGKILL);
			waitpid(r->pid, &r->status, 0);
			r->exited = true;
		}
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

void request_kill_all(void)
{
	for (size_t i = 0; i < COUNT(requests); i++)
		if (requests[i].open)
			kill_group(&requests[i]);
}

size_t request_poll(struct pollfd *fds)
{
	size_t count = 0;
	bool room = channel_room() >= HEADER + PIECE + RESERVE;

	for (size_t i = 0; i < COUNT(requests); i++) {
		const struct request *r = &requests[i];

		if (!r->open)
			continue;
		if (room && r->out >= 0)
			fds[count++] = (struct pollfd){ .fd = r->out, .events = POLLIN };
		if (room && r->err >= 0)
			fds[count++] = (struct pollfd){ .fd = r->err, .events = POLLIN };
		if (r->in.fd >= 0 && r->in.filled)
			fds[count++] = (struct pollfd){ .fd = r->in.fd, .events = POLLOUT };
	}
	return count;
}

int request_timeout(void)
{
	uint64_t now = now_ms(), next = UINT64_MAX;

	for (size_t i = 0; i < COUNT(requests); i++)
		if (requests[i].open && requests[i].deadline < next)
			next = requests[i].deadline;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}
