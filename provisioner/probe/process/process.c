/* The section of one process: everything through one descriptor of its /proc/PID folder. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char link_text[MAX_TEXT + 1];

static int read_link(int dir, const char *path)
{
	ssize_t n = dir < 0 && dir != AT_FDCWD ? -1 : readlinkat(dir, path, link_text, MAX_TEXT);

	if (n < 0)
		return -1;
	link_text[n] = 0;
	return 0;
}

int open_self(void)
{
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return proc < 0 ? -errno : proc;
}

/* Field 22 of stat; the name in field 2 may hold anything, so counted from its last parenthesis. */
int read_start_time(int proc, uint64_t *ticks)
{
	char text[1024], *at;

	if (proc < 0) {
		errno = -proc;
		return -1;
	}
	if (read_file(proc, "stat", text, sizeof(text)) < 0)
		return -1;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at) {
		errno = EBADMSG;
		return -1;
	}
	*ticks = strtoull(at, NULL, 10);
	return 0;
}

static void json_map(int proc, const char *name)
{
	size_t mark, items = 0;
	struct reader r;
	char line[128];
	int got;

	json_key(name);
	mark = json_mark();
	if (proc < 0 || reader_open(&r, proc, name) < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open %s", name);
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		unsigned long long inside, outside, count;

		if (sscanf(line, "%llu %llu %llu", &inside, &outside, &count) != 3 ||
		    ++items > MAX_ITEMS) {
			errno = EBADMSG;
			got = -1;
			break;
		}
		json_open('{');
		json_key("inside");
		json_u64(inside);
		json_key("outside");
		json_u64(outside);
		json_key("count");
		json_u64(count);
		json_close('}');
	}
	if (got < 0)
		json_fail(mark, errno, "read %s", name);
	else
		json_close(']');
	close_fd(&r.fd);
}

static void json_file(int proc, const char *key, const char *path, bool absent_is_empty)
{
	char text[MAX_TEXT + 1];

	json_key(key);
	errno = proc < 0 ? -proc : 0;
	if (proc >= 0 && read_file(proc, path, text, sizeof(text)) >= 0)
		json_text(trim(text));
	else if (proc >= 0 && absent_is_empty && (errno == ENOENT || errno == EINVAL))
		json_text("");
	else
		json_fail(json_mark(), errno, "read %s", path);
}

void json_lsm(int proc)
{
	json_file(proc, "lsm", "attr/current", true);
}

static void json_link(int proc, const char *name)
{
	json_key(name);
	errno = proc < 0 ? -proc : 0;
	if (proc >= 0 && read_link(proc, name) == 0)
		json_text(link_text);
	else
		json_fail(json_mark(), errno, "readlink %s", name);
}

/* The descriptors that were open at main's start, before the probe opened any of its own. */
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
		if (read_link(f.fd, name) < 0)
			break;
		size = strlen(link_text) + 1;
		if (recorded.count == COUNT(recorded.list) ||
		    size > sizeof(recorded.text) - recorded.used) {
			errno = E2BIG;
			break;
		}
		memcpy(recorded.text + recorded.used, link_text, size);
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

static void json_fds(int proc)
{
	size_t mark = json_mark(), items = 0;
	struct folder f;
	const char *name;

	if (proc < 0 || folder_open(&f, proc, "fd") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open fd");
		return;
	}
	json_open('[');
	while ((name = folder_next(&f))) {
		if (read_link(f.fd, name) < 0 && errno == ENOENT)
			continue; /* closed meanwhile */
		json_fd(atoi(name), link_text);
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

/* Pages that are one with other processes' (since Linux 5.19). */
static void json_ksm_pages(int proc)
{
	uint64_t pages;

	json_key("ksm_pages");
	errno = proc < 0 ? -proc : 0;
	if (proc >= 0 && read_number(proc, "ksm_merging_pages", &pages) == 0)
		json_u64(pages);
	else if (proc >= 0 && errno == ENOENT)
		json_null();
	else
		json_fail(json_mark(), errno, "read ksm_merging_pages");
}

/* filters: ask its tasks for the filters installed, which stops them for a moment. */
void json_process(int proc, pid_t pid, bool self, bool filters)
{
	uint64_t ticks;

	json_open('{');
	json_key("pid");
	json_i64(pid);
	json_key("start_time");
	if (read_start_time(proc, &ticks) == 0)
		json_u64(ticks);
	else
		json_fail(json_mark(), errno, "read stat");
	json_key("namespaces");
	json_namespaces(proc);
	json_owners(proc);
	json_status(proc, self);
	json_map(proc, "uid_map");
	json_map(proc, "gid_map");
	json_file(proc, "setgroups", "setgroups", false);
	json_lsm(proc);
	json_key("cgroups");
	json_cgroups(proc);
	json_key("mounts");
	json_mounts(proc);
	json_key("fds");
	if (self)
		json_recorded();
	else
		json_fds(proc);
	json_link(proc, "cwd");
	json_link(proc, "root");
	json_link(proc, "exe");
	json_filters(self ? 0 : pid, filters);
	json_holdings(proc, self);
	json_device_rules(proc);
	json_ksm_pages(proc);
	json_close('}');
}
