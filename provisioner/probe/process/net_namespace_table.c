/*
 * Reads a network namespace by rtnetlink(7): interfaces, routes, rules and neighbours of both
 * families, and the settings of each interface (ip-sysctl.rst).
 */
#include "process/net_namespace_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/netlink.h"

enum { IFLA_LINKINFO_ = 18, IFLA_LINK_NETNSID_ = 37, INFO_KIND = 1 };
enum { RTA_DST_ = 1, RTA_OIF_ = 4, RTA_GATEWAY_ = 5, RTA_MULTIPATH_ = 9, RTA_TABLE_ = 15 };
enum { FRA_PRIORITY_ = 6, NDA_DST_ = 1, RTA_VIA_ = 18 };

struct route_message { /* struct rtmsg and struct fib_rule_hdr */
	uint8_t family, to_prefix, from_prefix, tos, table, protocol, scope, type;
	uint32_t flags;
};

struct neighbour_message {
	uint8_t family, pad;
	uint16_t pad2;
	int32_t index;
	uint16_t state;
	uint8_t flags, type;
};

static const struct {
	const char *key, *path;
} settings[SETTINGS] = {
	{ "forwarding", "ipv4/conf/%s/forwarding" },
	{ "route_localnet", "ipv4/conf/%s/route_localnet" },
	{ "forwarding6", "ipv6/conf/%s/forwarding" },
	{ "accept_ra", "ipv6/conf/%s/accept_ra" },
	{ "disable_ipv6", "ipv6/conf/%s/disable_ipv6" },
};

static struct network seen;

const char *setting_key(size_t k)
{
	return settings[k].key;
}

/* An address with its prefix; "" if its length is not that of the family. */
static void put_network(char text[NETWORK_TEXT], uint8_t family, const char *value, size_t length,
			uint8_t prefix)
{
	char number[INET6_ADDRSTRLEN];

	text[0] = 0;
	if (value && length == (family == AF_INET6 ? 16u : 4u) &&
	    inet_ntop(family, value, number, sizeof(number)))
		snprintf(text, NETWORK_TEXT, "%s/%u", number, prefix);
}

static bool take_link(const char *body, size_t size)
{
	struct link_message m;
	size_t length = 0, inner = 0;
	const char *value;

	if (size < sizeof(m))
		return true;
	if (seen.links == MOST_LINKS)
		return false;
	memcpy(&m, body, sizeof(m));
	body += sizeof(m);
	size -= sizeof(m);
	seen.link[seen.links].index = m.index;
	seen.link[seen.links].flags = m.flags;
	value = netlink_attribute(body, size, IFLA_NAME, &length);
	if (value && length <= sizeof(seen.link[0].name))
		memcpy(seen.link[seen.links].name, value, length);
	value = netlink_attribute(body, size, IFLA_LINKINFO_, &length);
	value = value ? netlink_attribute(value, length, INFO_KIND, &inner) : NULL;
	if (value && inner <= sizeof(seen.link[0].kind))
		memcpy(seen.link[seen.links].kind, value, inner);
	seen.link[seen.links].name[sizeof(seen.link[0].name) - 1] = 0;
	seen.link[seen.links].kind[sizeof(seen.link[0].kind) - 1] = 0;
	seen.link[seen.links].peer = netlink_attribute(body, size, IFLA_LINK_NETNSID_, &length);
	seen.links++;
	return true;
}

static bool take_address(const char *body, size_t size)
{
	struct address_message m;
	size_t length = 0;
	const char *value;

	if (size < sizeof(m))
		return true;
	if (seen.addresses == MOST_ADDRESSES)
		return false;
	memcpy(&m, body, sizeof(m));
	body += sizeof(m);
	size -= sizeof(m);
	value = netlink_attribute(body, size, IFA_LOCAL_, &length);
	if (!value)
		value = netlink_attribute(body, size, IFA_ADDRESS_, &length);
	seen.address[seen.addresses].index = (int32_t)m.index;
	seen.address[seen.addresses].scope = m.scope;
	put_network(seen.address[seen.addresses].text, m.family, value, length, m.prefix);
	seen.addresses += seen.address[seen.addresses].text[0] != 0;
	return true;
}

/* The interface and the gateway of a route, or of its first next hop. */
static void put_next_hop(const char *body, size_t size, uint8_t family)
{
	size_t length = 0;
	const char *hop = netlink_attribute(body, size, RTA_MULTIPATH_, &length), *value;
	uint16_t via;

	if (hop && length >= 8) { /* struct rtnexthop */
		memcpy(&seen.route[seen.routes].index, hop + 4, 4);
		body = hop + 8;
		size = length - 8;
	} else {
		seen.route[seen.routes].index = (int32_t)netlink_number(body, size, RTA_OIF_, 0);
	}
	value = netlink_attribute(body, size, RTA_GATEWAY_, &length);
	if (!value) {
		value = netlink_attribute(body, size, RTA_VIA_, &length);
		if (!value || length < sizeof(via))
			return;
		memcpy(&via, value, sizeof(via));
		family = (uint8_t)via;
		value += sizeof(via);
		length -= sizeof(via);
	}
	if (length == (family == AF_INET6 ? 16u : 4u))
		inet_ntop(family, value, seen.route[seen.routes].gateway, INET6_ADDRSTRLEN);
}

static bool take_route(const char *body, size_t size)
{
	static const char anywhere[16];
	struct route_message m;
	size_t length = 0;
	const char *value;

	if (size < sizeof(m))
		return true;
	memcpy(&m, body, sizeof(m));
	if (m.family != AF_INET && m.family != AF_INET6)
		return true;
	if (seen.routes == MOST_ROUTES)
		return false;
	body += sizeof(m);
	size -= sizeof(m);
	value = netlink_attribute(body, size, RTA_DST_, &length);
	if (!value) {
		value = anywhere;
		length = m.family == AF_INET6 ? 16 : 4;
	}
	put_network(seen.route[seen.routes].to, m.family, value, length, m.to_prefix);
	seen.route[seen.routes].table = netlink_number(body, size, RTA_TABLE_, m.table);
	seen.route[seen.routes].type = m.type;
	put_next_hop(body, size, m.family);
	seen.routes++;
	return true;
}

static bool take_rule(const char *body, size_t size)
{
	struct route_message m;

	if (size < sizeof(m))
		return true;
	memcpy(&m, body, sizeof(m));
	if (seen.rules == MOST_RULES)
		return false;
	body += sizeof(m);
	size -= sizeof(m);
	seen.rule[seen.rules].family = m.family;
	seen.rule[seen.rules].priority = netlink_number(body, size, FRA_PRIORITY_, 0);
	seen.rule[seen.rules].table = netlink_number(body, size, RTA_TABLE_, m.table);
	seen.rules++;
	return true;
}

static bool take_neighbour(const char *body, size_t size)
{
	struct neighbour_message m;
	size_t length = 0;
	const char *value;

	if (size < sizeof(m))
		return true;
	memcpy(&m, body, sizeof(m));
	value = netlink_attribute(body + sizeof(m), size - sizeof(m), NDA_DST_, &length);
	if (!value || length != (m.family == AF_INET6 ? 16u : 4u))
		return true;
	if (seen.neighbours == MOST_NEIGHBOURS)
		return false;
	seen.neighbour[seen.neighbours].index = m.index;
	seen.neighbour[seen.neighbours].state = m.state;
	if (inet_ntop(m.family, value, seen.neighbour[seen.neighbours].text, INET6_ADDRSTRLEN))
		seen.neighbours++;
	return true;
}

static void read_settings(void)
{
	int dir = open("/proc/sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC), error = errno;
	char path[64];

	for (size_t i = 0; i < seen.links; i++)
		for (size_t k = 0; k < SETTINGS; k++) {
			struct setting *s = &seen.link[i].set[k];

			snprintf(path, sizeof(path), settings[k].path, seen.link[i].name);
			if (dir < 0)
				s->error = error == ENOENT ? ENOSYS : error;
			else if (read_number(dir, path, &s->number) < 0)
				s->error = errno;
		}
	close_fd(&dir);
}

/* Dumps both families; the errno, or 0.  A kernel need not have IPv6. */
static int dump_both(int fd, uint16_t get, uint16_t type, bool (*take)(const char *, size_t))
{
	if (netlink_dump(fd, get, AF_INET, type, take) < 0)
		return errno;
	if (netlink_dump(fd, get, AF_INET6, type, take) < 0 && errno != EOPNOTSUPP &&
	    errno != EAFNOSUPPORT)
		return errno;
	return 0;
}

void read_network(const void *in, void *out)
{
	int ns = *(const int *)in, fd;

	if (ns >= 0 && setns(ns, CLONE_NEWNET) < 0)
		seen.error = errno;
	fd = seen.error ? -1 : netlink_open();
	if (!seen.error && fd < 0)
		seen.error = errno;
	if (!seen.error) {
		if (netlink_dump(fd, GET_LINK, 0, NEW_LINK, take_link) < 0 ||
		    netlink_dump(fd, GET_ADDRESS, 0, NEW_ADDRESS, take_address) < 0)
			seen.links_error = errno;
		seen.routes_error = dump_both(fd, GET_ROUTE, NEW_ROUTE, take_route);
		seen.rules_error = dump_both(fd, GET_RULE, NEW_RULE, take_rule);
		seen.neighbours_error = dump_both(fd, GET_NEIGHBOUR, NEW_NEIGHBOUR, take_neighbour);
		read_settings();
	}
	memcpy(out, &seen, sizeof(seen));
}
