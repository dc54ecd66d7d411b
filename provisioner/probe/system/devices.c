/* The device nodes below /dev, and whether block devices and a few others open for reading. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

#define DEPTH 4

static size_t start, items;

static void try_open(const void *in, void *out)
{
	int fd = open(in, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	*(int *)out = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
}

static void json_open_result(const char *path)
{
	int error = 0;
	struct call_result done = fork_call(try_open, path, &error, sizeof(error));

	if (done.end == CALL_DONE)
		json_text(error ? errno_name(error) : "ok");
	else if (done.end == CALL_TIMEOUT)
		json_text("timeout");
	else if (done.end == CALL_KILLED && done.number == SIGSYS)
		json_text("SIGSYS");
	else
		json_null();
}

/* Opening these has no side effect: memory, ports, the kernel log, KVM, vhost, VFIO, FUSE, tun. */
static bool is_tried(unsigned int major, unsigned int minor)
{
	static const unsigned short misc[] = { 196, 200, 229, 232, 238, 241 };

	if (major == 1)
		return minor == 1 || minor == 2 || minor == 4 || minor == 11;
	for (size_t i = 0; i < COUNT(misc); i++)
		if (major == 10 && minor == misc[i])
			return true;
	return false;
}

void json_device(const char *path, uint32_t mode, unsigned int major, unsigned int minor)
{
	bool block = S_ISBLK(mode);

	json_open('{');
	json_key("path");
	json_text(path);
	json_key("kind");
	json_text(block ? "block" : "char");
	json_key("major");
	json_u64(major);
	json_key("minor");
	json_u64(minor);
	json_key("open");
	if (block || is_tried(major, minor))
		json_open_result(path);
	else
		json_null();
	json_close('}');
}

/* Folders for files of processes, without devices. */
static bool skipped(const char *path)
{
	return strcmp(path, "/dev/shm") == 0 || strcmp(path, "/dev/mqueue") == 0 ||
	       strcmp(path, "/dev/hugepages") == 0;
}

static int walk(const char *path, int depth)
{
	struct folder f;
	const char *name;
	int error;

	/* /dev may be a link in the image; the runtime then mounted the nodes at its target */
	if (folder_open(&f, AT_FDCWD, depth == 0 ? "/dev/." : path) < 0)
		return depth == 0 || (errno != ENOENT && errno != ENOTDIR) ? -1 : 0;
	while ((name = folder_next(&f))) {
		char child[1024];
		struct stat st;

		if ((size_t)snprintf(child, sizeof(child), "%s/%s", path, name) >= sizeof(child) ||
		    fstatat(f.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
			json_device(child, st.st_mode, major(st.st_rdev), minor(st.st_rdev));
			if (++items > MAX_ITEMS || json_over(start, 128 << 10)) {
				errno = E2BIG;
				break;
			}
		} else if (S_ISDIR(st.st_mode) && depth + 1 < DEPTH && !skipped(child) &&
			   walk(child, depth + 1) < 0) {
			break;
		}
	}
	error = errno;
	close_fd(&f.fd);
	errno = error;
	return name || error ? -1 : 0;
}

void json_devices(void)
{
	json_key("devices");
	start = json_mark();
	items = 0;
	json_open('[');
	if (walk("/dev", 0) < 0)
		json_fail(start, errno, "list /dev");
	else
		json_close(']');
}
