/*
 * Unix sockets with a path on which processes of this kernel serve, and who they are.  Reads
 * net/unix of each network namespace (proc_pid_net(5)), then the descriptors of each process.
 * Connects to none.  The look runs in a child with an alarm: a path may lie on a file system of
 * another sandbox, which need not answer.
 */
#include "acts/unix_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/members.h"
#include "process/parts.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define IN_ROOT	 0x12	 /* RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS */
#define ACCEPTS	 0x10000 /* __SO_ACCEPTCON */
#define DATAGRAM 2
#define MOST	 384
#define NETS	 128
#define HOLDERS	 3

struct served {
	uint64_t socket, inode;
	uint32_t major, minor;
	bool own, in_view, found; /* a task of the sandbox holds it; the path is this process's */
	size_t holders;
	struct {
		pid_t pid;
		char name[32], exe[128];
	} by[HOLDERS];
	char path[192];
};

struct look {
	int error;
	const char *what; /* a string constant */
	size_t count;
	struct served list[MOST];
};

static struct look look; /* the child's */
static uint64_t nets[NETS];
static size_t net_count;
static const struct member *members;
static size_t member_count;

static bool is_new_net(uint64_t net)
{
	for (size_t i = 0; i < net_count; i++)
		if (nets[i] == net)
			return false;
	if (net && net_count < NETS)
		nets[net_count++] = net;
	return net != 0;
}

static void take_line(const char *line)
{
	unsigned long long inode;
	unsigned flags, type;
	int at = 0;

	if (sscanf(line, "%*[^:]: %*x %*x %x %x %*x %llu %n", &flags, &type, &inode, &at) < 3 ||
	    !at || !line[at] || line[at] == '@' || (!(flags & ACCEPTS) && type != DATAGRAM))
		return;
	if (look.count == MOST) {
		look.error = E2BIG;
		look.what = "list the sockets that processes serve";
		return;
	}
	if (copy_text(look.list[look.count].path, sizeof(look.list[0].path), line + at))
		look.list[look.count++].socket = inode;
}

static void read_table(int proc)
{
	static char line[MAX_LINE];
	struct reader r;

	if (reader_open(&r, proc, "net/unix") < 0)
		return; /* ended meanwhile */
	while (reader_line(&r, line, sizeof(line)) > 0)
		take_line(line);
	close_fd(&r.fd);
}

static void look_at_net(int proc, pid_t pid)
{
	(void)pid;
	if (is_new_net(read_namespace(proc, "ns/net")))
		read_table(proc);
}

/* The file of a socket as its process names it: links are resolved below that process's root. */
static void find_file(struct served *s, int proc)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, IN_ROOT };
	cleanup_fd int root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char whole[2 * MAX_TEXT] = "";
	struct stat st;
	ssize_t n = 0;

	if (s->path[0] != '/') {
		n = readlinkat(proc, "cwd", whole, MAX_TEXT);
		if (n < 0)
			return;
		whole[n++] = '/';
	}
	if (root < 0 || !copy_text(whole + n, sizeof(whole) - (size_t)n, s->path))
		return;
	cleanup_fd int fd = (int)syscall(SYS_openat2, root, whole, &how, sizeof(how));

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	s->found = true;
	s->major = major(st.st_dev);
	s->minor = minor(st.st_dev);
	s->inode = st.st_ino;
	s->in_view =
		copy_text(s->path, sizeof(s->path), whole) &&
		read_namespace(proc, "ns/mnt") == read_namespace(AT_FDCWD, "/proc/self/ns/mnt");
}

static void note_holder(struct served *s, int proc, pid_t pid)
{
	char exe[MAX_TEXT + 1] = "", *slash;

	s->own = s->own || is_member(pid);
	for (size_t i = 0; i < s->holders; i++)
		if (s->by[i].pid == pid)
			return;
	if (!s->found)
		find_file(s, proc);
	if (s->holders == HOLDERS)
		return;
	s->by[s->holders].pid = pid;
	if (read_file(proc, "comm", s->by[s->holders].name, sizeof(s->by[0].name)) > 0)
		trim(s->by[s->holders].name);
	if (read_link(proc, "exe", exe, sizeof(exe)) == 0) {
		slash = strrchr(exe, '/');
		copy_text(s->by[s->holders].exe, sizeof(s->by[0].exe), slash ? slash + 1 : exe);
	}
	s->holders++;
}

static void note_socket(uint64_t inode, int proc, pid_t pid)
{
	for (size_t i = 0; i < look.count; i++)
		if (look.list[i].socket == inode)
			note_holder(&look.list[i], proc, pid);
}

static void look_at_process(int proc, pid_t pid)
{
	each_socket(proc, pid, note_socket);
}

static void look_around(const void *in, void *out)
{
	(void)in;
	if (each_process(look_at_net) < 0 || each_process(look_at_process) < 0) {
		look.error = errno;
		look.what = "list /proc";
	}
	memcpy(out, &look, sizeof(look));
}

static void json_served(const struct served *s)
{
	json_open('{');
	json_key("path");
	json_text(s->path);
	json_key("in_view");
	json_bool(s->in_view);
	json_key("device");
	json_open('[');
	json_u64(s->major);
	json_u64(s->minor);
	json_close(']');
	json_key("inode");
	json_u64(s->inode);
	json_key("own");
	json_bool(s->own);
	json_key("processes");
	json_open('[');
	for (size_t i = 0; i < s->holders; i++) {
		json_open('{');
		json_key("pid");
		json_i64(s->by[i].pid);
		json_key("name");
		json_text(s->by[i].name);
		json_key("exe");
		json_text(s->by[i].exe);
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

void json_unix_sockets(pid_t subject)
{
	static struct look seen;
	size_t mark = json_mark();
	struct call_result done;
	int error = subject ? find_members(subject, &members, &member_count) : 0;

	done = fork_call(look_around, NULL, &seen, sizeof(seen));
	if (error || done.end != CALL_DONE || seen.error) {
		error = error ? error : done.end == CALL_TIMEOUT ? ETIMEDOUT : seen.error;
		json_fail(mark, error, "%s", seen.what ? seen.what : "look for who serves sockets");
		return;
	}
	json_open('[');
	for (size_t i = 0; i < seen.count; i++)
		if (seen.list[i].found)
			json_served(&seen.list[i]);
	json_close(']');
}
