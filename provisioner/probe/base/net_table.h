#ifndef BASE_NET_TABLE_H
#define BASE_NET_TABLE_H

#include <stdbool.h>

#include "base/file.h"

/*
 * Opens net/tcp or net/tcp6 below /proc/PID (proc_pid_net(5)): 1; 0 if the table would be empty;
 * -1 with errno.
 */
int tcp_open(struct reader *r, int proc, bool six);

/* Writes the address that a table has in hex; `text` has room for INET6_ADDRSTRLEN characters. */
void tcp_address(const char *hex, bool six, char *text);

#endif
