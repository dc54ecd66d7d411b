/* Lists the open descriptors of a process. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "process/parts.h"
#include "process/process.h"

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
