/*
 * Network interfaces by rtnetlink(7).  Unlike ioctl(2) it also lists those without an address, and
 * unlike /proc/net and /sys/class/net it always shows this process's network namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

/* Constants of linux/rtnetlink.h: not every compiler comes with kernel headers. */
enum { NLM_REQUEST_DUMP = 0x301, NL_ERROR = 2, NL_DONE = 3 };
enum { NEW_LINK = 16, GET_LINK = 18, NEW_ADDRESS = 20, GET_ADDRESS = 22 };
enum { IFLA_NAME = 3, IFA_ADDRESS_ = 1, IFA_LOCAL_ = 2 };

struct header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};

struct link_message {
	uint8_t family, pad;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};

struct address_message {
	uint8_t family, prefix, flags, scope;
	uint32_t index;
};

struct netlink_address {
	uint16_t family;
	uint16_t pad;
	uint32_t port, groups;
};

static struct {
	uint32_t index;
	char text[INET6_ADDRSTRLEN];
} addresses[1024];

static size_t naddresses, nlinks;
static _Alignas(8) char answer[16 << 10];

static const char *attribute(const char *at, size_t size, uint16_t wanted, size_t *length)
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

static bool take_address(const char *body, size_t size)
{
	struct address_message m;
	size_t length = 0;
	const char *value;

	if (size < sizeof(m))
		return true;
	memcpy(&m, body, sizeof(m));
	body += sizeof(m);
	size -= sizeof(m);
	value = attribute(body, size, IFA_LOCAL_,
			  &length); /* the local end of a point-to-point link */
	if (!value)
		value = attribute(body, size, IFA_ADDRESS_, &length);
	if (!value || length != (m.family == AF_INET6 ? 16u : 4u))
		return true;
	if (naddresses == COUNT(addresses))
		return false;
	addresses[naddresses].index = m.index;
	if (inet_ntop(m.family, value, addresses[naddresses].text, INET6_ADDRSTRLEN))
		naddresses++;
	return true;
}

static bool take_link(const char *body, size_t size)
{
	struct link_message m;
	size_t length = 0;
	const char *value;
	char name[64] = "";

	if (size < sizeof(m))
		return true;
	memcpy(&m, body, sizeof(m));
	value = attribute(body + sizeof(m), size - sizeof(m), IFLA_NAME, &length);
	if (value && length < sizeof(name))
		memcpy(name, value, length);
	if (++nlinks > MAX_ITEMS)
		return false;
	json_open('{');
	json_key("name");
	json_text(name);
	json_key("flags");
	json_u64(m.flags);
	json_key("addresses");
	json_open('[');
	for (size_t i = 0; i < naddresses; i++)
		if (addresses[i].index == (uint32_t)m.index)
			json_text(addresses[i].text);
	json_close(']');
	json_close('}');
	return true;
}

/* Requests a dump and passes each message to `take`; -1 with errno. */
static int dump(int fd, uint16_t get, uint16_t answer_type, bool (*take)(const char *, size_t))
{
	struct {
		struct header head;
		struct link_message body;
	} ask = { .head = { sizeof(ask), get, NLM_REQUEST_DUMP, get, 0 } };

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
			if (h.type == answer_type && !take(at + sizeof(h), h.length - sizeof(h))) {
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

void json_interfaces(void)
{
	struct netlink_address to = { .family = AF_NETLINK };
	struct timeval patience = { .tv_sec = 1 };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	size_t mark;

	json_key("interfaces");
	mark = json_mark();
	naddresses = nlinks = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		json_fail(mark, errno, "open a netlink socket");
		return;
	}
	json_open('[');
	if (dump(fd, GET_ADDRESS, NEW_ADDRESS, take_address) < 0 ||
	    dump(fd, GET_LINK, NEW_LINK, take_link) < 0)
		json_fail(mark, errno, "list interfaces by rtnetlink");
	else
		json_close(']');
}
