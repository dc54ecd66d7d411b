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

#include "base/file.h"
#include "base/json.h"
#include "base/netlink.h"
#include "base/text.h"
#include "system/parts.h"

static struct {
	uint32_t index;
	char text[INET6_ADDRSTRLEN];
} addresses[1024];

static size_t naddresses, nlinks;

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
	value = netlink_attribute(body, size, IFA_LOCAL_,
				  &length); /* the local end of a point-to-point link */
	if (!value)
		value = netlink_attribute(body, size, IFA_ADDRESS_, &length);
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
	value = netlink_attribute(body + sizeof(m), size - sizeof(m), IFLA_NAME, &length);
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

void json_interfaces(void)
{
	cleanup_fd int fd = netlink_open();
	size_t mark;

	json_key("interfaces");
	mark = json_mark();
	naddresses = nlinks = 0;
	if (fd < 0) {
		json_fail(mark, errno, "open a netlink socket");
		return;
	}
	json_open('[');
	if (netlink_dump(fd, GET_ADDRESS, 0, NEW_ADDRESS, take_address) < 0 ||
	    netlink_dump(fd, GET_LINK, 0, NEW_LINK, take_link) < 0)
		json_fail(mark, errno, "list interfaces by rtnetlink");
	else
		json_close(']');
}
