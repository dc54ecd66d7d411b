/* The facts about one process, read through one descriptor of its /proc/PID folder. */
#include "process/process.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/parts.h"

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
	char text[MAX_TEXT + 1];

	json_key(name);
	errno = proc < 0 ? -proc : 0;
	if (proc >= 0 && read_link(proc, name, text, sizeof(text)) == 0)
		json_text(text);
	else
		json_fail(json_mark(), errno, "readlink %s", name);
}

/* Pages shared with other processes by kernel samepage merging (since Linux 5.19). */
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
	json_mounts(proc, !self);
	json_key("fds");
	json_fds(proc, self);
	json_link(proc, "cwd");
	json_link(proc, "root");
	json_link(proc, "exe");
	json_filters(self ? 0 : pid, filters);
	json_descriptors(proc, self);
	json_device_rules(proc);
	json_keeper(pid, self);
	json_ksm_pages(proc);
	json_inherited(proc, self);
	json_network(proc, self);
	if (self) {
		json_key("leads");
		json_fail(json_mark(), 0, "looked at from outside alone");
	} else {
		json_leads(proc);
	}
	json_close('}');
}
