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
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/net_table.h"
#include "base/text.h"
#include "exposed/exposed.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define RESOLVE_IN_ROOT_ 0x10
#define MAX_SOCKETS	 1024

static struct {
	size_t count;
	uint64_t inode[MAX_SOCKETS];
} sockets;

static int collect_sockets(int proc)
{
	struct folder f;
	const char *name;
	char text[64];
	int error;

	sockets.count = 0;
	if (folder_open(&f, proc, "fd") < 0)
		return -1;
	while ((name = folder_next(&f))) {
		ssize_t n = readlinkat(f.fd, name, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		if (!starts_with(text, "socket:["))
			continue;
		if (sockets.count == MAX_SOCKETS) {
			errno = E2BIG;
			break;
		}
		sockets.inode[sockets.count++] = strtoull(text + 8, NULL, 10);
	}
	error = name ? E2BIG : errno;
	close_fd(&f.fd);
	errno = error;
	return error ? -1 : 0;
}

static bool is_ours(uint64_t inode)
{
	for (size_t i = 0; i < sockets.count; i++)
		if (sockets.inode[i] == inode)
			return true;
	return false;
}

/* Opens a path as the process would: links are resolved below its root. */
static int open_in_root(int root, const char *path)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT_ };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int stat_in_root(int root, const char *path, struct stat *st)
{
	cleanup_fd int fd = open_in_root(root, path);

	return fd < 0 ? -1 : fstat(fd, st);
}

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
	if (stat_in_root(root, whole, &st) < 0)
		return -1;
	*mode = st.st_mode & 07777;
	*others = st.st_mode & S_IWOTH;
	for (char *slash = whole; slash; slash = strchr(slash + 1, '/')) {
		char after = slash[1];

		slash[1] = 0;
		if (stat_in_root(root, whole, &st) < 0)
			return -1;
		slash[1] = after;
		*others = *others && (st.st_mode & S_IXOTH);
	}
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
	char text[INET6_ADDRSTRLEN] = "", word[9];
	uint32_t address[4] = { 0 };
	bool six = strcmp(family, "tcp6") == 0;

	/* each group of eight digits is a number in this machine's byte order */
	for (size_t i = 0; i < (six ? 4 : 1) && strlen(hex) >= 8 * (i + 1); i++) {
		memcpy(word, hex + 8 * i, 8);
		word[8] = 0;
		address[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	inet_ntop(six ? AF_INET6 : AF_INET, address, text, sizeof(text));
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
	    state == 0x0a && is_ours(inode))
		json_tcp(family, hex, port);
}

/* net/unix; flag 0x10000 is __SO_ACCEPTCON. */
static void take_unix(int proc, const char *line)
{
	unsigned long long inode;
	unsigned flags;
	int at = 0;

	if (sscanf(line, " %*x: %*x %*x %x %*x %*x %llu%n", &flags, &inode, &at) == 2 && at &&
	    flags & 0x10000 && is_ours(inode))
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

	json_key("listeners");
	mark = json_mark();
	json_open('[');
	if (collect_sockets(proc) < 0) {
		json_fail(mark, errno, "list fd");
		return;
	}
	for (size_t i = 0; i < COUNT(families) && sockets.count; i++)
		if (json_family(proc, families[i]) < 0) {
			json_fail(mark, errno, "read net/%s", families[i]);
			return;
		}
	json_close(']');
}
