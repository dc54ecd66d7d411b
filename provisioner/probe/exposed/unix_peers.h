/* The unix sockets of a process that are connected, and the sockets at their other ends. */
#ifndef EXPOSED_UNIX_PEERS_H
#define EXPOSED_UNIX_PEERS_H

#include <stddef.h>
#include <stdint.h>

#define MOST_PEERS 64

struct peers {
	int error;
	size_t count;
	struct {
		uint64_t own, peer; /* inodes; 0: the peer has not accepted it yet */
	} list[MOST_PEERS];
};

/* Finds the peers of the sockets that find_own_sockets() learned; -1 with errno. */
int find_peers(int proc, struct peers *peers);

#endif
