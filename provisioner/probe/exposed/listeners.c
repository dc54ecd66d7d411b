/*
 * The sockets that a process listens on, and whether other users of the host may connect to them.
 * It does not connect.
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
#include "base/text.h"
#include "exposed/exposed.h"
#include "exposed/own_sockets.h"
#include "exposed/way.h"

/* Whether any user may write to the file and search every folder on its path. */
static int open_to_others(int proc, const char *path, mode_t *mode, bool *others)
{
	cleanup_fd int root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char whole[2 * MAX_TEXT];
	struct stat st;
	ssize_t n = 0;

	if (root < 0)
		return -1;
	if (*path != '/') {
		n = readlinkat(proc, "cwd", whole, MAX_TEXT);
		if (n < 0)
			return -1;
		whole[n++] = '/';
	}
	if (!copy_text(whole + n, sizeof(whole) - (size_t)n, path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (look_on_way(root, whole, &st, others) < 0)
		return -1;
	*mode = st.st_mode & 07777;
	*others = *others && (st.st_mode & S_IWOTH);
	return 0;
}

static void json_head(const char *family, const char *address)
{
	json_open('{');
	json_key("family");
	json_text(family);
	json_key("address");
	json_text(address);
}

static void json_tcp(const char *family, const char *hex, uint64_t port)
{
	char text[INET6_ADDRSTRLEN] = "";

	tcp_address(hex, strcmp(family, "tcp6") == 0, text);
	json_head(family, text);
	json_key("port");
	json_u64(port);
	json_key("mode");
	json_null();
	json_key("others");
	json_bool(true); /* every user may connect to a port */
	json_close('}');
}

static void json_unix(int proc, const char *path)
{
	mode_t mode = 0;
	bool others = true, file = *path && *path != '@';
	int error = 0;

	if (file && open_to_others(proc, path, &mode, &others) < 0)
		error = errno;
	json_head("unix", path);
	json_key("port");
	json_null();
	json_key("mode");
	if (error && error != ENOENT)
		json_fail(json_mark(), error, "look at %s", path);
	else if (!file || error)
		json_null();
	else
		json_u64(mode);
	json_key("others");
	if (error == ENOENT) /* the file was removed */
		json_bool(false);
	else if (error)
		json_fail(json_mark(), error, "look at %s", path);
	else
		json_bool(*path && others);
	json_close('}');
}

/* net/tcp and net/tcp6 (proc_pid_net(5)); state 0A is TCP_LISTEN. */
static void take_tcp(const char *family, const char *line)
{
	unsigned long long inode;
	unsigned port, state;
	char hex[40];

	if (sscanf(line, " %*u: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %llu",
		   hex, &port, &state, &inode) == 4 &&
	    state == 0x0a && is_own_socket(inode))
		json_tcp(family, hex, port);
}

/* net/unix; flag 0x10000 is __SO_ACCEPTCON. */
static void take_unix(int proc, const char *line)
{
	unsigned long long inode;
	unsigned flags;
	int at = 0;

	if (sscanf(line, " %*x: %*x %*x %x %*x %*x %llu%n", &flags, &inode, &at) == 2 && at &&
	    flags & 0x10000 && is_own_socket(inode))
		json_unix(proc, line[at] == ' ' ? line + at + 1 : line + at);
}

static int closed(struct reader *r, int got)
{
	got = got < 0 ? errno : 0;
	close_fd(&r->fd);
	errno = got;
	return got ? -1 : 0;
}

static int json_tcp_listeners(int proc, const char *family)
{
	char line[1024];
	struct reader r;
	int got = tcp_open(&r, proc, strcmp(family, "tcp6") == 0);

	if (got <= 0)
		return got;
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		take_tcp(family, line);
	return closed(&r, got);
}

static int json_unix_listeners(int proc)
{
	char line[1024];
	struct reader r;
	int got;

	if (reader_open(&r, proc, "net/unix") < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		take_unix(proc, line);
	return closed(&r, got);
}

static int json_family(int proc, const char *family)
{
	return strcmp(family, "unix") == 0 ? json_unix_listeners(proc)
					   : json_tcp_listeners(proc, family);
}

void json_listeners(int proc)
{
	static const char *const families[] = { "tcp", "tcp6", "unix" };
	size_t mark;
	int own;

	json_key("listeners");
	mark = json_mark();
	json_open('[');
	own = find_own_sockets(proc);
	if (own < 0) {
		json_fail(mark, errno, "list fd");
		return;
	}
	for (size_t i = 0; i < COUNT(families) && own; i++)
		if (json_family(proc, families[i]) < 0) {
			json_fail(mark, errno, "read net/%s", families[i]);
			return;
		}
	json_close(']');
}
