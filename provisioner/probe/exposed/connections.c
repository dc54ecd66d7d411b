/*
 * The sockets that a process has connected to: a path or a port at which another one serves.
 * The peer of a unix socket is known by sock_diag(7), its name by net/unix (proc_pid_net(5)), and
 * who serves there by the descriptors of all processes.  Connects to none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/net_table.h"
#include "base/proc.h"
#include "base/text.h"
#include "exposed/exposed.h"
#include "exposed/own_sockets.h"
#include "exposed/unix_peers.h"

#define MOST 64 /* ports that it listens on */

struct pair {
	uint64_t own, peer;
	char name[128], own_name[128], server[64];
	uid_t uid;
	bool served;
};

static struct {
	size_t count;
	struct pair list[MOST_PEERS];
} pairs;

/* Learns the names of both ends from a table; ends of one connection may be in two namespaces. */
static int learn_names(int dir, const char *path)
{
	static char line[MAX_LINE];
	struct reader r;
	int got;

	if (reader_open(&r, dir, path) < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		unsigned long long inode;
		int at = 0;

		if (sscanf(line, " %*x: %*x %*x %*x %*x %*x %llu %n", &inode, &at) != 1 || !at)
			continue;
		for (size_t i = 0; i < pairs.count; i++) {
			struct pair *p = &pairs.list[i];

			if (p->peer && p->peer == inode)
				snprintf(p->name, sizeof(p->name), "%.127s", line + at);
			else if (p->own == inode)
				snprintf(p->own_name, sizeof(p->own_name), "%.127s", line + at);
		}
	}
	got = got < 0 ? errno : 0;
	close_fd(&r.fd);
	errno = got;
	return got ? -1 : 0;
}

/* Whether the process is the end that connected: the other one has a name, or has yet to accept. */
static bool is_outgoing(const struct pair *p)
{
	return (*p->name || !p->peer) && !*p->own_name;
}

static void note_server(struct pair *p, int proc)
{
	char exe[MAX_TEXT + 1] = "", *slash;
	struct stat st;

	if (p->served || fstat(proc, &st) < 0)
		return;
	p->served = true;
	p->uid = st.st_uid;
	if (read_link(proc, "exe", exe, sizeof(exe)) < 0)
		return;
	slash = strrchr(exe, '/');
	snprintf(p->server, sizeof(p->server), "%.63s", slash ? slash + 1 : exe);
}

static void note_socket(uint64_t inode, int proc, pid_t pid)
{
	(void)pid;
	for (size_t i = 0; i < pairs.count; i++)
		if (pairs.list[i].peer && pairs.list[i].peer == inode)
			note_server(&pairs.list[i], proc);
}

static void look_at_process(int proc, pid_t pid)
{
	each_socket(proc, pid, note_socket);
}

/* Looks at every process, if there is a connection whose server is to be found. */
static void find_servers(void)
{
	bool any = false;

	for (size_t i = 0; i < pairs.count; i++)
		any = any || is_outgoing(&pairs.list[i]);
	if (any)
		each_process(look_at_process);
}

static void json_connection(const char *family, const char *address, uint16_t port,
			    const struct pair *p)
{
	json_open('{');
	json_key("family");
	json_text(family);
	json_key("address");
	json_text(address);
	json_key("port");
	if (p)
		json_null();
	else
		json_u64(port);
	json_key("server");
	if (p && p->served && *p->server)
		json_text(p->server);
	else
		json_null();
	json_key("uid");
	if (p && p->served)
		json_u64(p->uid);
	else
		json_null();
	json_close('}');
}

static int json_unix_connections(int proc)
{
	static struct peers peers;

	if (find_peers(proc, &peers) < 0)
		return -1;
	memset(&pairs, 0, sizeof(pairs));
	for (size_t i = 0; i < peers.count; i++) {
		pairs.list[pairs.count].own = peers.list[i].own;
		pairs.list[pairs.count++].peer = peers.list[i].peer;
	}
	if (learn_names(proc, "net/unix") < 0 || learn_names(AT_FDCWD, "/proc/self/net/unix") < 0)
		return -1;
	find_servers();
	for (size_t i = 0; i < pairs.count; i++)
		if (is_outgoing(&pairs.list[i]))
			json_connection("unix", pairs.list[i].name, 0, &pairs.list[i]);
	return 0;
}

/* A line of net/tcp or net/tcp6; state 01 is TCP_ESTABLISHED. */
static bool parse_tcp(const char *line, unsigned state, unsigned *local, char *hex, unsigned *port)
{
	unsigned long long inode;
	unsigned is;

	return sscanf(line,
		      " %*u: %*[0-9A-F]:%x %39[0-9A-F]:%x %x %*x:%*x %*x:%*x %*x %*u %*u %llu",
		      local, hex, port, &is, &inode) == 5 &&
	       is == state && is_own_socket(inode);
}

/* The connections of one table that do not come in at a port that the process listens on. */
static int json_tcp_connections(int proc, bool six, unsigned *listening, size_t *count)
{
	char line[1024], hex[40], address[INET6_ADDRSTRLEN] = "";
	struct reader r;
	unsigned local, port;
	int got = tcp_open(&r, proc, six);

	if (got <= 0)
		return got;
	/* the kernel writes the listening sockets first */
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		bool known = false;

		if (*count < MOST && parse_tcp(line, 0x0a, &local, hex, &port))
			listening[(*count)++] = local;
		if (!parse_tcp(line, 0x01, &local, hex, &port))
			continue;
		for (size_t i = 0; i < *count; i++)
			known = known || listening[i] == local;
		if (known)
			continue;
		tcp_address(hex, six, address);
		json_connection(six ? "tcp6" : "tcp", address, (uint16_t)port, NULL);
	}
	got = got < 0 ? errno : 0;
	close_fd(&r.fd);
	errno = got;
	return got ? -1 : 0;
}

void json_connections(int proc)
{
	unsigned listening[MOST];
	size_t mark, count = 0;
	int own;

	json_key("connections");
	mark = json_mark();
	json_open('[');
	own = find_own_sockets(proc);
	if (own < 0 || (own && (json_unix_connections(proc) < 0 ||
				json_tcp_connections(proc, false, listening, &count) < 0 ||
				json_tcp_connections(proc, true, listening, &count) < 0)))
		json_fail(mark, errno, "look for the peers of its sockets");
	else
		json_close(']');
}
