/* The TCP sockets of a process's network namespace (proc_pid_net(5)). */
#include "base/probe.h"

#include <errno.h>

/*
 * Opens net/tcp or net/tcp6 below /proc/PID: 1; 0 when nothing would stand there, -1 with errno.
 *
 * To read either, the kernel walks the hash of all connections of the machine (tcp_get_idx() in
 * net/ipv4/tcp_ipv4.c): milliseconds where that is large, also for a namespace without any.  What
 * is in that hash, and what listens, net/sockstat counts (sock_prot_inuse_add() in
 * net/core/sock.c); a kernel that does not say is asked for the table.
 */
int tcp_open(struct reader *r, int proc, bool six)
{
	uint64_t used;

	if (read_key(proc, six ? "net/sockstat6" : "net/sockstat",
		     six ? "TCP6: inuse" : "TCP: inuse", &used) == 0 &&
	    used == 0)
		return 0;
	if (reader_open(r, proc, six ? "net/tcp6" : "net/tcp") == 0)
		return 1;
	return six && errno == ENOENT ? 0 : -1; /* IPv6 may be left out */
}
