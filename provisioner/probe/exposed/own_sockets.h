/* The sockets that a process holds. */
#ifndef EXPOSED_OWN_SOCKETS_H
#define EXPOSED_OWN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

/* Learns the sockets among the descriptors of /proc/PID: their number; -1 with errno. */
int find_own_sockets(int proc);

/* Whether a socket is one of those that were learned last. */
bool is_own_socket(uint64_t inode);

#endif
