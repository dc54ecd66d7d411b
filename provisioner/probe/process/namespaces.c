/* The namespaces of one process, and the user namespaces that own them (ioctl_nsfs(2)). */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "process/parts.h"

/* _IO(0xb7, 1) and _IO(0xb7, 2) of linux/nsfs.h, which musl does not have. */
#define GET_USERNS 0xb701
#define GET_PARENT 0xb702

static const char *const kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };

uint64_t read_namespace(int dir, const char *path)
{
	char text[64];
	ssize_t n = readlinkat(dir, path, text, sizeof(text) - 1);
	const char *inode;

	if (n < 0)
		return 0;
	text[n] = 0;
	inode = strchr(text, '[');
	errno = EBADMSG;
	return inode ? strtoull(inode + 1, NULL, 10) : 0;
}

void json_namespaces(int proc)
{
	struct stat folder;
	int missing = 0;

	if (proc < 0)
		missing = -proc;
	else if (fstatat(proc, "ns", &folder, 0) < 0)
		missing = errno;
	json_open('{');
	for (size_t i = 0; i < COUNT(kinds); i++) {
		char path[16];
		uint64_t inode;

		snprintf(path, sizeof(path), "ns/%s", kinds[i]);
		json_key(kinds[i]);
		if (missing)
			json_fail(json_mark(), missing, "open ns");
		else if ((inode = read_namespace(proc, path)))
			json_u64(inode);
		else if (errno == ENOENT)
			json_null();
		else
			json_fail(json_mark(), errno, "readlink %s", path);
	}
	json_close('}');
}

static int inode_of(int fd, uint64_t *inode)
{
	struct stat at;

	if (fstat(fd, &at) < 0)
		return -1;
	*inode = at.st_ino;
	return 0;
}

bool may_be_below(int dir, const char *path, uint64_t top)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	uint64_t inode;

	for (int depth = 0; depth < 64; depth++) { /* the kernel nests 32 deep */
		int up, error;

		if (fd < 0 || inode_of(fd, &inode) < 0 || inode == top)
			break;
		up = ioctl(fd, GET_PARENT);
		error = errno;
		close_fd(&fd);
		if (up < 0 && error == EPERM)
			return false; /* the parent is out of this process's sight, and so is not it
				       */
		fd = up;
	}
	close_fd(&fd);
	return true;
}

static void json_owner(int proc, const char *path)
{
	cleanup_fd int own = openat(proc, path, O_RDONLY | O_CLOEXEC);
	cleanup_fd int owner = -1;
	uint64_t inode;

	if (own < 0 && errno == ENOENT) {
		json_null();
		return;
	}
	if (own < 0) {
		json_fail(json_mark(), errno, "open %s", path);
		return;
	}
	owner = ioctl(own, GET_USERNS);
	if (owner < 0 || inode_of(owner, &inode) < 0)
		json_fail(json_mark(), errno, "NS_GET_USERNS of %s", path);
	else
		json_u64(inode);
}

/* From the nearest ancestor to this process's own; the kernel refuses those above with EPERM. */
static void json_parents(int proc)
{
	size_t mark = json_mark();
	uint64_t inode;
	int fd = proc < 0 ? -1 : openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open ns/user");
		return;
	}
	json_open('[');
	for (int depth = 0; depth < 64; depth++) { /* the kernel nests 32 deep */
		int up = ioctl(fd, GET_PARENT), error = errno;

		close_fd(&fd);
		if (up < 0 && error == EPERM) {
			json_close(']');
			return;
		}
		fd = up;
		if (fd < 0 || inode_of(fd, &inode) < 0) {
			json_fail(mark, errno, "NS_GET_PARENT of ns/user");
			close_fd(&fd);
			return;
		}
		json_u64(inode);
	}
	json_fail(mark, ELOOP, "NS_GET_PARENT of ns/user");
	close_fd(&fd);
}

void json_owners(int proc)
{
	json_key("owners");
	json_open('{');
	for (size_t i = 0; i < COUNT(kinds); i++) {
		char path[16];

		if (strcmp(kinds[i], "user") == 0)
			continue; /* its owner is the first of user_parents */
		snprintf(path, sizeof(path), "ns/%s", kinds[i]);
		json_key(kinds[i]);
		if (proc < 0)
			json_fail(json_mark(), -proc, "open %s", path);
		else
			json_owner(proc, path);
	}
	json_close('}');
	json_key("user_parents");
	json_parents(proc);
}
