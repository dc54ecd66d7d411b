/* The verb net: answers tries on sockets, and makes such tries. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"
#include "network/network.h"

static const char synopsis[] = "net try MILLISECONDS | net serve SECONDS NAME SOCKET... | "
			       "net listen PORT TOKEN MS | net connect ADDRESS PORT MS";

static int remaining(uint64_t end)
{
	uint64_t now = now_ms();

	return now >= end ? 0 : (int)(end - now);
}

static int net_listen(char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint64_t port, ms, end;
	int one = 1;

	if (!parse_number(argv[0], 65535, &port) || !parse_number(argv[2], 3600000, &ms))
		return usage(synopsis);
	here.sin_port = htons((uint16_t)port);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 16) < 0)
		die(EX_OSERR, "cannot listen on 127.0.0.1:%s", argv[0]);
	dprintf(1, "listening\n");
	end = now_ms() + ms;
	while (remaining(end) > 0) {
		if (poll(&wait, 1, remaining(end)) <= 0)
			continue;
		cleanup_fd int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (peer < 0)
			continue;
		/* MSG_NOSIGNAL: a peer that hangs up must not kill the listener */
		if (send(peer, argv[1], strlen(argv[1]), MSG_NOSIGNAL) >= 0)
			dprintf(1, "accepted\n");
	}
	return 0;
}

static int answer(int error)
{
	static const struct {
		int error;
		const char *text;
	} words[] = {
		{ ECONNREFUSED, "refused" },
		{ ENETUNREACH, "unreachable" },
		{ EHOSTUNREACH, "unreachable" },
		{ ETIMEDOUT, "timeout" },
	};

	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].error == error) {
			dprintf(1, "%s\n", words[i].text);
			return 0;
		}
	dprintf(1, "%s\n", errno_name(error));
	return 0;
}

static int net_connect(char **argv)
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	uint64_t port, ms, end;
	char text[129];
	size_t used = 0;
	int error = 0;
	socklen_t size = sizeof(error);

	if (inet_pton(AF_INET, argv[0], &there.sin_addr) != 1 ||
	    !parse_number(argv[1], 65535, &port) || !parse_number(argv[2], 3600000, &ms))
		return usage(synopsis);
	if (fd < 0)
		return answer(errno);
	there.sin_port = htons((uint16_t)port);
	end = now_ms() + ms;
	if (connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0) {
		if (errno != EINPROGRESS)
			return answer(errno);
		if (poll(&wait, 1, remaining(end)) <= 0)
			return answer(ETIMEDOUT);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
			return answer(error ? error : errno);
	}
	wait.events = POLLIN;
	while (used < sizeof(text) - 1 && poll(&wait, 1, remaining(end)) > 0) {
		ssize_t n = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = 0;
	dprintf(1, "connected %s\n", text);
	return 0;
}

int verb_net(const struct call *call)
{
	char **argv = call->argv;

	if (call->argc == 5 && strcmp(argv[1], "listen") == 0)
		return net_listen(argv + 2);
	if (call->argc == 5 && strcmp(argv[1], "connect") == 0)
		return net_connect(argv + 2);
	if (call->argc == 3 && strcmp(argv[1], "try") == 0)
		return net_try(argv[2]);
	if (call->argc >= 5 && strcmp(argv[1], "serve") == 0)
		return net_serve(argv[2], argv[3], argv + 4);
	if (call->argc > 2 && strcmp(argv[1], "spoof") == 0)
		return net_spoof(call->argc - 2, argv + 2);
	return usage(synopsis);
}
