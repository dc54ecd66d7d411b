/*
 * The open descriptors of a process; the files behind them, its folders and its program, each with
 * the mount on which the process opened it.  Files are opened with O_PATH only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/parts.h"
#include "process/process.h"

#define MAX_FDS 256

struct handle {
	int fd; /* -1: a link with a name, such as cwd */
	int error;
	uint64_t mount, inode;
	uint32_t mode, major, minor, rdev_major, rdev_minor;
};

static struct {
	int error;
	size_t count;
	struct handle list[MAX_FDS];
} started;

static void take_stat(struct handle *h, const struct stat *st)
{
	h->mode = st->st_mode;
	h->inode = st->st_ino;
	h->major = major(st->st_dev);
	h->minor = minor(st->st_dev);
	h->rdev_major = major(st->st_rdev);
	h->rdev_minor = minor(st->st_rdev);
}

/* The file and the mount of an open descriptor. */
static void take_fd(struct handle *h, int proc, int fd)
{
	char path[32];
	struct stat st;

	memset(h, 0, sizeof(*h));
	h->fd = fd;
	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	if (read_key(proc, path, "mnt_id", &h->mount) < 0) {
		h->error = errno;
		return;
	}
	snprintf(path, sizeof(path), "fd/%d", fd);
	if (fstatat(proc, path, &st, 0) < 0)
		h->error = errno;
	else
		take_stat(h, &st);
}

/* The same for a link such as cwd; O_PATH does not open the file. */
static void take_link(struct handle *h, int proc, const char *path)
{
	cleanup_fd int fd = openat(proc, path, O_PATH | O_CLOEXEC);
	cleanup_fd int self = fd < 0 ? -1 : open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	memset(h, 0, sizeof(*h));
	h->fd = -1;
	if (fd < 0 || self < 0) {
		h->error = errno;
		return;
	}
	take_fd(h, self, fd);
}

void record_descriptors(void)
{
	struct folder f;
	const char *name;
	int proc = open_self(); /* not listed */

	if (proc < 0 || folder_open(&f, proc, "fd") < 0) {
		started.error = proc < 0 ? -proc : errno;
		close_fd(&proc);
		return;
	}
	while ((name = folder_next(&f))) {
		if (atoi(name) == f.fd || atoi(name) == proc)
			continue;
		if (started.count == COUNT(started.list)) {
			errno = E2BIG;
			break;
		}
		take_fd(&started.list[started.count++], proc, atoi(name));
		errno = 0;
	}
	started.error = name ? errno : 0;
	close_fd(&f.fd);
	record_terminal(proc);
	close_fd(&proc);
}

static void json_handle(const struct handle *h, const char *name)
{
	char text[16];

	if (!name)
		snprintf(text, sizeof(text), "%d", h->fd);
	json_key(name ? name : text);
	if (h->error) {
		json_fail(json_mark(), h->error, "look at %s", name ? name : text);
		return;
	}
	json_open('{');
	json_key("type");
	json_text(file_type(h->mode, "other")); /* an anonymous inode has no type */
	json_key("major");
	json_u64(h->major);
	json_key("minor");
	json_u64(h->minor);
	json_key("inode");
	json_u64(h->inode);
	json_key("mount");
	json_u64(h->mount);
	json_key("rdev");
	if (S_ISCHR(h->mode) || S_ISBLK(h->mode)) {
		json_open('[');
		json_u64(h->rdev_major);
		json_u64(h->rdev_minor);
		json_close(']');
	} else {
		json_null();
	}
	json_close('}');
}

static void json_links(int proc)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	struct handle h;

	for (size_t i = 0; i < COUNT(links); i++) {
		take_link(&h, proc, links[i]);
		json_handle(&h, links[i]);
	}
}

static void json_handles(int proc, bool self)
{
	size_t mark, items = 0;
	struct folder f = { .fd = -1 };
	const char *name = NULL;
	struct handle h;

	json_key("handles");
	mark = json_mark();
	if (proc < 0 || (self && started.error)) {
		json_fail(mark, proc < 0 ? -proc : started.error, "list fd");
		return;
	}
	json_open('{');
	json_links(proc);
	for (size_t i = 0; self && i < started.count; i++)
		json_handle(&started.list[i], NULL);
	errno = 0;
	if (!self && folder_open(&f, proc, "fd") == 0)
		while ((name = folder_next(&f)) && ++items <= MAX_FDS) {
			take_fd(&h, proc, atoi(name));
			if (h.error != ENOENT) /* ENOENT: closed meanwhile */
				json_handle(&h, NULL);
		}
	if (name || (!self && errno))
		json_fail(mark, name ? E2BIG : errno, "list fd");
	else
		json_close('}');
	close_fd(&f.fd);
}

void json_descriptors(int proc, bool self)
{
	json_handles(proc, self);
	json_session(proc, self);
}

/* The descriptors that were open when the program started. */
static struct {
	int error;
	size_t count, used;
	struct {
		int fd;
		size_t text;
	} list[1024];
	char text[64 << 10];
} recorded;

void record_fds(void)
{
	char target[MAX_TEXT + 1];
	struct folder f;
	const char *name;

	recorded.error = 0;
	recorded.count = recorded.used = 0;
	if (folder_open(&f, AT_FDCWD, "/proc/self/fd") < 0) {
		recorded.error = errno;
		return;
	}
	while ((name = folder_next(&f))) {
		size_t size;

		if (atoi(name) == f.fd)
			continue;
		if (read_link(f.fd, name, target, sizeof(target)) < 0)
			break;
		size = strlen(target) + 1;
		if (recorded.count == COUNT(recorded.list) ||
		    size > sizeof(recorded.text) - recorded.used) {
			errno = E2BIG;
			break;
		}
		memcpy(recorded.text + recorded.used, target, size);
		recorded.list[recorded.count].fd = atoi(name);
		recorded.list[recorded.count++].text = recorded.used;
		recorded.used += size;
	}
	recorded.error = name || errno ? errno : 0;
	close_fd(&f.fd);
}

static void json_fd(int fd, const char *target)
{
	json_open('{');
	json_key("fd");
	json_i64(fd);
	json_key("target");
	json_text(target);
	json_close('}');
}

static void json_recorded(void)
{
	if (recorded.error) {
		json_fail(json_mark(), recorded.error, "list /proc/self/fd at the start");
		return;
	}
	json_open('[');
	for (size_t i = 0; i < recorded.count; i++)
		json_fd(recorded.list[i].fd, recorded.text + recorded.list[i].text);
	json_close(']');
}

static void json_now(int proc)
{
	size_t mark = json_mark(), items = 0;
	char target[MAX_TEXT + 1];
	struct folder f;
	const char *name;

	if (proc < 0 || folder_open(&f, proc, "fd") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open fd");
		return;
	}
	json_open('[');
	while ((name = folder_next(&f))) {
		if (read_link(f.fd, name, target, sizeof(target)) < 0) {
			if (errno == ENOENT)
				continue; /* closed meanwhile */
			break;
		}
		json_fd(atoi(name), target);
		if (++items > MAX_ITEMS || json_over(mark, 96 << 10)) {
			errno = E2BIG;
			break;
		}
	}
	if (name || errno)
		json_fail(mark, errno, "list fd");
	else
		json_close(']');
	close_fd(&f.fd);
}

void json_fds(int proc, bool self)
{
	if (self)
		json_recorded();
	else
		json_now(proc);
}
