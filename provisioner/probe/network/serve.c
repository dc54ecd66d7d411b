/* Answers tries on sockets: a stream by a line, a datagram by a datagram. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "network/endpoint.h"
#include "network/listener.h"
#include "network/network.h"

#define MOST_SOCKETS 192
#define MOST_OPEN    256
#define MOST_ANSWERS 8192
#define PATIENCE_MS  2000 /* in which a connection sends its token */

struct connection {
	struct listener *listener;
	int fd;
	uint64_t end;
	size_t used;
	char token[MOST_TOKEN + 1];
	struct sockaddr_storage from;
};

static struct listener listeners[MOST_SOCKETS];
static struct connection connections[MOST_OPEN];
static size_t listener_count, open_count, answers;
static const char *own_name;

/* One line for each token.  More than MOST_ANSWERS end the server, so that the host knows. */
static void print(const struct listener *l, const char *local, const char *from, const char *token)
{
	errno = 0;
	if (answers++ == MOST_ANSWERS)
		die(EX_UNAVAILABLE, "more than %d tokens came", MOST_ANSWERS);
	json_open('{');
	json_key("proto");
	json_text(l->end.protocol);
	json_key("local");
	json_text(local);
	json_key("from");
	json_text(from);
	json_key("token");
	json_text(token);
	json_close('}');
	if (json_print() < 0)
		die(EX_OSERR, "cannot print a token");
}

/* Ends a connection: answers and prints the token, which is empty if none came. */
static void finish(struct connection *c)
{
	struct sockaddr_storage own = { 0 };
	socklen_t size = sizeof(own);
	char local[ENDPOINT_TEXT], from[ENDPOINT_TEXT], line[2 * MOST_TOKEN + 3];
	int length = snprintf(line, sizeof(line), "%s %s\n", own_name, c->token);

	getsockname(c->fd, (struct sockaddr *)&own, &size);
	address_text((struct sockaddr *)&own, local);
	address_text((struct sockaddr *)&c->from, from);
	print(c->listener, *local ? local : c->listener->text, from, c->token);
	send(c->fd, line, (size_t)length, MSG_NOSIGNAL);
	close_fd(&c->fd);
	open_count--;
}

static void read_token(struct connection *c)
{
	ssize_t n = recv(c->fd, c->token + c->used, MOST_TOKEN - c->used, 0);
	char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->used += (size_t)n;
	c->token[c->used] = 0;
	newline = strchr(c->token, '\n');
	if (newline)
		*newline = 0;
	if (n <= 0 || newline || c->used == MOST_TOKEN)
		finish(c);
}

static void accept_all(struct listener *l)
{
	for (size_t i = 0; i < MOST_OPEN && open_count < MOST_OPEN; i++) {
		struct connection *c = &connections[i];
		socklen_t size = sizeof(c->from);

		if (c->fd >= 0)
			continue;
		memset(&c->from, 0, sizeof(c->from));
		c->fd = accept4(l->fd, (struct sockaddr *)&c->from, &size,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (c->fd < 0)
			return;
		c->listener = l;
		c->end = now_ms() + PATIENCE_MS;
		c->used = 0;
		c->token[0] = 0;
		open_count++;
		read_token(c);
	}
}

/* An answer of a server holds a space: two servers do not answer each other. */
static void answer_datagram(struct listener *l)
{
	char line[2 * MOST_TOKEN + 3], local[ENDPOINT_TEXT], from[ENDPOINT_TEXT], *newline;
	char token[MOST_TOKEN + 1] = "";
	struct datagram d;

	if (!receive_datagram(l, &d, token, MOST_TOKEN))
		return;
	newline = strchr(token, '\n');
	if (newline)
		*newline = 0;
	address_text((struct sockaddr *)&d.local, local);
	address_text((struct sockaddr *)&d.from, from);
	print(l, local, from, token);
	if (!strchr(token, ' '))
		send_datagram(l, &d, line,
			      (size_t)snprintf(line, sizeof(line), "%s %s\n", own_name, token));
}

static void turn(uint64_t end)
{
	static struct pollfd fds[MOST_SOCKETS + MOST_OPEN];
	static size_t owners[MOST_OPEN];
	uint64_t now = now_ms(), due = end;
	size_t polled = listener_count;

	for (size_t i = 0; i < listener_count; i++) {
		bool stream = listeners[i].end.kind == KIND_STREAM;

		fds[i].fd = stream && open_count == MOST_OPEN ? -1 : listeners[i].fd;
		fds[i].events = POLLIN;
	}
	for (size_t i = 0; i < MOST_OPEN; i++) {
		if (connections[i].fd < 0)
			continue;
		owners[polled - listener_count] = i;
		fds[polled++] = (struct pollfd){ .fd = connections[i].fd, .events = POLLIN };
		due = connections[i].end < due ? connections[i].end : due;
	}
	if (poll(fds, polled, due > now ? (int)(due - now) : 0) < 0)
		return;
	now = now_ms();
	for (size_t i = listener_count; i < polled; i++) {
		struct connection *c = &connections[owners[i - listener_count]];

		if (fds[i].revents)
			read_token(c);
		if (c->fd >= 0 && now >= c->end)
			finish(c);
	}
	for (size_t i = 0; i < listener_count; i++) {
		if (fds[i].fd < 0 || !fds[i].revents)
			continue;
		if (listeners[i].end.kind == KIND_STREAM)
			accept_all(&listeners[i]);
		else
			answer_datagram(&listeners[i]);
	}
}

/* Opens all sockets, then prints one line about them. */
static void open_all(char **sockets)
{
	json_open('{');
	json_key("sockets");
	json_open('[');
	for (char **at = sockets; *at; at++) {
		struct listener *l = &listeners[listener_count++];
		int error = open_listener(l, *at);

		errno = 0;
		if (error == EINVAL && l->fd == -1 && !l->text[0])
			die(EX_USAGE, "'%s' is no socket", *at);
		json_open('{');
		json_key("socket");
		json_text(*at);
		json_key("state");
		json_text(error ? errno_name(error) : "listening");
		json_key("local");
		json_text(l->text);
		json_close('}');
	}
	json_close(']');
	json_close('}');
	if (json_print() < 0)
		die(EX_OSERR, "cannot print the sockets");
}

int net_serve(const char *seconds, const char *name, char **sockets)
{
	uint64_t number, end;
	size_t asked = 0;

	while (sockets[asked])
		asked++;
	if (!parse_number(seconds, 3600, &number) || strlen(name) > MOST_TOKEN ||
	    strpbrk(name, " \n") || !asked || asked > MOST_SOCKETS)
		return usage("net serve SECONDS NAME PROTO:ADDRESS:PORT...");
	own_name = name;
	for (size_t i = 0; i < MOST_OPEN; i++)
		connections[i].fd = -1;
	raise_file_limit();
	open_all(sockets);
	for (end = now_ms() + number * 1000; now_ms() < end;)
		turn(end);
	for (size_t i = 0; i < listener_count; i++)
		close_listener(&listeners[i]);
	return 0;
}
