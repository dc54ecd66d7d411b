/* Dumps of rtnetlink(7): what a network namespace holds. */
#include "base/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/file.h"

enum { NLM_REQUEST_DUMP = 0x301, NL_ERROR = 2, NL_DONE = 3 };

struct header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};

struct netlink_address {
	uint16_t family;
	uint16_t pad;
	uint32_t port, groups;
};

static _Alignas(8) char answer[16 << 10];

int netlink_open(void)
{
	struct netlink_address to = { .family = AF_NETLINK };
	struct timeval patience = { .tv_sec = 1 };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	int kept;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	/* gVisor answers at once and knows no timeout (ENOPROTOOPT) */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 &&
	    errno != ENOPROTOOPT)
		return -1;
	kept = fd;
	fd = -1;
	return kept;
}

const char *netlink_attribute(const char *at, size_t size, uint16_t wanted, size_t *length)
{
	uint16_t head[2];

	while (size >= 4) {
		memcpy(head, at, 4);
		if (head[0] < 4 || head[0] > size)
			break;
		if ((head[1] & 0x3fff) == wanted) {
			*length = head[0] - 4u;
			return at + 4;
		}
		size_t step = (head[0] + 3u) & ~3u;

		if (step > size)
			break;
		at += step;
		size -= step;
	}
	return NULL;
}

uint32_t netlink_number(const char *at, size_t size, uint16_t wanted, uint32_t other)
{
	size_t length = 0;
	const char *value = netlink_attribute(at, size, wanted, &length);

	if (value && length == sizeof(other))
		memcpy(&other, value, sizeof(other));
	return other;
}

int netlink_dump(int fd, uint16_t get, uint8_t family, uint16_t type,
		 bool (*take)(const char *body, size_t size))
{
	struct {
		struct header head;
		struct link_message body;
	} ask = { .head = { sizeof(ask), get, NLM_REQUEST_DUMP, get, 0 },
		  .body = { .family = family } };

	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -1;
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		size_t left = n > 0 ? (size_t)n : 0;
		const char *at = answer;
		struct header h;

		if (n <= 0)
			return -1;
		while (left >= sizeof(h)) {
			memcpy(&h, at, sizeof(h));
			if (h.type == NL_DONE)
				return 0;
			if (h.length < sizeof(h) || h.length > left || h.type == NL_ERROR) {
				int32_t code = -EBADMSG;

				if (h.type == NL_ERROR && left >= sizeof(h) + 4)
					memcpy(&code, at + sizeof(h), 4);
				errno = -code;
				return -1;
			}
			if (h.type == type && !take(at + sizeof(h), h.length - sizeof(h))) {
				errno = E2BIG;
				return -1;
			}
			size_t step = (h.length + 3u) & ~3u;

			step = step > left ? left : step;
			at += step;
			left -= step;
		}
	}
}
