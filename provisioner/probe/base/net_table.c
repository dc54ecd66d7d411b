/* Opens the TCP tables of a network namespace. */
#include "base/net_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/*
 * Reading either table makes the kernel walk the hash of all connections of the machine
 * (tcp_get_idx() in net/ipv4/tcp_ipv4.c), which takes milliseconds if the hash is large, even for a
 * namespace without connections.  net/sockstat counts the sockets of the namespace, listeners
 * included (sock_prot_inuse_add() in net/core/sock.c): with a count of 0 the table is not read.
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
	return six && errno == ENOENT ? 0 : -1; /* a kernel without IPv6 */
}

void tcp_address(const char *hex, bool six, char *text)
{
	uint32_t address[4] = { 0 };
	char word[9] = "";

	/* each group of eight digits is a number in this machine's byte order */
	for (size_t i = 0; i < (six ? 4 : 1) && strlen(hex) >= 8 * (i + 1); i++) {
		memcpy(word, hex + 8 * i, 8);
		address[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	inet_ntop(six ? AF_INET6 : AF_INET, address, text, INET6_ADDRSTRLEN);
}
