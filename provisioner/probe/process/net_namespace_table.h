/* What a network namespace holds, as read in a child process. */
#ifndef PROCESS_NET_NAMESPACE_TABLE_H
#define PROCESS_NET_NAMESPACE_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_LINKS	64
#define MOST_ADDRESSES	256
#define MOST_ROUTES	512
#define MOST_RULES	128
#define MOST_NEIGHBOURS 256
#define NETWORK_TEXT	(INET6_ADDRSTRLEN + 4)
#define SETTINGS	5

struct setting {
	int error; /* ENOENT: there is no such setting */
	uint64_t number;
};

struct network {
	int error; /* of entering the namespace or opening the socket */
	int links_error, routes_error, rules_error, neighbours_error;
	size_t links, addresses, routes, rules, neighbours;
	struct {
		int32_t index;
		uint32_t flags;
		bool peer; /* its other end is in another namespace */
		char name[16], kind[16];
		struct setting set[SETTINGS];
	} link[MOST_LINKS];
	struct {
		int32_t index;
		uint8_t scope;
		char text[NETWORK_TEXT];
	} address[MOST_ADDRESSES];
	struct {
		int32_t index;
		uint32_t table;
		uint8_t type;
		char to[NETWORK_TEXT], gateway[INET6_ADDRSTRLEN];
	} route[MOST_ROUTES];
	struct {
		uint8_t family;
		uint32_t priority, table;
	} rule[MOST_RULES];
	struct {
		int32_t index;
		uint16_t state;
		char text[INET6_ADDRSTRLEN];
	} neighbour[MOST_NEIGHBOURS];
};

/* The key of a setting in documents. */
const char *setting_key(size_t k);

/* Reads a network namespace, `*in`, or this process's own if it is -1; for fork_call(). */
void read_network(const void *in, void *out);

#endif
