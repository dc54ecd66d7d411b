/*
 * One try to reach an address.
 *
 * A datagram's socket is not connected: an answer from another address counts too, which a
 * connected socket would not receive.  IP_RECVERR (ip(7)) brings the ICMP errors and who sent them.
 */
#include "network/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "network/control.h"
#include "network/echo.h"

struct extended_error { /* struct sock_extended_err of linux/errqueue.h, and the address after it */
	uint32_t number;
	uint8_t origin, type, code, pad;
	uint32_t info, data;
	struct sockaddr_storage offender;
};

enum { RECVERR = 11, RECVERR6 = 25, SENDINGS = 4 };

/* What the errno of connect(2), send(2) or an ICMP error means. */
static const char *meaning(int error)
{
	static const struct {
		int error;
		const char *result;
	} meanings[] = {
		{ ECONNREFUSED, "refused" },
		{ ECONNRESET, "refused" },  /* vsock(7): no listener */
		{ ENOPROTOOPT, "refused" }, /* ICMP: protocol unreachable */
		{ EPROTO, "refused" },	    /* ICMPv6: unknown next header */
		{ EHOSTUNREACH, "unreachable" },
		{ ENETUNREACH, "unreachable" },
		{ EHOSTDOWN, "unreachable" },
		{ ENONET, "unreachable" },
		{ ENETDOWN, "unreachable" },
		{ EACCES, "unreachable" },	  /* a route of type prohibit, ICMPv6: prohibited */
		{ EPERM, "unreachable" },	  /* a filter on the way out */
		{ EINVAL, "unreachable" },	  /* a route of type blackhole */
		{ EADDRNOTAVAIL, "unreachable" }, /* no address to send from */
		{ ENOENT, "unreachable" },	  /* no such path */
		{ ENOTDIR, "unreachable" },
		{ ENODEV, "unreachable" }, /* vsock without a device */
		{ ETIMEDOUT, "dropped" },
	};

	for (size_t i = 0; i < COUNT(meanings); i++)
		if (meanings[i].error == error)
			return meanings[i].result;
	return "error";
}

void attempt_end(struct attempt *a, const char *result, int error)
{
	a->phase = PHASE_DONE;
	a->result = result;
	a->error = error;
	close_fd(&a->fd);
}

static void fail(struct attempt *a, int error)
{
	attempt_end(a, meaning(error), error);
}

/* Whether the answer holds the token between spaces or ends. */
static bool holds_token(const struct attempt *a)
{
	size_t length = strlen(a->token);
	const char *at = a->answer;

	while ((at = strstr(at, a->token))) {
		if ((at == a->answer || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at++;
	}
	return false;
}

/* Takes bytes of the answer up to its first newline; NUL bytes end it. */
static void take_answer(struct attempt *a, const unsigned char *data, size_t size)
{
	const unsigned char *newline = memchr(data, '\n', size);

	if (newline)
		size = (size_t)(newline - data);
	if (size > MOST_ANSWER - a->used)
		size = MOST_ANSWER - a->used;
	memcpy(a->answer + a->used, data, size);
	a->used += size;
	a->answer[a->used] = 0;
}

static void answered(struct attempt *a, int error)
{
	bool reached = holds_token(a);

	attempt_end(a, reached ? "reached" : "stranger", reached ? 0 : error);
}

static bool send_datagram(struct attempt *a)
{
	unsigned char message[MOST_ECHO];
	const void *data = a->token;
	size_t size = strlen(a->token);

	if (a->to.kind == KIND_ECHO) {
		size = echo_request(&a->to, a->echo_id, a->token, message);
		data = message;
	}
	if (sendto(a->fd, data, size, MSG_NOSIGNAL, &a->to.address.any, a->to.size) >= 0)
		return true;
	return errno == EAGAIN || errno == ENOBUFS || errno == EINTR; /* it is sent again */
}

static void ask_for_errors(struct attempt *a)
{
	int one = 1;

	if (a->to.address.any.sa_family == AF_INET6)
		setsockopt(a->fd, IPPROTO_IPV6, RECVERR6, &one, sizeof(one));
	else
		setsockopt(a->fd, IPPROTO_IP, RECVERR, &one, sizeof(one));
}

bool attempt_start(struct attempt *a, uint64_t now, uint64_t ms)
{
	static const int types[] = { [KIND_STREAM] = SOCK_STREAM, [KIND_DATAGRAM] = SOCK_DGRAM };
	struct endpoint *to = &a->to;

	a->fd = to->kind == KIND_ECHO ? open_echo(to, &a->raw)
				      : endpoint_socket(to, types[to->kind], to->number);
	if (a->fd < 0 && (errno == EMFILE || errno == ENFILE))
		return false;
	a->start = now;
	a->end = now + ms;
	a->next = now + ms / SENDINGS;
	if (a->fd < 0) {
		attempt_end(a, "no_socket", errno);
	} else if (to->kind != KIND_STREAM) {
		a->phase = PHASE_ASKED;
		ask_for_errors(a);
		if (!send_datagram(a))
			fail(a, errno);
	} else {
		a->phase = PHASE_CONNECTING;
		if (connect(a->fd, &to->address.any, to->size) == 0)
			attempt_continue(a);
		else if (errno != EINPROGRESS)
			fail(a, errno);
	}
	return true;
}

short attempt_events(const struct attempt *a)
{
	return a->phase == PHASE_CONNECTING ? POLLOUT : POLLIN;
}

static void connected(struct attempt *a)
{
	char line[MOST_TOKEN + 2] = "";
	socklen_t size = sizeof(int);
	size_t length = strlen(a->token);
	int error = 0;

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error) {
		fail(a, error);
		return;
	}
	a->phase = PHASE_ASKED;
	memcpy(line, a->token, length);
	line[length] = '\n'; /* an empty send buffer takes it whole */
	if (send(a->fd, line, length + 1, MSG_NOSIGNAL) < 0)
		answered(a, errno);
}

static void read_stream(struct attempt *a)
{
	unsigned char data[MOST_ANSWER];
	ssize_t n = recv(a->fd, data, sizeof(data), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		answered(a, n < 0 ? errno : 0);
		return;
	}
	take_answer(a, data, (size_t)n);
	if (memchr(data, '\n', (size_t)n) || a->used == MOST_ANSWER)
		answered(a, 0);
}

/* Takes one error from the queue; false at its end. */
static bool read_error(struct attempt *a)
{
	unsigned char data[MOST_ECHO];
	_Alignas(8) char control[512];
	struct iovec part = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(a->fd, &message, MSG_ERRQUEUE);
	struct extended_error e;

	if (n < 0)
		return false;
	if (a->raw && !echo_is_own(a->echo_id, data, (size_t)n))
		return true;
	memset(&e, 0, sizeof(e));
	if (!copy_control(&message, IPPROTO_IP, RECVERR, &e, sizeof(e)) &&
	    !copy_control(&message, IPPROTO_IPV6, RECVERR6, &e, sizeof(e)))
		return true;
	address_text((struct sockaddr *)&e.offender, a->from);
	fail(a, (int)e.number);
	return false;
}

static void read_datagram(struct attempt *a)
{
	struct sockaddr_storage from = { 0 };
	socklen_t from_size = sizeof(from);
	unsigned char buffer[512];
	const unsigned char *data = buffer;
	ssize_t n =
		recvfrom(a->fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_size);
	size_t size = (size_t)n;

	if (n < 0) {
		/* a raw socket is told the errors of other processes' messages */
		if (errno != EAGAIN && errno != EINTR && !a->raw)
			fail(a, errno);
		return;
	}
	if (a->to.kind == KIND_ECHO && !echo_answer(&a->to, a->raw, a->echo_id, &data, &size))
		return;
	take_answer(a, data, size);
	address_text((struct sockaddr *)&from, a->from);
	answered(a, 0);
}

void attempt_continue(struct attempt *a)
{
	if (a->phase == PHASE_CONNECTING) {
		connected(a);
		return;
	}
	if (a->to.kind == KIND_STREAM) {
		read_stream(a);
		return;
	}
	while (read_error(a))
		;
	if (a->phase != PHASE_DONE)
		read_datagram(a);
}

void attempt_tick(struct attempt *a, uint64_t now)
{
	if (now >= a->end) {
		if (a->to.kind == KIND_STREAM && a->phase == PHASE_ASKED)
			answered(a, ETIMEDOUT); /* somebody took the connection */
		else
			attempt_end(a, "dropped", ETIMEDOUT);
	} else if (a->to.kind != KIND_STREAM && now >= a->next) {
		a->next += (a->end - a->start) / SENDINGS;
		if (!send_datagram(a))
			fail(a, errno);
	}
}
