/* Dumps of rtnetlink(7): what a network namespace holds. */
#ifndef BASE_NETLINK_H
#define BASE_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Constants of linux/rtnetlink.h: not every compiler comes with kernel headers. */
enum {
	NEW_LINK = 16,
	GET_LINK = 18,
	NEW_ADDRESS = 20,
	GET_ADDRESS = 22,
	NEW_ROUTE = 24,
	GET_ROUTE = 26,
	NEW_NEIGHBOUR = 28,
	GET_NEIGHBOUR = 30,
	NEW_RULE = 32,
	GET_RULE = 34,
};
enum { IFLA_NAME = 3, IFA_ADDRESS_ = 1, IFA_LOCAL_ = 2 };

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

/* Opens a socket of this process's network namespace; -1 with errno.  It waits 1 s at most. */
int netlink_open(void);

/*
 * Requests a dump of one address family (0: all) and passes the body of each message of `type` to
 * `take`, which returns false if it has no room (E2BIG).  -1 with errno.
 */
int netlink_dump(int fd, uint16_t get, uint8_t family, uint16_t type,
		 bool (*take)(const char *body, size_t size));

/* The value of an attribute among those at `at`; NULL if it is not there. */
const char *netlink_attribute(const char *at, size_t size, uint16_t wanted, size_t *length);

/* An attribute of 32 bits, or `other` if it is not there. */
uint32_t netlink_number(const char *at, size_t size, uint16_t wanted, uint32_t other);

#endif
